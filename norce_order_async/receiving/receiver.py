"""The requests that Norce makes: each is checked, read, handed to its handler, and answered."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Hashable, Mapping
from types import UnionType
from typing import Any, Literal, NamedTuple

import attrs

from norce_order_async.core.checks import check_choice, positive_count, positive_seconds
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.logger import lines_of, logger
from norce_order_async.core.shapes import HANDLER, HOOK, check_not_awaitable, check_shape, check_takes_call
from norce_order_async.loops.time_limit import TimeLimit
from norce_order_async.receiving import asgi, calls, replies
from norce_order_async.receiving.calls import Headers, HookCall, NotificationCall, ValidationCall, notification_key
from norce_order_async.receiving.enumerations import EnumNames, check_enums
from norce_order_async.receiving.errors import CallbackError
from norce_order_async.receiving.handlers import run
from norce_order_async.receiving.repeats import Repeats
from norce_order_async.receiving.replies import Reply
from norce_order_async.receiving.secret import SharedSecret
from norce_order_async.wire.json import MAX_BYTES
from norce_order_async.wire.models import OrderVersion

_FAILED = ("adapter-error", "The adapter failed.")
_logger = logger.child("receiving")


class _Kind(NamedTuple):
    methods: tuple[str, ...]
    parse: Callable[..., Any]
    handle: Callable[[Any], object]
    failed: Reply


@attrs.frozen(kw_only=True, eq=False)
class Receiver:
    """An ASGI application that takes hooks, notifications and validations; it needs asyncio.

    They come to ``hooks``, ``notifications`` and ``validations`` below the place where it is mounted. What follows in
    the path is the call's ``path``. A kind without a handler is answered with 404, and what is none of Norce's calls
    with another 4xx. The log has a line for each of these and for each failure of a handler, without bodies.

    Attributes:
        on_hook: A function that answers a hook with :func:`allow`, :func:`refuse` or :func:`change`. Like the others it
            is an async one, or a plain one, which holds up the event loop and is not ended by ``deadline``.
        on_notification: A function for notifications. If it fails, the answer is 500, and a repeat is handled.
        on_validation: A function that answers a validation with :func:`valid` or :func:`invalid`.
        secret: What a request has to know; None takes requests from everybody who reaches the address.
        on_failure: What a hook or validation gets whose handler raises, is too slow or returns no :class:`Reply`:
            ``refuse`` (with the code ``adapter-error``) or ``allow``.
        deadline: Seconds for the body to come, and again for the handler, which is cancelled then.
        limit: How many bytes a body may have.
        version: The shape of the orders, ``v0`` or ``v1``, as registered.
        enums: What integers in place of enumerations stand for.
        repeat_key: What a repeat of a notification has in common with the first; what gives None is no repeat. The
            latest 10,000 keys are remembered, in this process. It is a function that is not async. If it fails, or
            returns what has no hash, the answer is 500 and the handler is not called.

    Raises:
        ConfigurationError: A handler or ``repeat_key`` is no function of one argument, ``secret`` is no
            :class:`SharedSecret`, or ``on_failure``, ``deadline``, ``limit``, ``version`` or ``enums`` cannot be.
    """

    on_hook: Callable[[HookCall], Awaitable[Reply] | Reply] | None = None
    on_notification: Callable[[NotificationCall], Awaitable[object] | object] | None = None
    on_validation: Callable[[ValidationCall], Awaitable[Reply] | Reply] | None = None
    secret: SharedSecret | None = None
    on_failure: Literal["refuse", "allow"] = "refuse"
    deadline: float = attrs.field(default=5.0, validator=positive_seconds)
    limit: int = attrs.field(default=MAX_BYTES, validator=positive_count)
    version: str = "v0"
    enums: EnumNames | None = attrs.field(default=None, repr=False)
    repeat_key: Callable[[NotificationCall], Hashable | None] = notification_key
    _kinds: dict[str, _Kind] = attrs.field(init=False, factory=dict[str, _Kind], repr=False)
    _repeats: Repeats = attrs.field(init=False, factory=Repeats, repr=False)

    def __attrs_post_init__(self) -> None:
        check_choice("on_failure", self.on_failure, ("refuse", "allow"))
        check_choice("version", self.version, OrderVersion)
        for name in ("on_hook", "on_notification", "on_validation"):
            if (handler := getattr(self, name)) is not None:
                check_takes_call(name, check_shape(name, handler, HANDLER))
        if not isinstance(self.secret, SharedSecret | None):
            raise ConfigurationError(f"secret must be a SharedSecret, got {kind_of(self.secret)}")
        check_takes_call("repeat_key", check_shape("repeat_key", self.repeat_key, HOOK))
        check_enums(self.enums)
        passes, post = self.on_failure == "allow", ("POST",)
        if self.on_hook:
            failed = replies.allow() if passes else replies.refuse(*_FAILED)
            self._kinds["hooks"] = _Kind(post, calls.parse_hook, self.on_hook, failed)
        if self.on_notification:
            failed = replies.problem(500, *_FAILED)
            self._kinds["notifications"] = _Kind(post, calls.parse_notification, self._notify, failed)
        if self.on_validation:
            failed = replies.valid() if passes else replies.invalid(*_FAILED)
            self._kinds["validations"] = _Kind((*post, "GET"), calls.parse_validation, self.on_validation, failed)

    async def __call__(self, scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        """Serve what an ASGI server has: a request, or the life of the server."""
        await asgi.serve(self.answer, scope, receive, send)

    async def answer(self, method: str, path: str, query: str, headers: Headers, body: AsyncIterable[bytes]) -> Reply:
        """Answer a request, whatever framework it came to.

        Args:
            method: The HTTP method.
            path: What follows the mount in the path, such as ``/hooks/consents``, percent-decoded.
            query: The query, as it came.
            headers: The headers.
            body: The parts of the body. No more of it is read than it may have.

        Raises:
            TypeError: One of them is of another kind.
        """
        _check_kind("method", method, str, "a str")
        _check_kind("path", path, str, "a str")
        _check_kind("query", query, str, "a str")
        _check_kind("body", body, AsyncIterable, "an async iterable of bytes")
        name, _, rest = path.strip("/").partition("/")
        kind = self._kinds.get(name)
        try:
            if kind is None:
                raise CallbackError("nothing is received here", status=404)
            lower = calls.joined(headers)
            if self.secret is not None:
                self.secret.check(lower, query)
            if method not in kind.methods:
                raise CallbackError(f"the method is not {' or '.join(kind.methods)}", status=405)
            whole = await self._read(lower, body)
            call = kind.parse(lower, whole, self.version, path=rest, enums=self.enums, limit=self.limit)
        except CallbackError as error:
            # In the log only: no secret has been checked.
            known = ", ".join(f"/{each}" for each in self._kinds) or "none"
            places = "" if kind else f"; handlers: {known}, below the path where the receiver is mounted"
            _logger.warning("a request was refused with %d: %s%s", error.status, error, places)
            reply = replies.problem(error.status, error.code, str(error))
            return attrs.evolve(reply, allow=kind.methods) if kind and error.status == 405 else reply
        return await self._handle(name, kind, call)

    async def _read(self, headers: Mapping[str, str], parts: AsyncIterable[bytes]) -> bytes:
        length = calls.check_head(headers, self.limit)
        body = bytearray()
        try:
            with TimeLimit(self.deadline):
                async for part in parts:
                    _check_kind("each part of body", part, bytes | bytearray | memoryview, "bytes")
                    if len(body) + len(part) > self.limit:
                        raise calls.too_large(self.limit)
                    body += part
        except TimeoutError:
            raise CallbackError("the body did not come in time", status=408) from None
        if length not in (None, len(body)):
            raise CallbackError("the body has another length than its header says")
        return bytes(body)

    async def _handle(self, name: str, kind: _Kind, call: Any) -> Reply:
        limit = TimeLimit(self.deadline)
        try:
            with limit:
                reply = await run(kind.handle, call)
            if isinstance(reply, Reply):
                if reply.kind not in (None, name):
                    _logger.warning("the handler of %s returned a reply for %s, which is sent", name, reply.kind)
                return reply
            _logger.error("the handler of %s returned no Reply: %s", name, kind_of(reply))
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and limit.is_cancelled():
                raise
            what, where = type(error).__qualname__, lines_of(error)
            _logger.error("the handler of %s failed: %s in %s (deadline %g s)", name, what, where, self.deadline)
        return kind.failed

    async def _notify(self, call: NotificationCall) -> Reply:
        handler = self.on_notification
        assert handler is not None
        failed = self._kinds["notifications"].failed
        try:
            key = self.repeat_key(call)
            check_not_awaitable("repeat_key", key)
            hash(key)
        except Exception as error:
            what, where = type(error).__qualname__, lines_of(error)
            _logger.error("repeat_key failed, or returned what is no key: %s in %s", what, where)
            return failed
        if key is None:
            await run(handler, call)
        elif not await self._repeats.once(key, lambda: run(handler, call)):
            return failed
        return Reply(200)


def _check_kind(name: str, value: object, kind: type | UnionType, what: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {what}, got {kind_of(value)}")
