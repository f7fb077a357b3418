"""One deadline over everything that a call does."""

import asyncio
import math
from types import TracebackType

from norce_order_async.call import Call
from norce_order_async.errors import DeadlineExceeded


class Deadline:
    """Ends what runs inside it when the call's total time is over.

    An async context manager rather than a link of the chain: so it costs no frame on the stack of every call.
    """

    def __init__(self, call: Call) -> None:
        total = call.timeout.total
        self._call = call
        self._timer = asyncio.timeout(None if math.isinf(total) else total)

    async def __aenter__(self) -> None:
        await self._timer.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        try:
            await self._timer.__aexit__(kind, error, traceback)
        except TimeoutError:  # raised by an expired timer only; any other one passes through as it is
            attempts = self._call.attempts
            if attempts and attempts[-1].error == "CancelledError":
                attempts[-1].error = DeadlineExceeded.__name__  # that is who cancelled it
            raise DeadlineExceeded(f"no success within {self._call.timeout.total:g} s") from None
