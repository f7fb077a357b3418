"""Every error that this package raises.

::

    NorceOrderError
    ├── ConfigurationError (ValueError)    a setting is wrong          ┐
    ├── InvalidRequestError (ValueError)   an argument is wrong        ├ nothing was sent
    ├── ClientStateError (RuntimeError)    the client is closed        ┘
    └── CallError                          a call did not succeed
        ├── DeadlineExceeded (TimeoutError)    the call's total time is over
        ├── ClientClosedError (ClientStateError)  the client was closed under the call
        ├── TokenError                         no token could be had
        ├── DecodeError                        a 2xx response whose body is not what was asked for
        ├── NotTheApiError                     a 2xx response that the API did not give
        ├── TransportError                     no complete response
        │   ├── ConnectError · TLSError · ProxyError · ConnectionLost
        │   └── ConnectTimeout · PoolTimeout · ReadTimeout (TimeoutError)
        └── StatusError                        a response that is not a 2xx
            ├── BadRequestError 400 · AuthenticationError 401 · PermissionDeniedError 403
            ├── NotFoundError 404 · ConflictError 409 · RateLimitedError 429 · ServerError 5xx
            └── UnexpectedStatusError              any other

All of them pickle, and ``type(error)(*error.args)`` rebuilds each, also when ``args`` went through JSON. None holds the
token or anything of an HTTP library.
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, cast

from norce_order_async.core.outcome import Attempt, OutcomeKind
from norce_order_async.core.plain import as_plain, from_plain
from norce_order_async.core.statuses import RETRYABLE_STATUSES
from norce_order_async.core.wording import counted, excerpt

_STATUS = re.compile(r"HTTP (\d+)")
_NOT_PERMANENT = RETRYABLE_STATUSES | {401, 403}  # they say that it is too early, or are about the token


class NorceOrderError(Exception):
    """The base of every error of this package.

    Attributes:
        outcome: What the call amounts to on the server; ``not_sent`` where nothing was sent.

    Args:
        message: What went wrong.
        known: What the second of an error's ``args`` holds, to rebuild it.
    """

    outcome: OutcomeKind = OutcomeKind.NOT_SENT

    @property
    def permanent(self) -> bool:
        """Whether another try of the same call ends the same: it is refused for what it asks for."""
        return False

    def __init__(self, message: str = "", known: object = None) -> None:
        super().__init__(message)
        if isinstance(known, Mapping):
            self.__dict__.update(from_plain(cast("Mapping[str, Any]", known)))

    def _rebuilds(self) -> tuple[Any, ...]:
        known = as_plain(self._members())
        return (*super().args[:1], known) if known else super().args

    def _members(self) -> Mapping[str, object]:
        return self.__dict__

    def _keep(self, args: tuple[Any, ...]) -> None:
        Exception.__init__(self, *args)

    args: Any = property(_rebuilds, _keep)
    """The text and, where the error knows more, a dict of it in plain JSON values."""

    def __reduce__(self) -> tuple[Any, ...]:
        # The state as object has it: that which attrs gives a class with slots has no other members.
        return _rebuild, (type(self), super().args, object.__getstate__(self))


def _rebuild(cls: type[NorceOrderError], args: tuple[object, ...], state: object) -> NorceOrderError:
    error = cls.__new__(cls)
    error.args = args
    members, slots = cast("tuple[Any, Any]", state if isinstance(state, tuple) else (state, {}))
    error.__dict__.update(members or {})
    for name, value in slots.items():
        setattr(error, name, value)
    return error


class ConfigurationError(NorceOrderError, ValueError):
    """A setting is wrong. Nothing was sent."""


class InvalidRequestError(NorceOrderError, ValueError):
    """An argument of a call is wrong. Nothing was sent."""

    @property
    def permanent(self) -> bool:
        """True: the argument stays wrong."""
        return True


class ClientStateError(NorceOrderError, RuntimeError):
    """The client is closed, or no event loop of asyncio runs here. Nothing was sent."""


class CallError(NorceOrderError):
    """A call did not succeed.

    Attributes:
        operation: The API's operationId.
        request_id: What was sent as ``x-request-id``.
        attempts: Everything that was tried, in order.
        elapsed: Seconds from the start of the call to its end.
        outcome: What the call amounts to on the server.
        retry_after: The seconds that the last response asked to wait, if it did.
        gave_up: Why no further attempt was made, where one would have been thinkable.
        redelivered: Whether an earlier call of the same change may have been applied; see :class:`CallOptions`.
    """

    operation: str = ""
    request_id: str = ""
    attempts: tuple[Attempt, ...] = ()
    elapsed: float = 0.0
    outcome: OutcomeKind = OutcomeKind.UNKNOWN
    retry_after: float | None = None
    gave_up: str | None = None
    redelivered: bool = False

    @property
    def reason(self) -> str:
        """What went wrong, without the account of the call that ``str()`` adds."""
        return super().__str__()

    def __str__(self) -> str:
        if not self.operation:
            return self.reason
        tries = counted(len(self.attempts), "attempt")
        gave_up = f", gave up: {self.gave_up}" if self.gave_up else ""
        return (
            f"{self.operation}: {self.reason} [outcome {self.outcome}, {tries} in {self.elapsed:.2f} s{gave_up}, "
            f"request id {self.request_id}]"
        )


class DeadlineExceeded(CallError, TimeoutError):
    """The call's total time, which covers queueing, tokens, waits and all attempts, is over."""


