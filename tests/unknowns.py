"""Changes of every kind whose answers are lost, and what ``resolve`` makes of each."""

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
from endpoint_calls import ACTION, PRICE
from virtual import VirtualClock

from norce_order_async import CallError, OutcomeKind, Resolution, Verdict, resolve
from norce_order_async.batch import Change, DeleteConsent, PatchAttributes, PatchConsent, kinds
from norce_order_async.core.settings import Timeout
from norce_order_async.middleware.policy import RetryPolicy
from norce_order_async.models import (
    Address,
    Callback,
    Cart,
    Consent,
    Hook,
    Item,
    Notification,
    Order,
    Payment,
    PaymentTransaction,
    Shipping,
)  # fmt: skip
from norce_order_async.testing import Fault, Sandbox

ATTEMPT = 5.0
ORDER: dict[str, Any] = {
    "reference": "before",
    "consents": [{"id": f"c{letter}", "checked": False} for letter in "ijkl"],
    "attributes": {"a": "before"},
    "cart": {"reference": "before", "items": [{"id": "r", "sku": "x", "quantity": 1}]},
    "customer": {"billing": {"city": "Before"}, "shipping": {"city": "Before"}},
    "validations": [{"id": "v", "adapterId": "b", "url": "https://b.example"}],
    "hooks": [{"id": "h", "adapterId": "b", "subscribeTo": "/cart", "invoke": "https://b.example"}],
    "notifications": [{"id": "n", "adapterId": "b", "scope": "/cart", "invoke": "https://b.example"}],
    "payments": [
        {"id": "p", "reference": "before", "amount": 1},
        {"id": "q", "reference": "other", "amount": 1, "actions": [{"id": "x", "type": "capture"}]},
    ],
    "shippings": [{"id": "s", "reference": "before", "total": {"includingVat": 1, "excludingVat": 1}, "vatRate": 0}],
}
CHANGES: dict[str, Callable[[str, str], Change]] = {
    "patch_consent": lambda order, mark: PatchConsent(order, "ci", checked=True),
    "patch_consents": lambda order, mark: kinds.PatchConsents(order, {"cj": True, "ck": True}),
    "delete_consent": lambda order, mark: DeleteConsent(order, "cl"),
    "create_consent": lambda order, mark: kinds.CreateConsent(order, Consent(id=f"c_{mark}", checked=True)),
    "patch_attributes": lambda order, mark: PatchAttributes(order, {"a": mark, "b": {"c": [1, mark]}, "d": None}),
    "update_state": lambda order, mark: kinds.UpdateState(order, "accepted"),
    "update_reference": lambda order, mark: kinds.UpdateReference(order, mark),
    "update_cart": lambda order, mark: kinds.UpdateCart(
        order, Cart(reference=mark, items=[Item(reference="1", sku="y", quantity=2, price=PRICE), Item(sku="z")])
    ),
    "update_billing_address": lambda order, mark: kinds.UpdateBillingAddress(order, Address(city=mark)),
    "update_shipping_address": lambda order, mark: kinds.UpdateShippingAddress(order, Address(city=mark)),
    "create_validation": lambda order, mark: kinds.CreateValidation(order, Callback(adapter_id="a", url=mark)),
    "update_validation": lambda order, mark: kinds.UpdateValidation(order, "v", Callback(adapter_id="a", url=mark)),
    "delete_validation": lambda order, mark: kinds.DeleteValidation(order, "v"),
    "create_hook": lambda order, mark: kinds.CreateHook(order, Hook(adapter_id="a", target="/cart", invoke=mark)),
    "delete_hook": lambda order, mark: kinds.DeleteHook(order, "h"),
    "create_notification": lambda order, mark: kinds.CreateNotification(
        order, Notification(adapter_id="a", reference=mark, scope="/state", invoke="https://a.example")
    ),
    "delete_notification": lambda order, mark: kinds.DeleteNotification(order, "n"),
    "create_payment": lambda order, mark: kinds.CreatePayment(order, Payment(reference=mark, amount=Decimal(5))),
    "update_payment": lambda order, mark: kinds.UpdatePayment(
        order, "p", Payment(reference=mark, amount=Decimal("5.0"), actions=[ACTION])
    ),
    "add_payment_actions": lambda order, mark: kinds.AddPaymentActions(order, "q", [ACTION]),
    "execute_payment_action": lambda order, mark: kinds.ExecutePaymentAction(order, "q", "x"),
    "add_transaction": lambda order, mark: kinds.AddTransaction(order, "q", PaymentTransaction(psp_event=mark)),
    "create_shipping": lambda order, mark: kinds.CreateShipping(
        order, Shipping(reference=mark, total=PRICE, vat_rate=Decimal("0.25"))
    ),
    "update_shipping": lambda order, mark: kinds.UpdateShipping(
        order, "s", Shipping(reference=mark, total=PRICE, vat_rate=Decimal("0.25"))
    ),
    "create_order": lambda order, mark: kinds.CreateOrder(Order(culture="sv-SE", cart=Cart(reference=mark))),
    "delete_order": lambda order, mark: kinds.DeleteOrder(order),
}
"""A change of each kind, from an order's id and a text that is nowhere else."""

