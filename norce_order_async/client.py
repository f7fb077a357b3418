"""The client: who calls with what, and the chain that every call goes through."""

import asyncio
import os
import sys
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from random import randbytes
from types import TracebackType
from typing import Any, Self, TypeVar

import attrs

from norce_order_async import __version__
from norce_order_async.answers import base_error, receipt, status_error
from norce_order_async.call import AttemptHook, Call
from norce_order_async.checks import check_header_value, check_token
from norce_order_async.clock import Clock, SystemClock
from norce_order_async.codec import encode
from norce_order_async.config import (
    UNSET,
    CallOptions,
    Environment,
    Timeout,
    Unset,
    as_timeout,
    check_base_url,
    check_retry,
)
from norce_order_async.environ import settings_from
from norce_order_async.errors import CallError, ClientClosedError, ClientStateError, ConfigurationError
from norce_order_async.http import Request, Response, merge_headers
from norce_order_async.middleware import Handler, Middleware, compile_chain
from norce_order_async.middleware.attempt import AttemptSender
from norce_order_async.middleware.auth import Auth, TokenSource
from norce_order_async.middleware.budget import RetryBudget
from norce_order_async.middleware.deadline import Deadline
from norce_order_async.middleware.life import Life
from norce_order_async.middleware.retry import Retry
from norce_order_async.operations import Operation, QueryValue
from norce_order_async.outcome import OutcomeKind
from norce_order_async.policy import RetryPolicy
from norce_order_async.stats import Stats
from norce_order_async.transport import Transport

T = TypeVar("T")

_DEFAULT_OPTIONS = CallOptions()
_USER_AGENT = f"norce-order-async/{__version__} Python/{'.'.join(map(str, sys.version_info[:3]))}"


