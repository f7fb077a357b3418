"""What is counted when it happens."""

from opentelemetry.metrics import Meter

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""The bounds that the HTTP conventions advise."""


class Counters:
    """The counters, and the histogram of durations.

    Args:
        meter: Makes them.
    """

    def __init__(self, meter: Meter) -> None:
        self.requests = meter.create_histogram(
            "http.client.request.duration",
            "s",
            "Duration of requests, each attempt by itself.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.calls = meter.create_counter("norce.client.calls", "{call}", "Calls that ended.")
        self.retries = meter.create_counter("norce.client.retries", "{retry}", "Attempts made again after a wait.")
        self.tokens = meter.create_counter("norce.client.token.refreshes", "{token}", "New tokens that came.")
        self.changes = meter.create_counter("norce.batch.changes", "{change}", "Changes of batches that ended.")
