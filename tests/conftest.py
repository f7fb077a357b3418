"""For every test: no settings of the tester, Ctrl-C that ends commands, how garbage is collected, and Hypothesis."""

import gc
import os
import signal
from pathlib import Path

import pytest
from command import clean
from hypothesis import HealthCheck, settings

for name in os.environ.keys() - clean():
    del os.environ[name]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell; a command inherits that
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same few in every run; many others with ``--hypothesis-profile long``. No limit on time: the machine may be busy.
settings.register_profile("long", max_examples=1_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("suite", settings.get_profile("long"), max_examples=50, derandomize=True, database=None)
settings.load_profile("suite")


def pytest_collection_finish() -> None:
    """Leave modules and thousands of tests out of all further collections, which many tests ask for."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal is."""
    return tmp_path / "batch.journal"