class ClientClosedError(CallError, ClientStateError):
    """The client was closed before the call could end, or a middleware or transport does what it must not.

    Such as to make two attempts at once, or to return no response. Its ``outcome`` says whether anything was sent.
    """


class TokenError(CallError):
    """The token source could not give a token."""


class DecodeError(CallError):
    """A 2xx response came whose body is not what the operation returns. The change, if any, is applied.

    Attributes:
        body: The raw body, cut to its first 1,000 characters.
        result: What was read, where it is not what was asked for: another order, say.
    """

    body: str = ""
    result: object = None

    def __init__(self, message: str, body: object = b"", result: object = None) -> None:
        super().__init__(message, body)
        if isinstance(body, bytes):
            self.body = body[:1000].decode("utf-8", "replace")
        if result is not None:
            self.result = result


class NotTheApiError(CallError):
    """A 2xx response came that the API did not give: HTML, XML, or JSON shaped like an error.

    A sign-in page, a proxy's notice, or a wrong base URL. The change may or may not be applied.

    Attributes:
        status: The HTTP status.
        headers: The response's headers, their names in lower case.
        body: The raw body.
    """

    def __init__(
        self,
        message: str,
        known: object = None,
        *,
        status: int = 0,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> None:
        self.status = status
        self.headers = dict(headers or {})
        self.body = body
        super().__init__(message, known)


class TransportError(CallError):
    """No complete response came. Raised by transports.

    Attributes:
        sent: Whether the request's headers went out; None where the transport cannot tell.
        status: The HTTP status, where the response's head came and only its body did not.
        content_type: The ``Content-Type`` of that head, if it has one.
        retryable: Whether trying again can help.
    """

    retryable: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        known: object = None,
        *,
        sent: bool | None = None,
        status: int | None = None,
        content_type: str | None = None,
    ) -> None:
        self.sent = sent
        self.status = status
        self.content_type = content_type
        super().__init__(message, known)


class ConnectError(TransportError):
    """No connection: refused, unreachable, or no such host."""


class TLSError(TransportError):
    """No TLS with the server: its certificate is not accepted, say, or it speaks no TLS."""

    retryable = False


class ProxyError(TransportError):
    """The proxy refused or could not be reached."""


class ConnectTimeout(TransportError, TimeoutError):
    """No connection in time."""


class PoolTimeout(TransportError, TimeoutError):
    """No free connection in time."""


class ReadTimeout(TransportError, TimeoutError):
    """The request went out and no complete response came in time."""


class ConnectionLost(TransportError):
    """The connection was cut before a complete response came, or what came is not HTTP."""


class StatusError(CallError):
    """The response is not a 2xx.

    Attributes:
        status: The HTTP status.
        headers: The response's headers, their names in lower case.
        body: The raw body.
        code: The API's own error code (an open set), if the body has one.
        message: The API's own text, if the body has one.
    """

    def __init__(
        self,
        status: int | str,
        known: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        code: str | None = None,
        message: str | None = None,
        text: str | None = None,
    ) -> None:
        if isinstance(status, str):  # the text of an error that is rebuilt
            shown = status
            found = _STATUS.match(shown)
            status = int(found[1]) if found else 0
        else:
            detail = ": ".join(part for part in (code, message) if part)
            shown = f"HTTP {status} {excerpt(body, detail or text)}".rstrip()
        self.status = status
        self.headers = dict(headers or {})
        self.body = body
        self.code = code
        self.message = message
        super().__init__(shown, known)

    @property
    def permanent(self) -> bool:
        """Whether the outcome is ``rejected`` for what the call asks for, and not with 401, 403, 408, 425 or 429."""
        return self.outcome is OutcomeKind.REJECTED and self.status not in _NOT_PERMANENT

    @staticmethod
    def class_for(status: int) -> type["StatusError"]:
        """The class that stands for this status."""
        return ServerError if 500 <= status < 600 else _BY_STATUS.get(status, UnexpectedStatusError)


class BadRequestError(StatusError):
    """400: the API does not accept the request."""


class AuthenticationError(StatusError):
    """401: the token is missing or not accepted."""


class PermissionDeniedError(StatusError):
    """403: the token is not allowed to do this."""


class NotFoundError(StatusError):
    """404: no such order for this merchant and channel, or nothing of that id in it."""


class ConflictError(StatusError):
    """409: the request clashes with what is stored."""


class RateLimitedError(StatusError):
    """429: too many requests; ``retry_after`` says how long to wait, if the response did."""


class ServerError(StatusError):
    """5xx: the service or its gateway failed; the change may have been applied all the same."""


class UnexpectedStatusError(StatusError):
    """Any other status, redirects among them (they are never followed)."""


_BY_STATUS: dict[int, type[StatusError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitedError,
}
