"""What a client and its scoped views share: the chains of their calls, and what is closed with them."""

from collections.abc import Sequence

import attrs

from norce_order_async.core.call import AttemptHook
from norce_order_async.middleware import Handler, Middleware, compile_chain
from norce_order_async.middleware.auth import Auth
from norce_order_async.middleware.pacing import Pacing
from norce_order_async.middleware.retry import Retry
from norce_order_async.sending.attempt import AttemptSender
from norce_order_async.sending.caller import CallDefaults, Caller
from norce_order_async.sending.calls import CallEnds
from norce_order_async.sending.lifecycle import Lifecycle
from norce_order_async.sending.shops import Shops
from norce_order_async.sending.sources import TokenSources
from norce_order_async.transport import Transport


@attrs.frozen(eq=False)
class Chain:
    """What a call goes through.

    Attributes:
        once: Without further attempts.
        retrying: With them.
    """

    once: Handler
    retrying: Handler


@attrs.define(kw_only=True, eq=False)
class ClientCore:
    """What a client and its scoped views share; :class:`OrderClient` documents the settings."""

    defaults: CallDefaults
    transport: Transport
    owns_transport: bool
    shops: Shops
    sources: TokenSources
    lifecycle: Lifecycle
    ends: CallEnds
    call_middlewares: Sequence[Middleware]
    attempt_middlewares: Sequence[Middleware]
    on_attempt: Sequence[AttemptHook]
    adaptive: bool
    _fixed: Chain = attrs.field(init=False)
    _renewed: Chain = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        clock = self.defaults.clock
        pacing = [Pacing(clock, self.lifecycle.limit)] if self.adaptive else []
        hooks = (*(pace.observe for pace in pacing), *self.on_attempt)
        sender = AttemptSender(self.transport, clock, self.lifecycle, hooks, self.ends.observers)
        self._fixed = self._compile([*pacing, *self.attempt_middlewares], sender)
        self._renewed = self._compile([*pacing, Auth(self.lifecycle), *self.attempt_middlewares], sender)

    def _compile(self, inner: Sequence[Middleware], sender: AttemptSender) -> Chain:
        retry = Retry(self.defaults.clock, self.lifecycle)
        return Chain(
            compile_chain([*self.call_middlewares, *inner], sender),
            compile_chain([*self.call_middlewares, retry, *inner], sender),
        )

    def chain(self, caller: Caller) -> Chain:
        """The one for a fixed token, or for tokens that come from a source."""
        return self._fixed if caller.tokens is None else self._renewed

    async def aclose(self, grace: float) -> None:
        """Close all of it."""
        await self.lifecycle.close(grace, self.sources.aclose, self.transport.aclose)
