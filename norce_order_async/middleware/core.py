"""What a client and its scoped views share: the chains of their calls, and what is closed with them."""

from collections.abc import Sequence

import attrs

from norce_order_async.auth.refreshing import Refreshing
from norce_order_async.core.call import AttemptHook, CallHook, RetryRules
from norce_order_async.core.clock import Clock, SystemClock
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.observer import CallObserver
from norce_order_async.core.options import check_retry
from norce_order_async.core.random_source import SYSTEM_RANDOM, RandomSource
from norce_order_async.core.settings import Timeout, Unset, as_timeout
from norce_order_async.core.shapes import (
    CLOCK,
    HOOK,
    MIDDLEWARE,
    OBSERVER,
    RANDOM,
    TRANSPORT,
    check_each,
    check_shape,
    described,
)
from norce_order_async.core.stats import Stats
from norce_order_async.core.token_source import TokenSource
from norce_order_async.middleware import Handler, Middleware, checked, compile_chain
from norce_order_async.middleware.auth import Auth
from norce_order_async.middleware.pacing import Pacing
from norce_order_async.middleware.policy import RetryPolicy
from norce_order_async.middleware.retry import Retry
from norce_order_async.sending.attempt import AttemptSender
from norce_order_async.sending.caller import Caller
from norce_order_async.sending.calls import CallDefaults, CallEnds
from norce_order_async.sending.lifecycle import Lifecycle
from norce_order_async.sending.shops import Shops
from norce_order_async.sending.sources import TokenSources
from norce_order_async.telemetry.telemetry import Telemetry
from norce_order_async.transport import Transport
from norce_order_async.transport.checked import checked as checked_transport
from norce_order_async.transport.pools import PooledTransport


@attrs.frozen(eq=False)
class Chain:
    """What a call goes through.

    Attributes:
        once: Without further attempts.
        retrying: With them.
    """

    once: Handler
    retrying: Handler


def call_defaults(
    timeout: Timeout | float, retry: RetryRules | Unset | None, clock: Clock | None, random: RandomSource | None
) -> CallDefaults:
    """What a call has that its options leave out, from a client's settings.

    Raises:
        ConfigurationError: A timeout, a policy, a clock or a source of random numbers that is none.
    """
    policy = RetryPolicy.interactive() if isinstance(retry, Unset) else check_retry(retry)
    clock = check_shape("clock", SystemClock() if clock is None else clock, CLOCK)
    random = check_shape("random", SYSTEM_RANDOM if random is None else random, RANDOM)
    return CallDefaults(as_timeout(timeout), policy, clock, random)


@attrs.define(kw_only=True, eq=False)
class ClientCore:
    """What a client and its scoped views share; :class:`OrderClient` documents the settings."""

    defaults: CallDefaults
    transport: Transport
    shops: Shops
    sources: TokenSources
    lifecycle: Lifecycle
    on_call: Sequence[CallHook]
    observers: Sequence[CallObserver]
    call_middlewares: Sequence[Middleware]
    attempt_middlewares: Sequence[Middleware]
    on_attempt: Sequence[AttemptHook]
    adaptive: bool
    telemetry: Telemetry | None
    ends: CallEnds = attrs.field(init=False)
    _fixed: Chain = attrs.field(init=False)
    _renewed: Chain = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        clock = self.defaults.clock
        check_shape("transport", self.transport, TRANSPORT)
        around = [*map(checked, check_each("call_middlewares", self.call_middlewares, MIDDLEWARE))]
        inside = [*map(checked, check_each("attempt_middlewares", self.attempt_middlewares, MIDDLEWARE))]
        on_attempt, on_call = check_each("on_attempt", self.on_attempt, HOOK), check_each("on_call", self.on_call, HOOK)
        observers = check_each("observers", self.observers, OBSERVER)
        if self.telemetry is not None:
            if not isinstance(self.telemetry, Telemetry):
                raise ConfigurationError(f"telemetry must be a Telemetry or None, got {described(self.telemetry)}")
            observers = (self.telemetry, *observers)
        self.ends = CallEnds(clock, self.shops, on_call, observers)
        pacing = [Pacing(clock, self.lifecycle.limit)] if self.adaptive else []
        hooks = (*(pace.observe for pace in pacing), *on_attempt)
        sender = AttemptSender(checked_transport(self.transport), clock, self.lifecycle, hooks, self.ends.observers)
        self._fixed = self._compile(around, [*pacing, *inside], sender)
        self._renewed = self._compile(around, [*pacing, Auth(self.lifecycle), *inside], sender)
        if self.telemetry is not None:
            self.telemetry.watch(self, self.shops.own.base_url)

    def _compile(self, around: Sequence[Middleware], inside: Sequence[Middleware], sender: AttemptSender) -> Chain:
        # Methods, because Python calls them faster than objects.
        attempt = compile_chain(inside, sender.__call__)
        retry = Retry(attempt, self.defaults.clock, self.lifecycle).__call__
        return Chain(compile_chain(around, attempt), compile_chain(around, retry))

    def chain(self, caller: Caller) -> Chain:
        """The one for a fixed token, or for tokens that come from a source."""
        return self._fixed if caller.tokens is None else self._renewed

    @property
    def closed(self) -> bool:
        """Whether it takes no more calls."""
        return self.lifecycle.closed

    @property
    def has_open_connections(self) -> bool:
        """Whether there may be connections that nobody else closes."""
        transport: object = self.transport
        is_open = isinstance(transport, PooledTransport) and transport.is_open
        return is_open and self.shops.calls > 0 and not self.closed

    def stats(self) -> Stats:
        """What was done so far."""
        return self.shops.stats(self.shops.own, self.lifecycle, by_shop=False)

    def adopt(self, auth: TokenSource | str) -> None:
        """Close a source of tokens with the client, and count its new tokens."""
        self.sources.add(auth)
        if self.telemetry is not None and isinstance(auth, Refreshing):
            count = self.telemetry.count_token
            if count not in auth.on_refresh:  # a source may be given to several views
                auth.on_refresh.append(count)

    async def aclose(self, grace: float) -> None:
        """Close all of it."""
        await self.lifecycle.close(grace, self.sources.aclose, self.transport.aclose)
