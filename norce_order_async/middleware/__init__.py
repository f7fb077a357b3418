"""For middlewares of your own, and the chain between a call and its transport.

From the outside in: the user's call middlewares, :class:`Retry`, :class:`Pacing`, :class:`Auth`, the user's attempt
middlewares, and :class:`AttemptSender`, which waits for a slot and hands each attempt to the transport.
:class:`RunningCall` is around all of it. What has nothing to do is not in the chain at all.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import attrs

from norce_order_async.core.call import AttemptHook, Call, CallHook, RetryRules
from norce_order_async.core.checks import flaw_of_headers
from norce_order_async.core.clock import Clock, SystemClock
from norce_order_async.core.errors import ClientStateError, InvalidRequestError
from norce_order_async.core.http import Request, Response, without_twins
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.observer import CallObserver
from norce_order_async.core.random_source import RandomSource

__all__ = [
    "AttemptHook",
    "Call",
    "CallHook",
    "CallObserver",
    "Clock",
    "Handler",
    "Middleware",
    "RandomSource",
    "RetryRules",
    "SystemClock",
]

Handler = Callable[[Request], Awaitable[Response]]
"""What takes a request and returns its response: the rest of the chain, as a middleware sees it."""


class Middleware(Protocol):
    """One link of the chain: an object or a plain async function of this shape."""

    async def __call__(self, request: Request, call_next: Handler, /) -> Response:
        """Answer ``request``, usually by awaiting ``call_next`` with it or with a changed copy.

        One instance serves many calls at once; what belongs to one call is on ``request.call``.
        """
        ...


def checked(middleware: Middleware) -> Middleware:
    """A middleware of the user's: it passes on a request that can be sent, and returns a response to the one it got.

    An InvalidRequestError tells of headers that cannot be sent, a ClientStateError of anything else that it passes on
    or returns. Of headers that differ in case only the last is sent. A response to another call, which a middleware
    shares among several, counts for this one, and so do the attempts that were made for it.
    """

    async def call(request: Request, call_next: Handler, /) -> Response:
        def go_on(changed: object, /) -> Awaitable[Response]:
            # No local variable holds the headers, so that no traceback can show the token.
            if not isinstance(changed, Request):
                kind = kind_of(changed)
                del changed
                raise ClientStateError(f"a middleware gave call_next {kind}, not a Request")
            if changed.headers is not request.headers:
                if (flaw := flaw_of_headers(changed.headers, request.headers)) is not None:
                    raise InvalidRequestError(flaw)
                changed = without_twins(changed)
            return call_next(changed)

        response: object = await middleware(request, go_on)
        if not isinstance(response, Response):
            raise ClientStateError(f"a middleware returned {kind_of(response)}, not the Response of call_next")
        if (other := response.request.call) is not request.call:
            request.call.shared += (*other.attempts, *other.shared)
            return attrs.evolve(response, request=request)
        return response

    return call


def compile_chain(middlewares: Sequence[Middleware], handler: Handler) -> Handler:
    """One handler out of these middlewares, the first outermost, around ``handler``."""
    for middleware in reversed(middlewares):
        handler = _link(middleware, handler)
    return handler


def _link(middleware: Middleware, call_next: Handler) -> Handler:
    return lambda request: middleware(request, call_next)