@attrs.define(eq=False)
class _Core:
    """What a client and its scoped views share."""

    base_url: str
    timeout: Timeout
    retry: RetryPolicy | None
    transport: Transport
    clock: Clock
    once: Handler
    retrying: Handler
    life: Life
    budget: RetryBudget | None
    auth: TokenSource | str = attrs.field(repr=False)
    owns_transport: bool
    calls: int = 0
    attempts: int = 0
    retries: int = 0
    applied: int = 0
    other_outcomes: Counter[OutcomeKind] = attrs.Factory(Counter[OutcomeKind])

    def count(self, call: Call) -> None:
        """Add an ended call to the statistics."""
        self.calls += 1
        self.attempts += len(call.attempts)
        if len(call.attempts) > 1:
            self.retries += sum(attempt.delay is not None for attempt in call.attempts)
        if call.outcome is OutcomeKind.APPLIED:
            self.applied += 1
        else:
            self.other_outcomes[call.outcome] += 1


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
        retry: RetryPolicy | Unset | None = UNSET,
        call_middlewares: Sequence[Middleware] = (),
        attempt_middlewares: Sequence[Middleware] = (),
        limit: int = 100,
        budget: RetryBudget | Unset | None = UNSET,
        on_attempt: Sequence[AttemptHook] = (),
        allow_http: bool = False,
        clock: Clock | None = None,
    ) -> None:
        address = _address(environment, slug, base_url, allow_http=allow_http)
        self._headers = {
            "x-merchant": _setting("merchant", merchant),
            "x-channel": _setting("channel", channel),
            "User-Agent": _USER_AGENT,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if adapter_id is not None:
            self._headers["x-adapterid"] = _setting("adapter_id", adapter_id)
        inner: list[Middleware] = []
        if isinstance(auth, str):
            self._headers = {"Authorization": f"Bearer {check_token(auth)}"} | self._headers
        elif callable(getattr(auth, "get", None)):
            inner.append(Auth(auth))
        else:
            raise ConfigurationError("auth must be a token or have an async get() that returns one")
        clock = clock or SystemClock()
        life = Life(limit)
        budget = RetryBudget() if isinstance(budget, Unset) else budget
        owns_transport = transport is None
        transport = transport or _default_transport()
        sender = AttemptSender(transport, clock, tuple(on_attempt))
        inner.extend(attempt_middlewares)
        self._is_view = False
        self._core = _Core(
            base_url=address,
            timeout=as_timeout(timeout),
            retry=RetryPolicy.interactive() if isinstance(retry, Unset) else check_retry(retry),
            transport=transport,
            clock=clock,
            once=compile_chain([*call_middlewares, *inner], sender),
            retrying=compile_chain([*call_middlewares, Retry(clock, life, budget), *inner], sender),
            life=life,
            budget=budget,
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
            **overrides: Arguments of :class:`OrderClient`; one that is not None wins over its variable. And
                ``proxy_from_env=True``: without ``NORCE_PROXY``, do as ``HTTPS_PROXY`` and ``NO_PROXY`` say.

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
            view._headers["x-merchant"] = _setting("merchant", merchant)
        if not isinstance(channel, Unset):
            view._headers["x-channel"] = _setting("channel", channel)
        if adapter_id is None:
            view._headers.pop("x-adapterid", None)
        elif not isinstance(adapter_id, Unset):
            view._headers["x-adapterid"] = _setting("adapter_id", adapter_id)
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
    def retry(self) -> RetryPolicy | None:
        """When it tries again; None is never."""
        return self._core.retry

    @property
    def clock(self) -> Clock:
        """Where it takes the time from."""
        return self._core.clock

    def __del__(self) -> None:
        core = getattr(self, "_core", None)  # absent when a setting was wrong
        if core is not None and not self._is_view and core.owns_transport and core.calls and not core.life.closed:
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
        here = core.life.here()
        call = Call(
            operation.name,
            operation.repeat,
            options.request_id or randbytes(16).hex(),
            core.clock.monotonic(),
            core.timeout if isinstance(options.timeout, Unset) else options.timeout,
            core.retry if isinstance(options.retry, Unset) else options.retry,
            operation.decode is not receipt,
            here.slots,
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
        here.calls += 1
        try:
            with Deadline(call):
                response = await handler(request)
            if response.ok:
                call.outcome = OutcomeKind.APPLIED
            else:
                call.outcome = _outcome(operation, response, call)
                if not call.outcome.done:
                    raise status_error(response)
            call.elapsed = core.clock.monotonic() - call.started
            return operation.decode(response)
        except CallError as error:
            _tell(error, call, core.clock)
            raise
        except ClientStateError as error:
            failure = ClientClosedError(f"{error}")
            _tell(failure, call, core.clock)
            raise failure from error
        except asyncio.CancelledError:
            call.outcome = call.failed_outcome
            raise
        finally:
            here.leave()
            core.count(call)

    def stats(self) -> Stats:
        """What this client and its scoped views did so far."""
        core = self._core
        return Stats(
            calls=core.calls,
            attempts=core.attempts,
            retries=core.retries,
            outcomes=({OutcomeKind.APPLIED: core.applied} if core.applied else {}) | core.other_outcomes,
            budget_left=None if core.budget is None else core.budget.left,
            slots_used=core.life.slots_used,
            slots=core.life.limit,
        )

    async def aclose(self, *, grace: float = 5.0) -> None:
        """Close the client, its connections and its token source.

        Closing twice is fine, and closing a scoped view does nothing.

        New calls raise :class:`ClientStateError`. Calls that wait between attempts end at once, those with a request
        under way have ``grace`` seconds for it; what is still there then ends with its connection. Their errors
        carry the outcome, as always.

        Args:
            grace: Seconds.
        """
        if self._is_view:
            return
        core = self._core
        core.life.closed = True
        close_source = getattr(core.auth, "aclose", None)
        if close_source is not None:
            await close_source()  # first, so that nobody waits for a token any more
        await core.life.close(grace)
        await core.transport.aclose()

    async def __aenter__(self) -> Self:
        if self._core.life.closed:
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


def _outcome(operation: Operation[Any], response: Response, call: Call) -> OutcomeKind:
    """What a call amounts to whose last answer is not a 2xx."""
    outcome = call.failed_outcome
    gone = operation.method == "DELETE" and response.status == 404 and bool(base_error(response))
    return OutcomeKind.APPLIED_INFERRED if gone and outcome is OutcomeKind.UNKNOWN else outcome


def _tell(error: CallError, call: Call, clock: Clock) -> None:
    """Write the call's account on the error that ends it."""
    error.operation = call.operation
    error.request_id = call.request_id
    error.attempts = tuple(call.attempts)
    error.elapsed = clock.monotonic() - call.started
    if not call.outcome.done:
        call.outcome = call.failed_outcome
    error.outcome = call.outcome
    error.retry_after = call.attempts[-1].retry_after if call.attempts else None
    error.gave_up = call.gave_up


def _address(environment: Environment | None, slug: str | None, base_url: str | None, *, allow_http: bool) -> str:
    if base_url is not None:
        if environment is not None or slug is not None:
            raise ConfigurationError("give either base_url, or environment and slug, not both")
        return check_base_url(base_url, allow_http=allow_http)
    if environment is None or slug is None:
        raise ConfigurationError(
            "where to? give environment and slug, or base_url (NORCE_ENVIRONMENT and NORCE_SLUG, or NORCE_BASE_URL)"
        )
    try:
        return Environment(environment).base_url(slug)
    except ValueError as error:
        if isinstance(error, ConfigurationError):
            raise
        known = ", ".join(Environment)
        raise ConfigurationError(f"environment {environment!r} is none of {known}") from None


def _setting(name: str, value: object) -> str:
    try:
        return check_header_value(name, value)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(str(error)) from None


def _default_transport() -> Transport:
    from norce_order_async.transport.aiohttp import AiohttpTransport  # heavy, so only when it is wanted

    return AiohttpTransport()
