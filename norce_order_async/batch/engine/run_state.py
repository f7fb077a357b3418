"""What the parts of a running batch have in common: whether it goes on, and who waits for what."""

import asyncio


class RunState:
    """Whether a batch goes on, and the events that its parts wait for."""

    def __init__(self) -> None:
        self.stopped: str | None = None
        """Why it ends before its input does."""
        self.failure: Exception | None = None
        """What must not happen and did."""
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

    def fail(self, error: Exception) -> None:
        """Stop, and have the error raised at the end."""
        self.failure = self.failure or error
        self.stop(str(error) or type(error).__name__)
