"""What is looked at when it is exported: clients and batches, which are not kept alive for that."""

import threading
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar
from weakref import WeakKeyDictionary

from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation, get_meter_provider

from norce_order_async.core.stats import Stats
from norce_order_async.core.version import __version__
from norce_order_async.telemetry.labels import Attributes

K = TypeVar("K")

SCOPE = "norce_order_async"


class WatchedClient(Protocol):
    """What gauges need of a client."""

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        ...

    def stats(self) -> Stats:
        """How it stands."""
        ...


class WatchedProgress(Protocol):
    """What gauges need of a batch's progress."""

    @property
    def in_flight(self) -> int:
        """Changes under way."""
        ...

    @property
    def concurrency(self) -> int:
        """How many may be under way."""
        ...

    @property
    def rate(self) -> float | None:
        """How many may be sent in a second; None is no limit."""
        ...


class WatchedBatch(Protocol):
    """What gauges need of a batch."""

    @property
    def progress(self) -> WatchedProgress:
        """How it stands."""
        ...


class Weakly(Generic[K]):
    """Things that others keep alive, with their attributes; read by the thread that exports as well."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._things: WeakKeyDictionary[K, Attributes] = WeakKeyDictionary()

    def add(self, thing: K, attributes: Attributes) -> None:
        """Take one in."""
        with self._lock:
            self._things[thing] = attributes

    def discard(self, thing: K) -> None:
        """Let one go."""
        with self._lock:
            self._things.pop(thing, None)

    def alive(self) -> list[tuple[K, Attributes]]:
        """Those that are left."""
        with self._lock:
            return list(self._things.items())


class Gauges:
    """The gauges of a meter provider.

    Args:
        meter: Makes them.
    """

    def __init__(self, meter: Meter) -> None:
        self.clients: Weakly[WatchedClient] = Weakly()
        self.batches: Weakly[WatchedBatch] = Weakly()
        meter.create_observable_gauge(
            "norce.client.retry_budget.left",
            [self._clients(lambda stats: stats.budget_left, min)],
            "{token}",
            "Tokens left for retries, of the client that has the fewest.",
        )
        meter.create_observable_up_down_counter(
            "norce.client.slots.used",
            [self._clients(lambda stats: stats.slots_used, sum)],
            "{request}",
            "Requests under way.",
        )
        meter.create_observable_up_down_counter(
            "norce.client.slots.limit",
            [self._clients(lambda stats: stats.slots, sum)],
            "{request}",
            "Requests that may be under way in each event loop.",
        )
        meter.create_observable_up_down_counter(
            "norce.batch.in_flight",
            [self._batches(lambda progress: progress.in_flight)],
            "{change}",
            "Changes of batches under way.",
        )
        meter.create_observable_up_down_counter(
            "norce.batch.concurrency",
            [self._batches(lambda progress: progress.concurrency)],
            "{change}",
            "Changes of batches that may be under way.",
        )
        meter.create_observable_gauge(
            "norce.batch.rate_limit",
            [self._batches(lambda progress: progress.rate)],
            "{request}/s",
            "Requests that batches may send, where that is limited.",
        )

    def _clients(
        self, value: Callable[[Stats], int | None], join: Callable[[Iterable[int]], int]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        """One observation for all clients of each server."""

        def observe(options: CallbackOptions) -> Iterable[Observation]:
            found: dict[frozenset[tuple[str, str | int]], list[int]] = {}
            for client, attributes in self.clients.alive():
                if not client.closed and (number := value(client.stats())) is not None:
                    found.setdefault(frozenset(attributes.items()), []).append(number)
            return [Observation(join(numbers), dict(attributes)) for attributes, numbers in found.items()]

        return observe

    def _batches(
        self, value: Callable[[WatchedProgress], float | None]
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        """One observation for all batches that run."""

        def observe(options: CallbackOptions) -> Iterable[Observation]:
            batches = self.batches.alive()
            numbers = [number for batch, _ in batches if (number := value(batch.progress)) is not None]
            return [Observation(sum(numbers))] if numbers else []

        return observe


class _Made:
    """The gauges made so far, one set for each provider: a second one would never be asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: WeakKeyDictionary[MeterProvider, Gauges] = WeakKeyDictionary()
        self._of_global: Gauges | None = None

    def of(self, provider: MeterProvider) -> Gauges:
        """Those of a provider. What was made before the global one was set serves that one, too."""
        with self._lock:
            is_global = provider is get_meter_provider()
            gauges = self._of.get(provider) or (self._of_global if is_global else None)
            if gauges is None:
                gauges = self._of[provider] = Gauges(provider.get_meter(SCOPE, __version__))
            if is_global:
                self._of_global = gauges
            return gauges


_made = _Made()
gauges_of = _made.of
