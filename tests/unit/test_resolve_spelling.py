"""What a service stores in another spelling than it was sent in is what was sent."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from support import scripted

from norce_order_async import CallError, OutcomeKind, Verdict, resolve
from norce_order_async.batch import Change, kinds
from norce_order_async.core.outcome import Attempt
from norce_order_async.models import Address, Cart, Consent, Item, Payment, Price, Shipping, Upsell

pytestmark = pytest.mark.asyncio

UPSELL = Upsell(expiration=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
PRICE = Price(including_vat=Decimal("50.00"))
PAYMENT = kinds.UpdatePayment("o_1", "p", Payment(state="Reserved"))
SHIPPING = kinds.UpdateShipping("o_1", "s", Shipping(state="Confirmed", total=PRICE, vat_rate=Decimal("0.25")))
EXPIRING = kinds.UpdatePayment("o_1", "p", Payment(upsell=UPSELL))
ADDRESS = kinds.UpdateBillingAddress("o_1", Address(type="Person"))
ROWS = kinds.UpdateCart("o_1", Cart(items=[Item(id="", sku="A")]))
CONSENT = kinds.CreateConsent("o_1", Consent(text="t"))


def payment(**members: Any) -> dict[str, Any]:
    return {"payments": [{"id": "p", **members}]}


def expiring(text: str) -> dict[str, Any]:
    return payment(upsell={"expiration": text})


def shipping(state: str) -> dict[str, Any]:
    return {"shippings": [{"id": "s", "state": state, "total": {"includingVat": 50}, "vatRate": 0.250}]}


async def told(change: Change, stored: dict[str, Any]) -> Verdict:
    order = {"id": "o_1", "lastModified": "2026-01-12T08:01:30Z", **stored}
    client, _, clock = scripted((200, {}, json.dumps(order).encode()))
    error = CallError("lost")
    error.outcome = OutcomeKind.UNKNOWN
    error.attempts = (Attempt(1, 0.0, 1.0, True, at=clock.wall()),)
    return (await resolve(client, change, error)).verdict


@pytest.mark.parametrize(
    ("change", "same", "other"),
    [
        (PAYMENT, [payment(state="reserved"), payment(state="RESERVED")], payment(state="captured")),
        (SHIPPING, [shipping("confirmed")], shipping("initial")),
        (ADDRESS, [{"customer": {"billing": {"type": "person"}}}], {"customer": {"billing": {"type": "organization"}}}),
        (
            EXPIRING,
            [
                expiring("2026-01-02T03:04:05"),
                expiring("2026-01-02t03:04:05z"),
                expiring("2026-01-02T04:04:05.0000000+01:00"),
            ],
            expiring("2026-01-02T03:04:05+01:00"),
        ),
        (ROWS, [{"cart": {"items": [{"id": "i_1", "sku": "A"}]}}], {"cart": {"items": [{"id": "", "sku": "B"}]}}),
        (
            CONSENT,
            [{"consents": [{"id": "c", "text": "t", "required": empty}]} for empty in (False, None, "")],
            {"consents": [{"id": "c", "text": "t", "required": True}]},
        ),
    ],
)
async def test_another_spelling_is_the_same(change: Change, same: Sequence[Any], other: Any) -> None:
    assert [await told(change, stored) for stored in same] == [Verdict.APPLIED] * len(same)
    assert await told(change, other) is Verdict.NOT_APPLIED


async def test_what_no_model_can_read_is_compared_as_it_is() -> None:
    change = kinds.UpdateCart("o_1", Cart(reference="c", extra={"new": [1, {"id": ""}]}))
    cart = {"reference": "c", "items": 7, "new": [1, {"id": ""}]}
    assert await told(change, {"cart": cart, "customer": "none"}) is Verdict.CANNOT_TELL  # items were left out
    assert await told(change, {"cart": {**cart, "items": []}}) is Verdict.APPLIED
    assert await told(change, {"cart": {**cart, "new": [1, {"id": "x"}]}}) is Verdict.NOT_APPLIED


async def test_the_times_of_the_state_count_to_their_last_digit() -> None:
    def moved(stamp: str) -> dict[str, Any]:
        return {"state": {"currentStatus": "Accepted", "transitions": [{"status": "accepted", "timeStamp": stamp}]}}

    change = kinds.UpdateState("o_1", "accepted")
    assert await told(change, moved("2026-01-12T08:01:28.000Z")) is Verdict.CANNOT_TELL  # a second before the attempt
    assert await told(change, moved("2026-01-12T08:01:29.000Z")) is Verdict.APPLIED
