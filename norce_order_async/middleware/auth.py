"""Bearer tokens that can change while the client lives."""

import asyncio
import inspect

import attrs

from norce_order_async.auth.refreshing import Refreshing
from norce_order_async.core.call import Repeat
from norce_order_async.core.checks import check_token
from norce_order_async.core.errors import CallError, ClientStateError, ConfigurationError, NorceOrderError, TokenError
from norce_order_async.core.http import Request, Response, replace_headers
from norce_order_async.core.token_source import TokenSource
from norce_order_async.middleware import Handler
from norce_order_async.sending.lifecycle import Lifecycle

_SCHEME = "Bearer "


@attrs.frozen
class Auth:
    """Puts a token of the call's source on every attempt; after a 401 asks once for another and sends again with that.

    What may never be sent again is not; its next call has the other token. A call that has a header ``Authorization``
    by then goes on with that, and the source is not asked.

    No local variable holds a token, so that no traceback can show one. Nor does an error keep the source's own: its
    frames may hold tokens.

    Attributes:
        life: The client's. Once it is closed, a source that fails was closed with it.
    """

    life: Lifecycle = attrs.field(repr=False)

    async def __call__(self, request: Request, call_next: Handler, /) -> Response:
        """Send with the current token, and once more with a fresh one if that was refused.

        Raises:
            TokenError: The source failed, or gave something that is not a token.
            ClientStateError: The client was closed meanwhile.
        """
        if "Authorization" in request.headers:  # a call middleware's
            return await call_next(request)
        refused = await self._authorized(request)
        response = await call_next(refused)
        if response.status != 401:
            return response
        fresh = await self._authorized(request, refused)
        if fresh.headers == refused.headers:
            return response
        if request.call.repeat is Repeat.NEVER:
            request.call.gave_up = "this operation is never sent again, even with another token"
            return response
        response = await call_next(fresh)
        if response.status == 401 and isinstance(source := _source_of(request), Refreshing):
            source.refused_too(_token_of(fresh))
        return response

    async def _authorized(self, request: Request, refused: Request | None = None) -> Request:
        request.call.waiting = "a token"
        try:
            if refused is None:
                return _with_token(request, await _source_of(request).get())
            return _with_token(request, await _source_of(request).get(rejected=_token_of(refused)))
        except asyncio.CancelledError as error:
            if self.life.is_cancelled(request.call):
                error.__context__ = None  # and no frames of the source: it stays the context of other errors
                raise error.with_traceback(None) from None
            problem = _told(error)
        except TypeError as error:
            problem = _flaw_of_get(_source_of(request), error) or _told(error)
        except Exception as error:
            problem = _told(error)
        finally:
            request.call.waiting = None
        # Out here, so that the error above is not its context.
        if self.life.closed:
            raise ClientStateError("the client was closed")
        raise TokenError(problem)


class _Unfit(Exception):
    """What a source gave is not a token; the text says why."""


def _source_of(request: Request) -> TokenSource:
    assert request.call.tokens is not None
    return request.call.tokens


def _with_token(request: Request, token: str) -> Request:
    try:
        headers = {"Authorization": f"{_SCHEME}{check_token(token)}", **request.headers}
    except ConfigurationError as error:
        raise _Unfit(str(error)) from None
    return replace_headers(request, headers)


def _token_of(request: Request) -> str:
    return request.headers["Authorization"].removeprefix(_SCHEME)


def _flaw_of_get(source: TokenSource, error: TypeError) -> str | None:
    """What is wrong with a source whose ``get`` cannot be called or awaited; None where it failed by itself."""
    if error.__traceback__ is None or error.__traceback__.tb_next is not None:
        return None
    try:
        inspect.signature(source.get).bind(rejected=None)
    except (TypeError, ValueError):
        return "the token source cannot be used: its get() takes no rejected"
    return "the token source cannot be used: its get() is not async" if "await" in str(error) else None


def _told(error: BaseException) -> str:
    """What a message says of a source's error. The text of a foreign one may hold anything."""
    match error:
        case TokenError():
            return error.reason
        case _Unfit():
            return f"the token source gave no token: {error}"
        case NorceOrderError():
            said = error.reason if isinstance(error, CallError) else error
            return f"the token source failed with {type(error).__name__}: {said}"
        case _:
            return f"the token source failed with {type(error).__name__}"
