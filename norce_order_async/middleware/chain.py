"""The chain of a client, from its settings."""

from collections.abc import Sequence

import attrs

from norce_order_async.core.call import AttemptHook
from norce_order_async.core.clock import Clock
from norce_order_async.core.observer import CallObserver
from norce_order_async.middleware import Handler, Middleware, compile_chain
from norce_order_async.middleware.auth import Auth
from norce_order_async.middleware.pacing import Pacing
from norce_order_async.middleware.retry import Retry
from norce_order_async.sending.attempt import AttemptSender
from norce_order_async.sending.lifecycle import Lifecycle
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


@attrs.frozen(kw_only=True, eq=False)
class Links:
    """What a client's chains are made of; :class:`OrderClient` documents it."""

    transport: Transport
    clock: Clock
    lifecycle: Lifecycle
    call_middlewares: Sequence[Middleware]
    attempt_middlewares: Sequence[Middleware]
    on_attempt: Sequence[AttemptHook]
    observers: Sequence[CallObserver]
    adaptive: bool

    def chains(self) -> tuple[Chain, Chain]:
        """One for calls whose token is fixed, and one for those whose tokens come from a source."""
        pacing = [Pacing(self.clock, self.lifecycle.limit)] if self.adaptive else []
        hooks = (*(pace.observe for pace in pacing), *self.on_attempt)
        sender = AttemptSender(self.transport, self.clock, self.lifecycle, hooks, self.observers)
        fixed = self._chain([*pacing, *self.attempt_middlewares], sender)
        return fixed, self._chain([*pacing, Auth(self.lifecycle), *self.attempt_middlewares], sender)

    def _chain(self, inner: Sequence[Middleware], sender: AttemptSender) -> Chain:
        retry = Retry(self.clock, self.lifecycle)
        return Chain(
            compile_chain([*self.call_middlewares, *inner], sender),
            compile_chain([*self.call_middlewares, retry, *inner], sender),
        )
