"""The client: who calls with what, and the chain that every call goes through."""

import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from random import randbytes
from types import TracebackType
from typing import Any, Self, TypeVar

import attrs

from norce_order_async.auth.source import TokenSource
from norce_order_async.core.call import AttemptHook, Call, CallHook, RetryRules
from norce_order_async.core.checks import check_token
from norce_order_async.core.clock import Clock, SystemClock
from norce_order_async.core.errors import (
    ClientStateError,
    ConfigurationError,
)
from norce_order_async.core.http import Request, merge_headers
from norce_order_async.core.options import CallOptions, check_retry
from norce_order_async.core.settings import (
    UNSET,
    Environment,
    Timeout,
    Unset,
    api_address,
    as_timeout,
    client_header,
    client_headers,
)
from norce_order_async.core.stats import Stats
from norce_order_async.core.version import __version__
from norce_order_async.environ import settings_from
from norce_order_async.middleware import Handler, Middleware, compile_chain
from norce_order_async.middleware.auth import Auth
from norce_order_async.middleware.policy import RetryPolicy
from norce_order_async.middleware.retry import Retry
from norce_order_async.sending.attempt import AttemptSender
from norce_order_async.sending.budget import RetryBudget
from norce_order_async.sending.call_ends import CallEnds
from norce_order_async.sending.lifecycle import Deadline, Lifecycle
from norce_order_async.sending.log import show_response
from norce_order_async.transport import Transport
from norce_order_async.wire.codec import encode
from norce_order_async.wire.operation import Operation, QueryValue

T = TypeVar("T")

_DEFAULT_OPTIONS = CallOptions()
_USER_AGENT = f"norce-order-async/{__version__} Python/{'.'.join(map(str, sys.version_info[:3]))}"


@attrs.define(eq=False)
class _Core:
    """What a client and its scoped views share."""

    base_url: str
    timeout: Timeout
    retry: RetryRules | None
    transport: Transport
    clock: Clock
    once: Handler
    retrying: Handler
    lifecycle: Lifecycle
    ends: CallEnds
    auth: TokenSource | str = attrs.field(repr=False)
    owns_transport: bool


