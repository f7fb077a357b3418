"""What a service stores in another spelling than it was sent in is what was sent."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from support import scripted

from norce_order_async import CallError, OutcomeKind, Verdict, resolve
from norce_order_async.batch import Change, DeleteConsent, PatchAttributes, PatchConsent, kinds
from norce_order_async.core.outcome import Attempt
from norce_order_async.models import Address, Cart, Consent, Item, Order, Payment, Price, Shipping, Upsell
from norce_order_async.wire.json import encode_json

EXACT = datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)
UPSELL = Upsell(expiration=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
PRICE = Price(including_vat=Decimal("50.00"))
PAYMENT = kinds.UpdatePayment("o_1", "p", Payment(state="Reserved"))
SHIPPING = kinds.UpdateShipping("o_1", "s", Shipping(state="Confirmed", total=PRICE, vat_rate=Decimal("0.25")))
EXPIRING = kinds.UpdatePayment("o_1", "p", Payment(upsell=UPSELL))
ADDRESS = kinds.UpdateBillingAddress("o_1", Address(type="Person"))
ROWS = kinds.UpdateCart("o_1", Cart(items=[Item(id="", sku="A")]))
EMPTY_CART = kinds.UpdateCart("o_1", Cart(reference="c", items=[]))
BLANK_NAME = kinds.UpdateCart("o_1", Cart(items=[Item(sku="A", name="")]))
CONSENT = kinds.CreateConsent("o_1", Consent(text="t"))


def payment(**members: Any) -> dict[str, Any]:
    return {"payments": [{"id": "p", **members}]}


def expiring(text: str) -> dict[str, Any]:
    return payment(upsell={"expiration": text})


def shipping(state: str) -> dict[str, Any]:
    return {"shippings": [{"id": "s", "state": state, "total": {"includingVat": 50}, "vatRate": 0.250}]}


def lost(at: float) -> CallError:
    error = CallError("lost")
    error.outcome = OutcomeKind.UNKNOWN
    error.attempts = (Attempt(1, 0.0, 1.0, True, at=at),)
    return error


async def told(change: Change, stored: dict[str, Any]) -> Verdict:
    order = {"id": "o_1", "lastModified": "2026-01-12T08:01:30Z", **stored}
    client, _, clock = scripted((200, {}, encode_json(order)))
    return (await resolve(client, change, lost(clock.wall()))).verdict


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
        (EMPTY_CART, [{"cart": {"reference": "c"}}], {"cart": {"reference": "c", "items": [{"sku": "A"}]}}),
        (BLANK_NAME, [{"cart": {"items": [{"sku": "A"}]}}], {"cart": {"items": [{"sku": "A", "name": "B"}]}}),
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


@pytest.mark.parametrize(
    ("wanted", "stored", "verdict"),
    [
        ({"a": ""}, {}, Verdict.CANNOT_TELL),
        ({"a": [], "b": None}, {"a": None}, Verdict.CANNOT_TELL),
        ({"a": ""}, {"a": ""}, Verdict.APPLIED),
        ({"a": ""}, {"a": "x"}, Verdict.NOT_APPLIED),
        ({"a": "", "b": 1}, {"b": 1}, Verdict.APPLIED),
        ({"a": "", "b": 1}, {}, Verdict.NOT_APPLIED),
        ({"a": None}, {}, Verdict.CANNOT_TELL),
        ({"a": None}, {"a": None}, Verdict.APPLIED),
    ],
)
async def test_an_attribute_that_is_sent_empty_and_is_not_there_tells_nothing(
    wanted: Any, stored: Any, verdict: Verdict
) -> None:
    assert await told(PatchAttributes("o_1", wanted), {"attributes": stored}) is verdict


async def test_what_is_added_without_a_mark_is_not_another_one_without_it() -> None:
    change = kinds.CreatePayment("o_1", Payment(reference=""))
    client, _, clock = scripted((200, {}, b'[{"id": "p"}]'), (200, {}, b'{"id": "o_1"}'))
    assert (await resolve(client, change, lost(clock.wall()))).verdict is Verdict.CANNOT_TELL


async def test_nobody_can_tell_whether_a_service_has_cut_the_parts_of_a_second() -> None:
    change = kinds.UpdatePayment("o_1", "p", Payment(upsell=attrs.evolve(UPSELL, expiration=EXACT)))
    verdicts = [
        (expiring("2026-01-02T03:04:05.123456Z"), Verdict.APPLIED),
        (expiring("2026-01-02T04:04:05.1234560+01:00"), Verdict.APPLIED),
        (expiring("2026-01-02T03:04:05.123Z"), Verdict.CANNOT_TELL),
        (expiring("2026-01-02T03:04:05"), Verdict.CANNOT_TELL),
        (expiring("2026-01-02T03:04:06.123Z"), Verdict.NOT_APPLIED),
    ]
    assert [await told(change, stored) for stored, _ in verdicts] == [verdict for _, verdict in verdicts]


NET = Decimal(50) / Decimal("1.12")
DOUBLE = 44.642857142857146
ZERO = Decimal(0)


def paid(amount: Any) -> dict[str, Any]:
    return payment(amount=amount)


def with_attribute(amount: Any) -> dict[str, Any]:
    return {"attributes": {"a": amount}}


def shipped(**members: Any) -> dict[str, Any]:
    return {"shippings": [{"id": "s", "vatRate": 0, "total": {}, **members}]}


def priced(amount: Any) -> dict[str, Any]:
    return {"cart": {"items": [{"sku": "A", "price": {"excludingVat": amount}}]}}


@pytest.mark.parametrize(
    ("change", "stored"),
    [
        (kinds.UpdateCart("o_1", Cart(items=[Item(sku="A", price=Price(excluding_vat=NET))])), priced),
        (kinds.UpdatePayment("o_1", "p", Payment(amount=NET)), paid),
        (PatchAttributes("o_1", {"a": NET}), with_attribute),
    ],
)
async def test_a_number_is_as_exact_as_a_service_stores_it(change: Change, stored: Any) -> None:
    numbers = {DOUBLE: Verdict.APPLIED, 44.6429: Verdict.CANNOT_TELL, 44.64: Verdict.CANNOT_TELL}
    numbers |= {44.65: Verdict.CANNOT_TELL, 44.66: Verdict.NOT_APPLIED, 45: Verdict.NOT_APPLIED}
    assert {number: await told(change, stored(number)) for number in numbers} == numbers


@pytest.mark.parametrize(
    ("wanted", "stored", "verdict"),
    [
        (49, 49.5, Verdict.NOT_APPLIED),
        (Decimal("49.95"), 49.96, Verdict.NOT_APPLIED),
        (2**53 + 1, 2**53, Verdict.CANNOT_TELL),  # a service may store doubles, or have another integer
        (2**53 + 1, 2**53 + 4, Verdict.NOT_APPLIED),
        (Decimal("1E+400"), Decimal("1E+400"), Verdict.APPLIED),
        (Decimal("1E+400"), Decimal("1E+401"), Verdict.NOT_APPLIED),  # no double holds either
        ([Decimal("0.001"), 5], [0, 5], Verdict.CANNOT_TELL),
        (0, None, Verdict.CANNOT_TELL),
        (False, None, Verdict.CANNOT_TELL),
        (True, None, Verdict.NOT_APPLIED),
        (["a", "b"], ["b", "a"], Verdict.CANNOT_TELL),
        (["a", "b"], ["b", "b"], Verdict.NOT_APPLIED),
        ({"at": "2026-01-02T03:04:05.5Z"}, {"at": "2026-01-02T03:04:05Z"}, Verdict.CANNOT_TELL),
    ],
)
async def test_what_a_service_may_have_made_of_a_value_is_not_told_as_another_one(
    wanted: Any, stored: Any, verdict: Verdict
) -> None:
    kept = {"attributes": {} if stored is None else {"a": stored}}
    assert await told(PatchAttributes("o_1", {"a": wanted}), kept) is verdict


async def test_some_attributes_that_surely_differ_tell_it_of_all() -> None:
    change = PatchAttributes("o_1", {"a": 0, "b": 1})
    assert await told(change, {"attributes": {"b": 2}}) is Verdict.NOT_APPLIED
    assert await told(change, {"attributes": {"b": 1}}) is Verdict.CANNOT_TELL
    assert await told(change, {"attributes": {"a": Decimal("0.001"), "b": 2}}) is Verdict.CANNOT_TELL


async def test_a_part_without_an_id_is_not_the_one_meant() -> None:
    assert await told(DeleteConsent("o_1", "None"), {"consents": [{"text": "t"}]}) is Verdict.APPLIED


@pytest.mark.parametrize(
    ("change", "stored"),
    [
        (kinds.UpdatePayment("o_1", "p", Payment(order_id="o_2", merchant="m", channel="2", name="n")), payment),
        (kinds.UpdateShipping("o_1", "s", Shipping(merchant="NORCE", name="n", total=Price(), vat_rate=ZERO)), shipped),
    ],
)
async def test_whose_a_part_is_the_service_may_write_itself(change: Change, stored: Any) -> None:
    whose = {"orderId": "o_1", "merchant": "norce", "channel": "1"}
    assert await told(change, stored(name="n", **whose)) is Verdict.CANNOT_TELL
    assert await told(change, stored(name="other", **whose)) is Verdict.NOT_APPLIED


@pytest.mark.parametrize(
    ("change", "other"),
    [
        (DeleteConsent("o_1", "CI"), {"consents": [{"id": "ci"}]}),
        (kinds.CreateConsent("o_1", Consent(id="CI")), {"consents": [{"id": "ci"}]}),
        (kinds.CreateConsent("o_1", Consent(text="t", required=False)), {"consents": [{"id": "ci", "text": "t"}]}),
        (PatchConsent("o_1", "ci", checked=False), {"consents": [{"id": "ci"}]}),
        (kinds.PatchConsents("o_1", {"ci": False}), {"consents": [{"id": "ci"}]}),
    ],
)
async def test_a_part_that_may_be_the_one_meant_tells_nothing(change: Change, other: Any) -> None:
    assert await told(change, other) is Verdict.CANNOT_TELL


async def test_a_reference_of_digits_may_come_as_a_number() -> None:
    change = kinds.CreateOrder(Order(cart=Cart(reference="123")))
    page = b'{"data": [{"id": "o_1", "cart": {"reference": %b}, "created": "2026-01-12T08:01:30Z"}]}'
    for reference, verdict in ((b"123", Verdict.APPLIED), (b"124", Verdict.NOT_APPLIED)):
        client, _, clock = scripted((200, {}, page % reference), (200, {}, b'{"data": []}'))
        assert (await resolve(client, change, lost(clock.wall()), settle=0)).verdict is verdict
