"""The client: who calls with what, and the chain that every call goes through."""

import os
import warnings
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from norce_order_async.core.budget import RetryBudget
from norce_order_async.core.call import AttemptHook, CallHook, RetryRules
from norce_order_async.core.checks import check_switch, client_header
from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import ClientStateError
from norce_order_async.core.observer import CallObserver
from norce_order_async.core.options import CallOptions, options_of
from norce_order_async.core.random_source import RandomSource
from norce_order_async.core.secretive import Secretive
from norce_order_async.core.settings import UNSET, Address, Environment, Timeout, Unset
from norce_order_async.core.stats import Stats
from norce_order_async.core.token_source import Credential, TokenSource
from norce_order_async.environ import settings_from
from norce_order_async.loops.per_loop import running_loop
from norce_order_async.middleware import Middleware
from norce_order_async.middleware.core import ClientCore, call_defaults
from norce_order_async.sending.caller import Caller
from norce_order_async.sending.calls import BatchCalls, RunningCall, new_request
from norce_order_async.sending.lifecycle import Lifecycle
from norce_order_async.sending.shops import Shops
from norce_order_async.sending.sources import TokenSources
from norce_order_async.telemetry.telemetry import Telemetry
from norce_order_async.transport import Transport
from norce_order_async.transport.default import default_transport
from norce_order_async.transport.errors import without_frames
from norce_order_async.wire.operation import Operation, QueryValue

T = TypeVar("T")


