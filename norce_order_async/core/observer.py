"""What sees the start and the end of each call and of its attempts, for telemetry."""

from collections.abc import Mapping
from typing import Protocol

from norce_order_async.core.call import Call
from norce_order_async.core.http import Request, Response
from norce_order_async.core.outcome import Attempt


class CallObserver(Protocol):
    """Sees every call of a client and of its scoped views, whatever ends it.

    A middleware sees less: the error of a status, of a body that cannot be read and of a deadline is made outside the
    chain. One observer serves many calls at once; the :class:`Call`, compared by identity, tells them apart. Every
    start is followed by its end, in the same task; an attempt that a middleware makes in a task of its own may end
    after its call. The methods run in the event loop, so they must be quick; what one raises is logged and does not
    change the call. Of several observers the first begins first and ends last.
    """

    def call_started(self, request: Request, /) -> None:
        """A call starts.

        Args:
            request: Without what middlewares add. ``request.call`` has the operation, its path and the ids;
                ``request.headers`` has ``x-merchant`` and ``x-channel``, and the token where it is a fixed one.
        """
        ...

    def attempt_started(self, request: Request, attempt: Attempt, /) -> Mapping[str, str] | None:
        """An attempt starts: it has its slot, and goes to the transport now.

        Args:
            request: With what middlewares added.
            attempt: Its account; ``attempt.number - 1`` is how often the call was sent before.

        Returns:
            Headers to send with it, say ``traceparent``, or None. One that cannot be sent, or that the client sets
            itself, is logged and left out; the others are sent.
        """
        ...

    def attempt_ended(self, call: Call, attempt: Attempt, /) -> None:
        """An attempt ended; ``attempt`` has its status or error."""
        ...

    def call_ended(self, call: Call, response: Response | None, error: BaseException | None, /) -> None:
        """A call ended, cancelled ones included.

        Args:
            call: Has the outcome, the attempts and the seconds that they took.
            response: What the chain returned; None if it raised.
            error: What ``execute`` raises; None after a success.
        """
        ...
