"""The faults that are switched on, and what goes wrong with a request for them."""

import random
import threading
from collections.abc import Collection, Iterator
from difflib import get_close_matches

import attrs

from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.wording import meant
from norce_order_async.testing.sandbox.faults import Fault, FaultKind
from norce_order_async.wire.table import ROWS


@attrs.frozen
class Mishap:
    """What goes wrong with one request.

    Attributes:
        latency: Seconds that its answer is late.
        fault: What else goes wrong.
    """

    latency: float = 0.0
    fault: Fault | None = None

    @property
    def drip(self) -> float:
        """Seconds that the answer's body takes."""
        return self.fault.seconds if self.fault is not None and self.fault.kind is FaultKind.SLOW else 0.0

    @property
    def late(self) -> float:
        """Seconds after which it is carried out, and never answered; 0 is at once."""
        return self.fault.seconds if self.fault is not None and self.fault.kind is FaultKind.APPLY_LATE else 0.0

    @property
    def delay(self) -> float:
        """Seconds until the answer is complete."""
        return self.latency + self.drip

    def of(self, *kinds: FaultKind) -> bool:
        """Whether what else goes wrong is one of these."""
        return self.fault is not None and self.fault.kind in kinds


_NOTHING = Mishap()


def _fault(given: Fault | str) -> Fault:
    fault = Fault.parse(given) if isinstance(given, str) else given
    if not isinstance(fault, Fault):
        raise ConfigurationError(f"a fault must be a Fault or a str, got {kind_of(fault)}")
    return fault


@attrs.define(eq=False)
class _Running:
    fault: Fault
    left: int | None


def _no_operation(name: str, operations: Collection[str]) -> str:
    of_function = [row.name for row in ROWS.values() if row.function.endswith(f".{name}")]
    near = of_function or get_close_matches(name, sorted(operations), 4)
    return f"the API has no operation {name!r}{meant(near)}"


class Faults:
    """The faults that are switched on, in order.

    Of those that match a request the first latency strikes, and the first of all others.
    """

    def __init__(self, operations: Collection[str], random_numbers: random.Random) -> None:
        self._operations = operations
        self._random = random_numbers
        self._running: list[_Running] = []
        self._lock = threading.Lock()
        """Requests are struck in other threads, too."""

    def add(self, *faults: Fault | str) -> None:
        """Switch faults on, as values or in the form that :meth:`Fault.parse` reads; all of them or none.

        Raises:
            ConfigurationError: A text that cannot be read, something else, or an operation that the API lacks.
        """
        checked = list(map(_fault, faults))
        for fault in checked:
            if fault.operation is not None and fault.operation not in self._operations:
                raise ConfigurationError(_no_operation(fault.operation, self._operations))
        self._running.extend(_Running(fault, fault.times) for fault in checked)

    def clear(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self._running.clear()

    def remove(self, fault: Fault | str) -> bool:
        """Switch one fault off, if it is on; it is given as :meth:`add` takes it.

        Returns:
            Whether it was on.

        Raises:
            ConfigurationError: A text that cannot be read, or something else.
        """
        wanted = _fault(fault)
        with self._lock:
            for running in self._running:
                if running.fault == wanted:
                    self._running.remove(running)
                    return True
        return False

    def left(self) -> list[tuple[Fault, int | None]]:
        """The faults that are on, each with the number of requests that it will still strike; None is no limit."""
        return [(running.fault, running.left) for running in self._running]

    def __iter__(self) -> Iterator[Fault]:
        return iter([running.fault for running in self._running])

    def draw(self, operation: str | None, order: str | None, merchant: str | None) -> Mishap:
        """What goes wrong with the next request, which is of this operation, order and merchant (None: of none)."""
        about = operation, order, merchant
        late = other = None
        with self._lock:
            for running in self._running[:]:
                fault = running.fault
                is_latency = fault.kind is FaultKind.LATENCY
                if (late if is_latency else other) is None and self._strikes(fault, about):
                    self._use(running)
                    late, other = (fault, other) if is_latency else (late, fault)
        return Mishap(late.seconds if late else 0.0, other) if late or other else _NOTHING

    def _strikes(self, fault: Fault, about: tuple[str | None, ...]) -> bool:
        for wanted, given in zip((fault.operation, fault.order, fault.merchant), about, strict=True):
            if wanted not in (None, given):
                return False
        return fault.share == 1 or self._random.random() < fault.share

    def _use(self, running: "_Running") -> None:
        if running.left is not None:
            running.left -= 1
            if running.left == 0:
                self._running.remove(running)
