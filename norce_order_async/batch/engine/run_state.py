"""What the parts of a running batch have in common: whether it goes on, and who waits for what."""

import asyncio

from norce_order_async.batch.engine.work_item import Scope

_NAMED = 3


class RunState:
    """Whether a batch goes on, and the events that its parts wait for."""

    def __init__(self) -> None:
        self.stopped: str | None = None
        """Why it ends before its input does."""
        self.failure: Exception | None = None
        """What must not happen and did."""
        self.closed: dict[Scope, str] = {}
        """The merchants and channels whose changes are left undone, and why; others go on."""
        self.input_ended = False
        """Whether nothing more comes from the input."""
        self.wake, self.stopping, self.room = asyncio.Event(), asyncio.Event(), asyncio.Event()
        """Set for the dispatcher to look again; for whoever only waits to stop; for the feeder to look again."""

    def stop(self, reason: str) -> None:
        """Take no more, finish what is under way; the first reason counts."""
        if self.stopped is None:
            self.stopped = reason
        self.stopping.set()
        self.wake.set()
        self.room.set()

    def tell_closed(self) -> None:
        """Say of which merchants and channels changes were left undone, if the batch has not stopped otherwise."""
        if self.closed and self.stopped is None:
            names = ", ".join(f"{merchant}/{channel}" for merchant, channel in list(self.closed)[:_NAMED])
            others = f" and {len(self.closed) - _NAMED} more" if len(self.closed) > _NAMED else ""
            *_, why = self.closed.values()
            self.stop(f"what is left of {names}{others} was not made, because {why}")

    def fail(self, error: Exception) -> None:
        """Stop, and have the error raised at the end."""
        self.failure = self.failure or error
        self.stop(str(error) or type(error).__name__)
