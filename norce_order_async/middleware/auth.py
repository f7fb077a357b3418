"""Bearer tokens that can change while the client lives."""

from typing import Protocol

import attrs

from norce_order_async.checks import check_token
from norce_order_async.errors import AuthError, CallError
from norce_order_async.http import Request, Response
from norce_order_async.middleware import Handler


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
    """Puts the source's token on every attempt; after a 401 asks once for another and sends again with that."""

    source: TokenSource

    async def __call__(self, request: Request, call_next: Handler, /) -> Response:
        """Send with the current token, and once more with a fresh one if that was refused.

        Raises:
            AuthError: The source failed, or gave something that is not a token.
        """
        token = await self._token()
        response = await call_next(_authorized(request, token))
        if response.status != 401:
            return response
        fresh = await self._token(rejected=token)
        if fresh == token:
            return response
        return await call_next(_authorized(request, fresh))

    async def _token(self, *, rejected: str | None = None) -> str:
        try:
            return check_token(await self.source.get(rejected=rejected))
        except CallError:
            raise
        except Exception as error:
            raise AuthError(f"the token source failed with {type(error).__name__}") from error


def _authorized(request: Request, token: str) -> Request:
    return attrs.evolve(request, headers={"Authorization": f"Bearer {token}", **request.headers})
