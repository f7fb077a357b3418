"""Bearer tokens that can change while the client lives."""

from typing import Protocol

import attrs

from norce_order_async.checks import check_token
from norce_order_async.errors import AuthError, CallError, ClientStateError, ConfigurationError
from norce_order_async.http import Request, Response
from norce_order_async.middleware import Handler

_SCHEME = "Bearer "


class TokenSource(Protocol):
    """Where tokens come from. One source serves every call of a client, many at once."""

    async def get(self, *, rejected: str | None = None) -> str:
        """The token to send, without the word Bearer.

        Called before every attempt, so it should cache. ``rejected`` is a token that the API just answered
        with 401: return another one if there is one, or the same to let the 401 stand.
        """
        ...


@attrs.frozen
class Auth:
    """Puts the source's token on every attempt; after a 401 asks once for another and sends again with that.

    No local variable holds a token, so that no traceback can show one.
    """

    source: TokenSource

    async def __call__(self, request: Request, call_next: Handler, /) -> Response:
        """Send with the current token, and once more with a fresh one if that was refused.

        Raises:
            AuthError: The source failed, or gave something that is not a token.
            ClientStateError: The source is closed.
        """
        refused = await self._authorized(request)
        response = await call_next(refused)
        if response.status != 401:
            return response
        fresh = await self._authorized(request, refused)
        if fresh.headers == refused.headers:
            return response
        return await call_next(fresh)

    async def _authorized(self, request: Request, refused: Request | None = None) -> Request:
        request.call.waiting = True
        try:
            if refused is None:
                return _with_token(request, await self.source.get())
            return _with_token(request, await self.source.get(rejected=_token_of(refused)))
        except (CallError, ClientStateError):
            raise
        except ConfigurationError as error:
            problem = str(error)
        except Exception as error:
            raise AuthError(f"the token source failed with {type(error).__name__}") from error
        finally:
            request.call.waiting = False
        # Out here, because the traceback of the error above shows what the source gave.
        raise AuthError(f"the token source gave no token: {problem}")


def _with_token(request: Request, token: str) -> Request:
    headers = {"Authorization": f"{_SCHEME}{check_token(token)}", **request.headers}
    return attrs.evolve(request, headers=headers)


def _token_of(request: Request) -> str:
    return request.headers["Authorization"].removeprefix(_SCHEME)
