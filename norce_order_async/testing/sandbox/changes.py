"""A change of an order with hooks: it is drafted, the hooks are asked, and then it is stored or refused."""

import copy
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import attrs

from norce_order_async.core.logger import logger
from norce_order_async.testing.contract import load_contract
from norce_order_async.testing.sandbox import outgoing, patching, payments, shippings
from norce_order_async.testing.sandbox.callbacks import Callbacks
from norce_order_async.testing.sandbox.exchange import AdapterCall, AdapterReply, Ask, Refused, Result, Steps
from norce_order_async.testing.sandbox.patching import PatchError
from norce_order_async.testing.sandbox.registrations import objects_of, with_ids, without_id
from norce_order_async.testing.sandbox.store import Part, Store, WireOrder
from norce_order_async.testing.sandbox.totals import complete_cart, update_total
from norce_order_async.testing.sandbox.writing import check_can_be_stored
from norce_order_async.wire.json import WireError

_logger = logger.child("testing.sandbox.changes")

Operations: TypeAlias = list[Mapping[str, Any]]
_PARTS = ("state", "consents", "customer", "cart", "shippings", "payments")
"""The parts that have hooks, in the order in which these are called."""
_NEEDED: Mapping[str, type] = {"consents": list, "payments": list, "shippings": list, "attributes": dict, "state": dict}
"""What every stored order has."""


@attrs.frozen(eq=False)
class Changes:
    """Makes changes, and says whom to call before and after them.

    Attributes:
        store: Where the orders are.
        callbacks: How adapters are called.
    """

    store: Store
    callbacks: Callbacks
    _waiting: Counter[tuple[str, ...]] = attrs.field(factory=Counter[tuple[str, ...]], init=False, repr=False)

    def make(
        self, handler: Callable[[Store, Ask], Result], ask: Ask, adapter_id: str | None, notices: list[AdapterCall]
    ) -> Steps:
        """Make a change of one order.

        Args:
            handler: What carries it out on a store.
            ask: The request.
            adapter_id: Whose hooks are not called.
            notices: Where the notifications come to that follow the change.

        Raises:
            Refused: The handler or a hook refuses.
        """
        seed, patches = self.store.random.getrandbits(64), list[Operations]()

        def proposed() -> tuple[Store, Result]:
            draft = self.store.draft(ask, seed)
            result = handler(draft, ask)
            try:
                for operations in patches:
                    _patch(draft, ask, draft.find(ask), operations)
            except PatchError:
                raise _conflict() from None
            return draft, result

        yield from self._ask_hooks(ask, adapter_id, proposed, patches)
        draft, result = proposed()
        before, after = self.store.find(ask), draft.find(ask)
        notices += outgoing.notifications(ask, before, after, envelope=self.callbacks.envelope)
        self.store.adopt(draft)
        return result

    def _ask_hooks(
        self,
        ask: Ask,
        adapter_id: str | None,
        proposed: Callable[[], tuple[Store, Result]],
        patches: list[Operations],
    ) -> Generator[Sequence[AdapterCall], Sequence[AdapterReply], None]:
        order = self.store.find(ask)
        hooks = _to_call(order, adapter_id)
        store = proposed()[0]
        draft = store.find(ask)
        due = [hook for hook in hooks if _concerns(hook, order, draft)]
        for _ in range(self.callbacks.most_calls):
            if not due:
                return
            hook, of_shown, shown = due.pop(0), store, draft
            call = outgoing.call("hook", hook, hook["invoke"], ask, shown)
            with self._counted(ask, hook):
                (reply,) = yield [call]
            # Others may have changed the order meanwhile.
            store = proposed()[0]
            draft = store.find(ask)
            try:
                operations = _operations(hook, reply)
                patched = copy.deepcopy(draft)
                try:
                    _patch(store, ask, patched, operations)
                except PatchError:
                    _patch(of_shown, ask, shown, operations)  # where this fails too, it is the patch that is wrong
                    raise _conflict() from None
            except PatchError as error:
                if reply.problem is None:  # or else it is in the log already
                    _logger.warning("%s failed: %s", call, error)
                if self.callbacks.on_hook_failure == "refuse":
                    raise Refused(400, "hook-failed", f"Hook with id:{hook.get('id')} failed: {error}.") from None
                continue
            if operations:
                patches.append(operations)
                due = [one for one in hooks if one in due or (one is not hook and _concerns(one, draft, patched))]
                draft = patched
        if due:
            raise Refused(400, "too-many-hook-calls", "The order's hooks set off one another without end.")

    @contextmanager
    def _counted(self, ask: Ask, hook: Part) -> Generator[None]:
        """Let no more than so many changes of an order wait for the same hook."""
        place = (ask.merchant, ask.channel, ask.ids["order_id"], str(hook.get("id")))
        if self._waiting[place] >= self.callbacks.most_nested:
            raise Refused(409, "too-many-hook-calls", "Too many changes of the order wait for the same hook.")
        self._waiting[place] += 1
        try:
            yield
        finally:
            self._waiting[place] -= 1
            if not self._waiting[place]:
                del self._waiting[place]