WITHOUT_MARK = {"add_payment_actions", "execute_payment_action", "add_transaction"}
"""Kinds of which nothing can be told."""


@attrs.frozen
class Case:
    """A change that ended in ``unknown``.

    Attributes:
        kind: Its ``op``.
        resolution: What was made of it.
        carried_out: Whether the service carried it out, as seen a minute later.
        stood_before: Whether the order was like that before.
        waited: Whether it was resolved with ``wait``.
    """

    kind: str
    resolution: Resolution
    carried_out: bool
    stood_before: bool
    waited: bool

    @property
    def is_wrong(self) -> bool:
        """Whether it was told what is not so."""
        verdict = self.resolution.verdict
        return verdict is not Verdict.CANNOT_TELL and (verdict is Verdict.APPLIED) != self.carried_out


def _fault(rng: random.Random, operation: str) -> Fault:
    """What loses an answer; a late request comes within a settling time."""
    given: Any = {"operation": operation, "times": 1}
    makers: Sequence[Callable[[], Fault]] = (
        lambda: Fault.drop_before(**given),
        lambda: Fault.drop_after(**given),
        lambda: Fault.status(rng.choice((500, 502, 503, 504)), **given),
        lambda: Fault.latency(rng.uniform(ATTEMPT, 3 * ATTEMPT), **given),
        lambda: Fault.apply_late(rng.uniform(0.1, 2 * ATTEMPT - 0.1), **given),
        lambda: Fault.apply_late(rng.uniform(0.1, 2 * ATTEMPT - 0.1), **given),
    )
    return rng.choice(makers)()


async def lose(kind: str, seed: int) -> Case | None:
    """Make a change of this kind whose answers are lost; None where it ended otherwise all the same."""
    rng, clock = random.Random(f"{kind}{seed}"), VirtualClock()
    sandbox = Sandbox(seed=seed, wall=clock.wall)
    change = CHANGES[kind](f"o_{seed}", f"mark-{seed}")
    operation = change.operation or ""
    long_ago = datetime.fromtimestamp(clock.wall() - 3600, UTC).isoformat()
    sandbox.add_order(f"o_{seed}", created=long_ago, lastModified=long_ago, **ORDER)
    settings: dict[str, Any] = {
        "clock": clock,
        "timeout": Timeout(total=120.0, attempt=ATTEMPT),
        "retry": RetryPolicy(max_attempts=rng.choice((1, 2, 3))),
    }
    async with sandbox.client(**settings) as client:
        # Of an order that is gone nobody can see since when.
        stood_before = kind != "delete_order" and rng.random() < 0.1
        if stood_before:
            await change.apply(client)
            await clock.sleep(60)
        sandbox.faults.add(*(_fault(rng, operation) for _ in range(3)))
        if rng.random() < 0.3:
            sandbox.faults.add(Fault.drop_before(share=0.3), Fault.latency(1.0, share=0.3))
        before = len(sandbox.requests)
        try:
            await change.apply(client)
        except CallError as error:
            if error.outcome is not OutcomeKind.UNKNOWN:
                return None
            lost = error
        else:
            return None
        await clock.sleep(rng.choice((0.0, 0.0, rng.uniform(0.0, 2 * ATTEMPT))))
        waited = rng.random() < 0.7
        resolution = await resolve(client, change, lost, waited)
        await clock.sleep(60)
    carried_out = any(one.applied for one in list(sandbox.requests)[before:] if one.operation == operation)
    return Case(kind, resolution, carried_out, stood_before, waited)


async def lose_many(seeds: range) -> list[Case]:
    """Changes of all kinds in turn, until each seed has one of each kind that ended in ``unknown``."""
    gate = asyncio.Semaphore(200)

    async def one(kind: str, seed: int) -> Case | None:
        async with gate:
            return await lose(kind, seed)

    found = await asyncio.gather(*(one(kind, seed) for seed in seeds for kind in CHANGES))
    return [case for case in found if case is not None]