class OrderClient(Secretive):
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
        limit: How many requests at once in each event loop, over all scoped views; more wait their turn.
        adaptive: Whether requests go at the rate that the server accepts, once it answers 429 or 503; in each event
            loop, and for each shop.
        budget: Tokens for retries; each other shop of a scoped view has as many of its own. None is no budget.
        on_attempt: Called after each attempt, with the :class:`Call` and the :class:`Attempt`.
        on_call: Called at each call's end, with the :class:`Call` and its error, also when it was cancelled.
        observers: See each call and attempt start and end.
        telemetry: Makes traces and metrics of its calls and batches.
        headers: Further headers of every request, say for a gateway on the way.
        user_agent: Added to the ``User-Agent``: what calls, such as ``acme-shop/1.2``.
        allow_http: Whether ``base_url`` may be http for a host other than loopback; the token goes unencrypted then.
        clock: Where time comes from; tests replace it.
        random: Where random waits and request ids come from; tests replace it.

    Raises:
        ConfigurationError: A setting is missing or wrong; the message says which.
    """

    _is_view = False

    @without_frames
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
        adaptive: bool = False,
        budget: RetryBudget | Unset | None = UNSET,
        on_attempt: Sequence[AttemptHook] = (),
        on_call: Sequence[CallHook] = (),
        observers: Sequence[CallObserver] = (),
        telemetry: Telemetry | None = None,
        headers: Mapping[str, str] | None = None,
        user_agent: str | None = None,
        allow_http: bool = False,
        clock: Clock | None = None,
        random: RandomSource | None = None,
    ) -> None:
        address = Address.of(environment, slug, base_url, allow_http=check_switch("allow_http", allow_http))
        shops = Shops(address.url, client_header("merchant", merchant), budget)
        self._caller = Caller.of_client(address, shops, channel, adapter_id, Credential(auth), user_agent, headers)
        self._core = ClientCore(
            defaults=call_defaults(timeout, retry, clock, random),
            transport=default_transport() if transport is None else transport,
            shops=shops,
            sources=TokenSources(auth),
            lifecycle=Lifecycle(limit),
            on_call=on_call,
            observers=observers,
            call_middlewares=call_middlewares,
            attempt_middlewares=attempt_middlewares,
            on_attempt=on_attempt,
            adaptive=check_switch("adaptive", adaptive),
            telemetry=telemetry,
        )
        self._chain = self._core.chain(self._caller)
        self._core.adopt(auth)

    @classmethod
    @without_frames
    def from_env(cls, environ: Mapping[str, str] | None = None, /, **overrides: Any) -> Self:
        """A client with its settings from environment variables.

        ``NORCE_ENVIRONMENT`` (playground, stage, production) and ``NORCE_SLUG``, or ``NORCE_BASE_URL``;
        ``NORCE_MERCHANT``, ``NORCE_CHANNEL``, ``NORCE_ADAPTER_ID``; ``NORCE_TOKEN``, or without it
        ``NORCE_TOKEN_FILE``, the path of a file that holds the token; ``NORCE_PROXY``, the URL of an HTTP proxy, and
        ``NORCE_CA_FILE``, the path of a PEM file with the authorities to trust instead of the system's. Neither
        touches a ``transport`` that is given, and this machine's own addresses are reached without the proxy.

        Args:
            environ: Read instead of ``os.environ``.
            **overrides: Arguments of :class:`OrderClient`; one that is not None wins over its variable. A ``transport``
                may be a class too: it is made with that proxy and these authorities. And ``proxy_from_env=True``:
                without ``NORCE_PROXY``, do as ``HTTPS_PROXY`` and ``NO_PROXY`` say.

        Raises:
            ConfigurationError: A setting is missing or wrong.
        """
        return cls(**settings_from(os.environ if environ is None else environ, overrides))

    @without_frames
    def scoped(
        self,
        *,
        environment: Environment | Unset = UNSET,
        slug: str | Unset = UNSET,
        base_url: str | Unset = UNSET,
        merchant: str | Unset = UNSET,
        channel: str | Unset = UNSET,
        adapter_id: str | Unset | None = UNSET,
        auth: TokenSource | str | Unset = UNSET,
        headers: Mapping[str, str] | Unset = UNSET,
    ) -> "OrderClient":
        """A view of this client for another shop, channel or adapter, on the same connections.

        It costs next to nothing, so it can be made for every request. Closing it does nothing: it lives and ends
        with the client it came from. What is left out is as here; ``adapter_id=None`` sends none.

        The view is an :class:`OrderClient`, also where this client is of a subclass, whose attributes may be bound to
        this shop. What all views have to do belongs into a middleware.

        A token goes only to the address that it was given for: a view with another address needs an ``auth`` of its
        own, and ``headers`` of its own where the client has some.

        Args:
            environment: Another environment; with the client's slug unless there is a ``slug``.
            slug: Another identifier in the address; in the client's environment unless there is an ``environment``.
            base_url: Another address instead.
            merchant: Another ``x-merchant``.
            channel: Another ``x-channel``.
            adapter_id: Another ``x-adapterid``.
            auth: Another token or source. A source with an async ``aclose`` is closed with the client, unless it was
                thrown away before; so its class needs a place for weak references, as all have without ``__slots__``.
            headers: Further headers of every request, instead of the client's.

        Raises:
            InvalidRequestError: A value that cannot stand in an address or in a header.
            ConfigurationError: Another address without what may be sent there, or ``auth`` is neither a token nor a
                source that can be closed with the client.
            TypeError: A value that is not a str.
        """
        credential = None if isinstance(auth, Unset) else Credential(auth)
        caller, core, address = self._caller, self._core, self._caller.address
        if not (environment is slug is base_url is UNSET):
            address = address.scoped(environment, slug, base_url)
        scoped = caller.scoped(core.shops, address, merchant, channel, adapter_id, credential, headers)
        if credential is not None:
            core.adopt(credential.value)
        view = object.__new__(OrderClient)
        view._is_view = True
        view._core, view._caller, view._chain = core, scoped, core.chain(scoped)
        return view

    @property
    def base_url(self) -> str:
        """The API's address, without a slash at its end."""
        return self._caller.base_url

    @property
    def merchant(self) -> str:
        """What is sent as ``x-merchant``."""
        return self._caller.headers["x-merchant"]

    @property
    def channel(self) -> str:
        """What is sent as ``x-channel``."""
        return self._caller.headers["x-channel"]

    @property
    def adapter_id(self) -> str | None:
        """What is sent as ``x-adapterid``, if anything."""
        return self._caller.headers.get("x-adapterid")

    @property
    def timeout(self) -> Timeout:
        """The limits of its calls."""
        return self._core.defaults.timeout

    @property
    def retry(self) -> RetryRules | None:
        """When it tries again; None is never."""
        return self._core.defaults.retry

    @property
    def clock(self) -> Clock:
        """Where it takes the time from."""
        return self._core.defaults.clock

    @property
    def telemetry(self) -> Telemetry | None:
        """What makes traces and metrics of its calls and batches, if anything."""
        return self._core.telemetry

    @property
    def random(self) -> RandomSource:
        """Where it takes random waits and request ids from."""
        return self._core.defaults.random

    def __del__(self) -> None:
        core = getattr(self, "_core", None)  # absent when a setting was wrong
        if core is not None and not self._is_view and core.has_open_connections:
            fix = "use it with 'async with', or await aclose()"
            warnings.warn(f"unclosed {self!r}: {fix}", ResourceWarning, stacklevel=2, source=self)

    def __copy__(self) -> "OrderClient":
        return self.scoped()  # a second owner would close the same connections

    def __repr__(self) -> str:
        if not hasattr(self, "_caller"):  # a setting is wrong: what renders the variables of that error needs a text
            return "OrderClient()"
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
            What the operation's ``decode`` makes of the response.

        Raises:
            TypeError: An id is not a str, or the options are no :class:`CallOptions`.
            InvalidRequestError: Something that cannot be sent as it stands; nothing was sent.
            ClientStateError: The client is closed; nothing was sent.
            CallError: The call did not succeed; its ``outcome`` says what that means.
        """
        core = self._core
        options = options_of(options)
        request = new_request(self._caller, operation, ids, query, body, options, core.defaults)
        handler = self._chain.once if request.call.retry is None else self._chain.retrying
        with RunningCall(request, options, core.lifecycle, core.ends) as running:
            return operation.decode(running.check_success(await handler(request), operation))

    def for_batch(self) -> BatchCalls | None:
        """What runs operations for a batch in this event loop; None where ``execute`` is another: it sees every call.

        :meta private:
        """
        if type(self).execute is not _EXECUTE or "execute" in self.__dict__:
            return None
        core, chain = self._core, self._chain
        loop = running_loop()
        place = loop, core.lifecycle.loops.of(loop)
        return BatchCalls(self._caller, core.defaults, core.lifecycle, place, core.ends, chain.once, chain.retrying)

    def stats(self, *, by_shop: bool = False) -> Stats:
        """What this client and its scoped views did so far.

        Args:
            by_shop: Also of each shop that is known: see :class:`Stats`.
        """
        return self._core.shops.stats(self._caller.shop, self._core.lifecycle, by_shop=by_shop)

    async def aclose(self, *, grace: float = 5.0) -> None:
        """Close the client, its connections and its token source.

        Closing twice is fine, and closing a scoped view does nothing.

        New calls raise :class:`ClientStateError`. Calls that wait for a slot, a token or their next attempt end at
        once with a :class:`ClientClosedError`; those with a request under way have ``grace`` seconds for it, and end so
        after that. Their errors carry the outcome, as always. A token source that does not close in time is left.

        Who closes meanwhile joins the closing under way, and the shortest grace counts. Cancelling it ends the grace.

        Args:
            grace: Seconds below 1e9, or infinity. Anything else is a :class:`ConfigurationError`, and it stays open.
        """
        if not self._is_view:
            await self._core.aclose(grace)

    async def __aenter__(self) -> Self:
        if self._core.lifecycle.closed:
            raise ClientStateError("the client is closed; make a new one")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        await self.aclose()


_EXECUTE = OrderClient.execute  # what is in its place later is somebody else's
