"""What the parts of a batch have in common: its settings, each checked once, and whether it goes on."""

import asyncio
from collections.abc import Collection
from typing import Literal, TypedDict

import attrs
from attrs.validators import optional

from norce_order_async.batch.changes import Scope
from norce_order_async.batch.engine.schedule import Schedule
from norce_order_async.core.checks import a_rate, a_switch, check_count, positive_count, positive_seconds, some_seconds
from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import CallError, ConfigurationError
from norce_order_async.core.outcome import OutcomeKind, OutcomeName
from norce_order_async.core.random_source import RandomSource
from norce_order_async.core.wording import listed, text_of
from norce_order_async.sending.pace import Pace


class PaceArguments(TypedDict, total=False):
    """How fast a batch may be; see :class:`BatchSettings`."""

    concurrency: int | Literal["auto"]
    rate: float | None
    patience: float


class BatchArguments(PaceArguments, total=False):
    """The settings of a batch as keyword arguments; see :class:`BatchSettings`."""

    max_failures: int | None
    settle: float | None
    only: Collection[OutcomeKind | OutcomeName] | None
    once: bool


def _check_concurrency(instance: object, attribute: "attrs.Attribute[int | Literal['auto']]", value: object) -> None:
    if isinstance(value, str) and value != "auto":
        raise ConfigurationError(f'concurrency must be "auto" or a whole number of at least 1, got {value!r}')
    if value != "auto":
        check_count(attribute.name, value)


def _frozen(kinds: Collection[OutcomeKind | OutcomeName] | None) -> frozenset[OutcomeKind] | None:
    if kinds is None:
        return None
    try:
        if not isinstance(kinds, str):
            return frozenset(map(OutcomeKind, kinds))
    except (TypeError, ValueError):
        pass
    failed = [kind.value for kind in OutcomeKind if kind.failed]
    raise ConfigurationError(
        f"only must be several of {', '.join(OutcomeKind)}, such as {failed} (what failed), got {kinds!r}"
    )


@attrs.frozen(kw_only=True)
class BatchSettings:
    """What a batch may do.

    Attributes:
        concurrency: How many changes at once; ``"auto"`` finds out.
        rate: How many requests a second at most; None is no limit.
        max_failures: Stop after so many changes that failed; None is never.
        patience: Seconds to wait for a server that cannot be reached.
        settle: Seconds that the next change of a resource waits after an attempt whose answer never came, because the
            server may still carry that out; None is as long as an attempt may take, 0 is off.
        only: With a journal, make those changes again that ended so, and no change that was never begun; ``unknown``
            includes changes whose end is not in the journal. Later changes of the same resources that were done are
            made once more after them, so that the last one stays the last; those of classes of your own are not.
        once: Take changes that must not be made twice, too (``create_hook``, say), and make each of them at most once:
            what may have been sent is ``unknown`` and is never sent again. Without it they are refused.

    Raises:
        ConfigurationError: A number out of its range, or a value of another kind.
    """

    concurrency: int | Literal["auto"] = attrs.field(default="auto", validator=_check_concurrency)
    rate: float | None = attrs.field(default=None, validator=optional(a_rate))
    max_failures: int | None = attrs.field(default=None, validator=optional(positive_count))
    patience: float = attrs.field(default=300.0, validator=positive_seconds)
    settle: float | None = attrs.field(default=None, validator=optional(some_seconds))
    only: frozenset[OutcomeKind] | None = attrs.field(default=None, converter=_frozen)
    once: bool = attrs.field(default=False, validator=a_switch)


class RunState:
    """Whether a batch goes on, whether the server answers, and the events that its parts wait for."""

    def __init__(self) -> None:
        self.stopped: str | None = None
        """Why it ends before its input does."""
        self.undone: str | None = None
        """Of whom changes were left undone, and why, once it is over; it went on with the others."""
        self.failure: Exception | None = None
        """What must not happen and did."""
        self.worked = False
        """Whether the server has answered anything."""
        self.error: CallError | None = None
        """The last error of a server that could not be reached, or refused everything."""
        self.closed: dict[Scope, str] = {}
        """The merchants and channels whose changes are left undone, and why; others go on."""
        self.input_ended = False
        """Whether nothing more comes from the input."""
        self.wake, self.stopping, self.room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        """Set for the dispatcher to look again; for whoever only waits to stop; for the feeder to look again.

        The last one is set, too, while nothing waits for room.
        """
        self.room.set()

    def stop(self, reason: str) -> None:
        """Take no more, finish what is under way; the first reason counts."""
        if self.stopped is None:
            self.stopped = reason
        self.stopping.set()
        self.wake.set()
        self.room.set()

    def tell_closed(self) -> None:
        """Say of which merchants and channels changes were left undone."""
        names: dict[str, list[str]] = {}
        for (merchant, channel), why in self.closed.items():
            names.setdefault(why, []).append(f"{merchant}/{channel}")
        if names:
            left = [f"of {listed(each)} was not made, because {why}" for why, each in names.items()]
            self.undone = f"what is left {listed(left)}"

    def fail(self, error: Exception) -> None:
        """Stop, and have the error raised at the end."""
        self.failure = self.failure or error
        self.stop(text_of(error))

    def raised(self, error: BaseException, by: str) -> None:
        """Stop for what something has raised that is no failed call; nothing, where it was only cancelled."""
        if isinstance(error, asyncio.CancelledError):
            return
        if isinstance(error, SystemExit | KeyboardInterrupt):
            self.stop(type(error).__name__)  # asyncio has raised it already
        elif isinstance(error, Exception):
            self.fail(error)
        else:
            failure = RuntimeError(f"{by} raised {type(error).__name__}")
            failure.__cause__ = error
            self.fail(failure)


@attrs.frozen
class Shared:
    """What all parts of a batch use.

    Attributes:
        state: Whether it goes on.
        schedule: The changes that wait for their turn.
        pace: How many changes may be under way, and when the next may be sent.
        clock: Where time comes from.
        random: Where random waits and request ids come from.
    """

    state: RunState
    schedule: Schedule
    pace: Pace
    clock: Clock
    random: RandomSource
