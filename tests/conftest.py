"""How Hypothesis looks for examples: the same few in every run; many others with ``--hypothesis-profile long``."""

from hypothesis import HealthCheck, settings

# No limit on time: the machine may be busy.
settings.register_profile("long", max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", settings.get_profile("long"), max_examples=50, derandomize=True, database=None)
settings.load_profile("suite")