def _conflict() -> Refused:
    return Refused(409, "order-conflict", "The order changed while its hooks were called.")


def _to_call(order: WireOrder, adapter_id: str | None) -> list[Part]:
    """The hooks that may be called, in the order in which they are."""
    registered: list[Part] = order.get("hooks", [])
    others = (one for one in registered if adapter_id is None or one.get("adapterId") != adapter_id)
    return sorted((one for one in others if one.get("invoke")), key=_rank)


def _rank(hook: Part) -> tuple[int, int]:
    """By what it subscribes to, then by its target; others come last, and equals as they were registered."""
    parts = [(hook.get(member) or "").strip("/").partition("/")[0] for member in ("subscribeTo", "target")]
    of_subscription, of_target = (_PARTS.index(part) if part in _PARTS else len(_PARTS) for part in parts)
    return of_subscription, of_target


def _concerns(hook: Part, before: WireOrder, after: WireOrder) -> bool:
    return outgoing.differ(hook.get("subscribeTo"), before, after)


def _operations(hook: Part, reply: AdapterReply) -> Operations:
    """What a hook wants to be changed further.

    Raises:
        Refused: It refuses.
        PatchError: It said nothing that can be understood.
    """
    if reply.skipped:
        return []
    if reply.problem is not None:
        raise PatchError(reply.problem)
    if reply.status >= 400:
        code, message = outgoing.problem_of(reply.body, f"Hook with id:{hook.get('id')} answered {reply.status}.")
        raise Refused(400, code or "hook-refused", message)
    return [] if reply.body is None else patching.checked(reply.body, hook.get("target"))


def _patch(store: Store, ask: Ask, order: WireOrder, operations: Operations) -> None:
    """Apply a patch, and compute what the service computes."""
    if not operations:
        return
    was_sound = load_contract().order.violation(order) is None
    patching.apply(order, operations)
    for name, kind in _NEEDED.items():
        if not isinstance(order.setdefault(name, kind()), kind):
            raise PatchError(f"{name} is no {kind.__name__} any more")
    try:
        check_can_be_stored(order)
    except WireError:
        raise PatchError("the order would be nested too deeply") from None
    if was_sound and load_contract().order.violation(order) is not None:
        raise PatchError("the order would break the contract")
    _complete(store, ask, order)
    update_total(order)
    store.touch(order)


def _complete(store: Store, ask: Ask, order: WireOrder) -> None:
    """Give what came without an id what it has when it comes by an operation of its own."""
    if "cart" in order:
        complete_cart(store, order["cart"])
    with_ids(store, order)
    for payment in without_id(order["payments"]):
        payment |= payments.completed(store, ask, order, {}, payment)
    for payment in objects_of(order["payments"]):
        for action in without_id(payment.get("actions")):
            action["id"] = store.new_id("pa")
    for shipping in without_id(order["shippings"]):
        shipping |= shippings.completed(store, ask, {}, shipping)
