"""One deadline over everything that a call does."""

from norce_order_async.call import Call
from norce_order_async.errors import DeadlineExceeded
from norce_order_async.timelimit import TimeLimit


class Deadline(TimeLimit):
    """Ends what runs inside it when the call's total time is over.

    A context manager rather than a link of the chain: so it costs no frame on the stack of every call.
    """

    __slots__ = ("_call",)

    def __init__(self, call: Call) -> None:
        super().__init__(call.timeout.total)
        self._call = call

    def error(self) -> DeadlineExceeded:
        """The error that ends the call."""
        attempts = self._call.attempts
        if attempts and attempts[-1].error == "CancelledError":
            attempts[-1].error = DeadlineExceeded.__name__  # that is who cancelled it
        return DeadlineExceeded(f"no success within {self._call.timeout.total:g} s")