class OrderClient:
    """Calls the Order Management API for one merchant and channel.

    One client serves many calls at once and is meant to live as long as the program; :meth:`scoped` gives views of
    it for other merchants and channels. It can be made anywhere, also outside an event loop::

        async with OrderClient(environment=Environment.STAGE, slug="acme", merchant="acme", channel="1",
                               auth="TOKEN") as client:
            await patch_consent(client, "o_123", "ci_newsletter", checked=True)

    Args:
        environment: Which of Norce's environments; goes with ``slug``.
        slug: The identifier in the address that Norce assigned, usually the merchant's.
        base_url: The API's address instead of ``environment`` and ``slug``, up to and without ``/api``.
        merchant: Sent as ``x-merchant``.
        channel: Sent as ``x-channel``.
        adapter_id: Sent as ``x-adapterid``: hooks of that adapter are not called for the changes made.
        auth: A token, without the word Bearer, or a :class:`TokenSource`.
        transport: What carries the requests, by default an :class:`AiohttpTransport`. The client closes it.
        timeout: The limits of each call; a number of seconds is its total.
        retry: When to try again; None is off.
        call_middlewares: Run once a call, around all its attempts, the first outermost.
        attempt_middlewares: Run once an attempt, the first outermost.
        limit: How many requests at once in each event loop; more wait their turn.
        budget: Tokens for retries, shared with the scoped views; None is no budget.
        on_attempt: Called after each attempt, with the :class:`Call` and the :class:`Attempt`.
        on_call: Called at each call's end, with the :class:`Call` and its error, also when it was cancelled.
        headers: Further headers of every request, say for a gateway on the way.
        user_agent: Added to the ``User-Agent``: what calls, such as ``acme-shop/1.2``.
        allow_http: Whether ``base_url`` may be http for a host other than loopback; the token goes unencrypted then.
        clock: Where time comes from; tests replace it.

    Raises:
        ConfigurationError: A setting is missing or wrong; the message says which.
    """

    def __init__(
        self,
        *,
        environment: Environment | None = None,
        slug: str | None = None,
        base_url: str | None = None,
        merchant: str,
        channel: str,
        adapter_id: str | None = None,
        auth: TokenSource | str,
        transport: Transport | None = None,
        timeout: Timeout | float = Timeout(),  # noqa: B008 (frozen)
        retry: RetryRules | Unset | None = UNSET,
        call_middlewares: Sequence[Middleware] = (),
        attempt_middlewares: Sequence[Middleware] = (),
        limit: int = 100,
        budget: RetryBudget | Unset | None = UNSET,
        on_attempt: Sequence[AttemptHook] = (),
        on_call: Sequence[CallHook] = (),
        headers: Mapping[str, str] | None = None,
        user_agent: str | None = None,
        allow_http: bool = False,
        clock: Clock | None = None,
    ) -> None:
        address = api_address(environment, slug, base_url, allow_http=allow_http)
        self._headers = {
            "x-merchant": client_header("merchant", merchant),
            "x-channel": client_header("channel", channel),
            "User-Agent": _USER_AGENT,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if adapter_id is not None:
            self._headers["x-adapterid"] = client_header("adapter_id", adapter_id)
        if user_agent is not None:
            self._headers["User-Agent"] += " " + client_header("user_agent", user_agent)
        self._headers = merge_headers(self._headers, client_headers(headers or {}))
        lifecycle = Lifecycle(limit)
        inner: list[Middleware] = []
        if isinstance(auth, str):
            self._headers = {"Authorization": f"Bearer {check_token(auth)}"} | self._headers
        elif callable(getattr(auth, "get", None)):
            inner.append(Auth(auth, lifecycle))
        else:
            raise ConfigurationError("auth must be a token or have an async get() that returns one")
        clock = clock or SystemClock()
        budget = RetryBudget() if isinstance(budget, Unset) else budget
        owns_transport = transport is None
        transport = transport or _default_transport()
        sender = AttemptSender(transport, clock, lifecycle, tuple(on_attempt))
        inner.extend(attempt_middlewares)
        self._is_view = False
        self._core = _Core(
            base_url=address,
            timeout=as_timeout(timeout),
            retry=RetryPolicy.interactive() if isinstance(retry, Unset) else check_retry(retry),
            transport=transport,
            clock=clock,
            once=compile_chain([*call_middlewares, *inner], sender),
            retrying=compile_chain([*call_middlewares, Retry(clock, lifecycle, budget), *inner], sender),
            lifecycle=lifecycle,
            ends=CallEnds(clock, budget, tuple(on_call)),
            auth=auth,
            owns_transport=owns_transport,
        )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None, /, **overrides: Any) -> Self:
        """A client with its settings from environment variables.

        ``NORCE_ENVIRONMENT`` (playground, stage, production) and ``NORCE_SLUG``, or ``NORCE_BASE_URL``;
        ``NORCE_MERCHANT``, ``NORCE_CHANNEL``, ``NORCE_ADAPTER_ID``; ``NORCE_TOKEN``, or ``NORCE_TOKEN_FILE`` with
        the path of a file that holds the token; ``NORCE_PROXY``, the URL of an HTTP proxy, and ``NORCE_CA_FILE``, the
        path of a PEM file with the authorities to trust instead of the system's. Neither touches a ``transport`` that
        is given, and this machine's own addresses are reached without the proxy.

        Args:
            environ: Read instead of ``os.environ``.
            **overrides: Arguments of :class:`OrderClient`; one that is not None wins over its variable. A ``transport``
                may be a class too: it is made with that proxy and these authorities. And ``proxy_from_env=True``:
                without ``NORCE_PROXY``, do as ``HTTPS_PROXY`` and ``NO_PROXY`` say.

        Raises:
            ConfigurationError: A setting is missing or wrong.
        """
        return cls(**settings_from(os.environ if environ is None else environ, overrides))

    def scoped(
        self,
        *,
        merchant: str | Unset = UNSET,
        channel: str | Unset = UNSET,
        adapter_id: str | Unset | None = UNSET,
    ) -> "OrderClient":
        """A view of this client for another merchant, channel or adapter, on the same connections.

        It costs next to nothing, so it can be made for every request. Closing it does nothing: it lives and ends
        with the client it came from. ``adapter_id=None`` sends none.

        Raises:
            ConfigurationError: A value that cannot stand in a header.
        """
        view = object.__new__(OrderClient)
        view._core = self._core
        view._is_view = True
        view._headers = dict(self._headers)
        if not isinstance(merchant, Unset):
            view._headers["x-merchant"] = client_header("merchant", merchant)
        if not isinstance(channel, Unset):
            view._headers["x-channel"] = client_header("channel", channel)
        if adapter_id is None:
            view._headers.pop("x-adapterid", None)
        elif not isinstance(adapter_id, Unset):
            view._headers["x-adapterid"] = client_header("adapter_id", adapter_id)
        return view

    @property
    def base_url(self) -> str:
        """The API's address, without a slash at its end."""
        return self._core.base_url

    @property
    def merchant(self) -> str:
        """What is sent as ``x-merchant``."""
        return self._headers["x-merchant"]

    @property
    def channel(self) -> str:
        """What is sent as ``x-channel``."""
        return self._headers["x-channel"]

    @property
    def adapter_id(self) -> str | None:
        """What is sent as ``x-adapterid``, if anything."""
        return self._headers.get("x-adapterid")

    @property
    def timeout(self) -> Timeout:
        """The limits of its calls."""
        return self._core.timeout

    @property
    def retry(self) -> RetryRules | None:
        """When it tries again; None is never."""
        return self._core.retry

    @property
    def clock(self) -> Clock:
        """Where it takes the time from."""
        return self._core.clock

    def __del__(self) -> None:
        core = getattr(self, "_core", None)  # absent when a setting was wrong
        if (
            core is not None
            and not self._is_view
            and core.owns_transport
            and core.ends.calls
            and not core.lifecycle.closed
        ):
            fix = "use it with 'async with', or await aclose()"
            warnings.warn(f"unclosed {self!r}: {fix}", ResourceWarning, stacklevel=2, source=self)

    def __repr__(self) -> str:
        return f"OrderClient({self.base_url!r}, merchant={self.merchant!r}, channel={self.channel!r})"

    async def execute(
        self,
        operation: Operation[T],
        /,
        *,
        body: object = UNSET,
        query: Mapping[str, QueryValue | None] | None = None,
        options: CallOptions | None = None,
        **ids: str,
    ) -> T:
        """Run any operation, also one of your own.

        Args:
            operation: What to run.
            body: JSON values or a model, sent as JSON; bytes that are JSON already, sent as they are; left out, no
                body is sent.
            query: Query parameters; those that are None are left out.
            options: What this call has otherwise than the client.
            **ids: The ids in the operation's path.

        Returns:
            What the operation's ``decode`` makes of the answer.

        Raises:
            TypeError: An id is not a str.
            InvalidRequestError: Something that cannot be sent as it stands; nothing was sent.
            ClientStateError: The client is closed; nothing was sent.
            CallError: The call did not succeed; its ``outcome`` says what that means.
        """
        core = self._core
        options = options or _DEFAULT_OPTIONS
        target = operation.target(ids, query)
        payload = None if body is UNSET else body if isinstance(body, bytes) else encode(body)
        here = core.lifecycle.here()
        call = Call(
            operation.name,
            operation.repeat,
            options.request_id or randbytes(16).hex(),
            core.clock.monotonic(),
            core.timeout if isinstance(options.timeout, Unset) else options.timeout,
            core.retry if isinstance(options.retry, Unset) else options.retry,
            operation.reads_body,
            operation.changes,
            operation.members,
            ids,
            on_attempt=options.on_attempt,
            redelivered=options.redelivered,
        )
        # No local variable holds the headers, so that no traceback can show the token.
        request = Request(
            call,
            operation.method,
            core.base_url + target,
            self._headers_for(call, options, has_body=payload is not None),
            payload,
        )
        handler = core.once if call.retry is None else core.retrying
        deadline = Deadline(call)
        here.calls.add(deadline)
        try:
            with deadline:
                response = await handler(request)
            if options.on_response is not None:
                show_response(options.on_response, call, response)
            success = operation.success(response)
            if success is None:
                raise operation.refused(response)
            call.end(core.clock.monotonic(), success)
            result = operation.decode(response)
        except BaseException as error:
            failure = core.ends.failed(call, error, options)
            if failure is error:
                del failure  # it would refer to itself through this frame
                raise
        else:
            core.ends.ended(call, None, options)
            return result
        finally:
            here.leave(deadline)
        try:
            raise failure
        finally:
            del failure

    def stats(self) -> Stats:
        """What this client and its scoped views did so far."""
        lifecycle = self._core.lifecycle
        return self._core.ends.stats(slots_used=lifecycle.slots_used, slots=lifecycle.limit)

    async def aclose(self, *, grace: float = 5.0) -> None:
        """Close the client, its connections and its token source.

        Closing twice is fine, and closing a scoped view does nothing.

        New calls raise :class:`ClientStateError`. Calls that wait for a slot, a token or their next attempt end at
        once with a :class:`ClientClosedError`; those with a request under way have ``grace`` seconds for it, and end so
        after that. Their errors carry the outcome, as always. A token source that does not close in time is left.

        Who closes meanwhile joins the closing under way, and the shortest grace counts. Cancelling it ends the grace.

        Args:
            grace: Seconds.
        """
        if self._is_view:
            return
        core = self._core
        close_source = getattr(core.auth, "aclose", None)
        closers = [core.transport.aclose] if close_source is None else [close_source, core.transport.aclose]
        await core.lifecycle.close(grace, *closers)

    async def __aenter__(self) -> Self:
        if self._core.lifecycle.closed:
            raise ClientStateError("the client is closed; make a new one")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        await self.aclose()

    def _headers_for(self, call: Call, options: CallOptions, *, has_body: bool) -> dict[str, str]:
        headers = dict(self._headers)
        headers["x-request-id"] = call.request_id
        if has_body:
            headers["Content-Type"] = "application/json"
        if options.adapter_id is None:
            headers.pop("x-adapterid", None)
        elif not isinstance(options.adapter_id, Unset):
            headers["x-adapterid"] = options.adapter_id
        return merge_headers(headers, options.headers) if options.headers else headers


def _default_transport() -> Transport:
    from norce_order_async.transport.aiohttp import AiohttpTransport  # heavy, so only when it is wanted

    return AiohttpTransport()
