"""What became of a change whose answer was lost."""

import copy
import pickle
from collections import Counter, defaultdict
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from itertools import permutations
from random import Random
from typing import Any

import pytest
import virtual
from support import scripted
from unknowns import ATTEMPT, CHANGES, ORDER, WITHOUT_MARK, lose_many

from norce_order_async import (
    CallError,
    InvalidRequestError,
    OrderClient,
    OutcomeKind,
    ReadTimeout,
    Receipt,
    Resolution,
    RetryPolicy,
    Timeout,
    Verdict,
    patch_consent,
    resolve,
)
from norce_order_async.batch import Change, CreateOrder, DeleteOrder, PatchConsent
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.options import CallOptions
from norce_order_async.core.outcome import Attempt
from norce_order_async.endpoints.comparison import holds
from norce_order_async.endpoints.findings import FINDERS, Sight
from norce_order_async.endpoints.looks import can_look
from norce_order_async.endpoints.pairing import pairing
from norce_order_async.middleware import Call
from norce_order_async.models import Cart, Order
from norce_order_async.testing import FakeClock, Fault, Sandbox
from norce_order_async.wire.table import ROWS

CHANGE = PatchConsent("o_1", "ci", checked=True)
SECOND_AGO = "2026-01-12T08:01:28.000Z"  # by the clock of scripted clients
MINUTE_AGO = "2026-01-12T08:00:29.000Z"
ONE_ATTEMPT: dict[str, Any] = {"timeout": Timeout(total=60.0, attempt=ATTEMPT), "retry": RetryPolicy(max_attempts=1)}


def lost(at: float | None = None, outcome: OutcomeKind = OutcomeKind.UNKNOWN, operation: str = "") -> CallError:
    error = CallError("lost")
    error.operation = operation
    error.outcome = outcome
    error.attempts = (Attempt(1, 0.0, 1.0, True, at=at),)
    return error


def test_of_many_lost_answers_none_is_told_wrong() -> None:
    cases = virtual.run(lose_many(range(4)))
    verdicts: defaultdict[str, Counter[Verdict]] = defaultdict(Counter[Verdict])
    for case in cases:
        verdicts[case.kind][case.resolution.verdict] += 1
    assert not [case for case in cases if case.is_wrong]
    assert verdicts.keys() == CHANGES.keys()
    assert {kind for kind, counts in verdicts.items() if set(counts) == {Verdict.CANNOT_TELL}} == WITHOUT_MARK
    assert not any(f"mark-{seed}" in case.resolution.evidence for case in cases for seed in range(4))


def test_each_operation_that_changes_something_can_be_looked_up_unless_it_leaves_no_mark() -> None:
    unseen = {row.function.partition(".")[2] for row in ROWS.values() if row.changes and not can_look(row.name)}
    assert unseen == WITHOUT_MARK


def late(fault: Fault, wait: bool, change: Change = CHANGE) -> tuple[Resolution, float]:
    """What is told of a change after this fault, and how many seconds that takes."""

    async def main() -> tuple[Resolution, float]:
        clock = virtual.VirtualClock()
        sandbox = Sandbox(wall=clock.wall)
        sandbox.add_order("o_1", **ORDER)
        await clock.sleep(60)
        sandbox.faults.add(fault)
        async with sandbox.client(clock=clock, **ONE_ATTEMPT) as client:
            with pytest.raises(CallError) as raised:
                await change.apply(client)
            error = pickle.loads(pickle.dumps(raised.value))
            began = clock.monotonic()
            return await resolve(client, change, error, wait), clock.monotonic() - began

    return virtual.run(main())


def test_a_request_that_was_given_up_may_still_be_carried_out() -> None:
    told, seconds = late(Fault.apply_late(ATTEMPT + 3, times=1), wait=False)
    assert (told.verdict, seconds) == (Verdict.CANNOT_TELL, 0)
    assert "may still be carried out for 5 s" in told.evidence
    told, seconds = late(Fault.apply_late(ATTEMPT + 3, times=1), wait=True)
    assert (told.verdict, seconds) == (Verdict.APPLIED, ATTEMPT)


def test_not_applied_is_said_when_nothing_can_be_under_way() -> None:
    told, seconds = late(Fault.drop_before(times=1), wait=True)
    assert (told.verdict, seconds) == (Verdict.NOT_APPLIED, ATTEMPT)
    assert str(told).startswith("not_applied: the consent ci is not as asked, and no request of it can be under way")
    assert "[GetCheckoutOrder o_1 at " in str(told)


def test_applied_needs_no_waiting() -> None:
    told, seconds = late(Fault.drop_after(times=1), wait=True)
    assert (told.verdict, seconds) == (Verdict.APPLIED, 0)


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (OutcomeKind.APPLIED, Verdict.APPLIED),
        (OutcomeKind.APPLIED_INFERRED, Verdict.APPLIED),
        (OutcomeKind.REJECTED, Verdict.NOT_APPLIED),
        (OutcomeKind.NOT_SENT, Verdict.NOT_APPLIED),
    ],
)
async def test_an_outcome_that_says_enough_needs_no_look(outcome: OutcomeKind, verdict: Verdict) -> None:
    client, transport, _ = scripted(500)
    assert (await resolve(client, CHANGE, lost(outcome=outcome))).verdict is verdict
    assert not transport.requests


class Twofold(PatchConsent):
    """Two calls."""

    async def apply(self, client: OrderClient, options: CallOptions | None = None) -> Receipt:
        await super().apply(client, options)
        return await super().apply(client, options)


@pytest.mark.parametrize(
    ("change", "later", "says"),
    [
        (CHANGE, True, "a later change of the same"),
        (CHANGES["add_transaction"]("o_1", "x"), False, "no mark to know it by"),
        (CreateOrder(Order(cart=Cart())), False, "no cart reference"),
        (Twofold("o_1", "ci", checked=True), False, "not a single call"),
    ],
)
async def test_what_nothing_can_be_told_of(change: Change, later: bool, says: str) -> None:
    client, _, clock = scripted((200, {}, b'{"data": []}'))
    told = await resolve(client, change, lost(clock.wall()), later=later)
    assert (told.verdict, says in told.evidence) == (Verdict.CANNOT_TELL, True)


def answered(body: bytes, **headers: str) -> Any:
    return 200, {"content-type": "application/json", **headers}, body


def order(checked: str, modified: str = "2026-01-12T08:01:30.000Z") -> bytes:
    stamp = f', "lastModified": "{modified}"' if modified else ""
    return f'{{"id": "o_1", "consents": [{{"id": "ci", "checked": {checked}}}]{stamp}}}'.encode()


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        (answered(order("true")), Verdict.APPLIED),
        (answered(order("true", "2026-01-12T08:01:29Z")), Verdict.APPLIED),  # cut to its second
        (answered(order("true", SECOND_AGO)), Verdict.CANNOT_TELL),
        (answered(order("true", "")), Verdict.CANNOT_TELL),
        # The service's clock is an hour ahead.
        (answered(order("true"), date="Mon, 12 Jan 2026 09:01:29 GMT"), Verdict.CANNOT_TELL),
        (answered(order("true", "2026-01-12T09:01:31Z"), date="Mon, 12 Jan 2026 09:01:29 GMT"), Verdict.APPLIED),
        (answered(order("false")), Verdict.NOT_APPLIED),
        (answered(order("false", SECOND_AGO)), Verdict.NOT_APPLIED),
        (answered(b'{"id": "o_2"}'), Verdict.CANNOT_TELL),
        (answered(b'{"id": "o_1", "consents": []}'), Verdict.CANNOT_TELL),
        ((404, dict[str, str](), b'{"code": "order-not-found"}'), Verdict.CANNOT_TELL),
        (403, Verdict.CANNOT_TELL),
        (answered(order("false"), date=f"Mon, {'9' * 30} Jan 2026 09:01:29 GMT"), Verdict.NOT_APPLIED),
    ],
)
async def test_a_value_counts_when_it_came_to_stand_after_the_first_attempt(response: Any, verdict: Verdict) -> None:
    client, _, clock = scripted(response)
    assert (await resolve(client, CHANGE, lost(clock.wall()))).verdict is verdict


@pytest.mark.parametrize(("given", "settled"), [(Timeout(attempt=9.0), 9.0), (20, ATTEMPT)])
async def test_it_waits_as_long_as_an_attempt_may_take_with_the_options_of_the_change(
    given: Timeout | float, settled: float
) -> None:
    client, _, clock = scripted(answered(order("false")), timeout=Timeout(attempt=ATTEMPT))
    await resolve(client, CHANGE, lost(), options=CallOptions(timeout=given))
    assert clock.now == settled


async def test_it_waits_no_longer_where_the_clock_of_the_error_is_ahead() -> None:
    client, _, clock = scripted(answered(order("false")))
    assert (await resolve(client, CHANGE, lost(clock.wall() + 3600), settle=9.0)).verdict is Verdict.NOT_APPLIED
    assert clock.now == 9.0


async def set_between(change: Change, before: float, after: float, keep: Any, *, is_ours: bool) -> Resolution:
    """What is told of a change that stands, by its lost call or since half an hour, where our clock was set meanwhile.

    It was so many seconds ahead before, and is so many after; the error was kept in a way.
    """
    clock = FakeClock()
    true = clock.epoch
    sandbox = Sandbox(wall=lambda: true + clock.now)
    sandbox.add_order("o_1", **ORDER)
    async with sandbox.client(clock=clock, **ONE_ATTEMPT) as client:
        if not is_ours:
            await change.apply(client)
        await clock.sleep(1800)
        clock.epoch = true + before
        sandbox.faults.add(Fault.drop_after(times=1) if is_ours else Fault.drop_before(times=1))
        with pytest.raises(CallError) as raised:
            await change.apply(client)
        await clock.sleep(1)
        clock.epoch = true + after
        return await resolve(client, change, keep(raised.value))


def in_a_queue(error: Any) -> Any:
    return pickle.loads(pickle.dumps(error))


@pytest.mark.parametrize("keep", [copy.copy, in_a_queue], ids=["here", "in a queue"])
@pytest.mark.parametrize(("before", "after"), [(0.0, 0.0), (-3600.0, -3600.0), (3600.0, 0.0), (-3600.0, 0.0)])
@pytest.mark.parametrize("change", [CHANGE, CreateOrder(Order(cart=Cart(reference="c")))], ids=["value", "order"])
async def test_what_stood_before_is_not_taken_for_ours_when_our_clock_was_set(
    change: Change, before: float, after: float, keep: Any
) -> None:
    told = await set_between(change, before, after, keep, is_ours=False)
    if keep is in_a_queue and before < after:
        assert told.verdict is Verdict.APPLIED  # of another process the time of day is all that is known
    elif change is CHANGE or before < after:
        assert told.verdict is Verdict.CANNOT_TELL
    else:
        assert told.verdict is Verdict.NOT_APPLIED


async def test_an_order_of_ours_is_not_taken_for_one_of_before_when_our_clock_was_set_back() -> None:
    change = CreateOrder(Order(cart=Cart(reference="c")))
    told = await set_between(change, 3600.0, 0.0, copy.copy, is_ours=True)
    assert told.verdict is Verdict.CANNOT_TELL


async def test_a_machine_that_slept_says_nothing_certain() -> None:
    clock = FakeClock()
    sandbox = Sandbox(wall=clock.wall)
    sandbox.add_order("o_1", **ORDER)
    async with sandbox.client(clock=clock, **ONE_ATTEMPT) as client:
        sandbox.faults.add(Fault.drop_after(times=1))
        with pytest.raises(CallError) as raised:
            await CHANGE.apply(client)
        clock.epoch += 3600  # the monotonic clock stands still meanwhile
        told = await resolve(client, CHANGE, raised.value)
    assert (told.verdict, "nothing certain" in told.evidence) == (Verdict.CANNOT_TELL, True)


@pytest.mark.parametrize("step", [0.0, 3600.0, -3600.0])
async def test_it_waits_as_long_however_our_clock_is_set(step: float) -> None:
    client, _, clock = scripted(ReadTimeout("lost", sent=True), answered(order("false")), retry=None)
    with pytest.raises(CallError) as raised:
        await CHANGE.apply(client)
    clock.epoch += step
    assert (await resolve(client, CHANGE, raised.value, settle=9.0)).verdict is Verdict.NOT_APPLIED
    assert clock.now == 9.0


async def test_a_deleted_order_is_gone() -> None:
    sandbox, change = Sandbox(), DeleteOrder("o_1")
    sandbox.add_order("o_1")
    sandbox.faults.add(Fault.drop_after(times=1))
    async with sandbox.client(retry=None) as client:
        with pytest.raises(CallError) as caught:
            await change.apply(client)
        assert (await resolve(client, change, caught.value)).verdict is Verdict.APPLIED


@pytest.mark.parametrize(
    ("operation", "wanted", "stored", "sight", "since"),
    [
        (
            "CreateOrderPayment",
            {"reference": "r"},
            {"payments": [{"id": "1", "reference": "r"}, {"id": "2", "reference": "r"}]},
            Sight.UNCLEAR,
            None,
        ),
        ("PatchCheckoutOrderAttributes", {"a": 1, "b": None}, {"attributes": {"a": 1, "b": "x"}}, Sight.UNCLEAR, None),
        ("PatchCheckoutOrderAttributes", {"a": None}, {"attributes": {"b": 1}}, Sight.UNCLEAR, None),
        ("PatchCheckoutOrderAttributes", {"a": None}, {"attributes": {"a": None}}, Sight.STANDS, None),
        ("PatchCheckoutOrderAttributes", {"a": None}, {"attributes": {"a": 1}}, Sight.ABSENT, None),
        ("PatchCheckoutOrderAttributes", {"a": None, "b": None}, {"attributes": {"a": 1}}, Sight.ABSENT, None),
        ("PatchCheckoutOrderAttributes", {"a": 1, "b": None}, {"attributes": {"a": 1}}, Sight.STANDS, None),
        (
            "UpdateCheckoutOrderState",
            {"currentStatus": "processing"},
            {
                "state": {
                    "currentStatus": "completed",
                    "transitions": [
                        {"status": "processing", "timeStamp": "t1"},
                        {"status": "completed", "timeStamp": "t2"},
                    ],
                }
            },
            Sight.STANDS,
            "t1",
        ),
    ],
    ids=[
        "twins",
        "one is not as asked",
        "no null",
        "a null",
        "no null yet",
        "a null and a value",
        "a value",
        "moved on",
    ],
)
def test_what_is_seen_in_an_order(operation: str, wanted: Any, stored: Any, sight: Sight, since: str | None) -> None:
    finding = FINDERS[operation]({}, wanted, stored)
    assert (finding.sight, finding.since) == (sight, since)


async def test_an_accepted_change_may_be_finished_at_any_time() -> None:
    client, _, clock = scripted(answered(order("false")), answered(order("true")))
    receipt = Receipt("PatchCheckoutOrderConsent", 202, "r", 1, 0.1, OutcomeKind.ACCEPTED, clock.wall())
    told = await resolve(client, CHANGE, receipt)
    assert (told.verdict, "may not have finished" in told.evidence) == (Verdict.CANNOT_TELL, True)
    assert (await resolve(client, CHANGE, receipt)).verdict is Verdict.APPLIED


def page(*orders: tuple[str, str, str]) -> Any:
    made = [
        f'{{"id": "{order_id}", "cart": {{"reference": "{mark}"}}, "created": "{at}"}}' for order_id, mark, at in orders
    ]
    return answered(f'{{"data": [{", ".join(made)}]}}'.encode())


@pytest.mark.parametrize(
    ("pages", "verdict"),
    [
        ([page()], Verdict.NOT_APPLIED),
        ([page(("o_1", "c", "2026-01-12T08:01:30Z")), page()], Verdict.APPLIED),
        ([page(("o_1", "c", MINUTE_AGO)), page()], Verdict.NOT_APPLIED),
        ([page(("o_1", "c", MINUTE_AGO), ("o_2", "c", "2026-01-12T08:01:30Z")), page()], Verdict.APPLIED),
        # The service's clock may be behind by a second, which nothing tells.
        ([page(("o_1", "c", SECOND_AGO)), page()], Verdict.CANNOT_TELL),
        (
            [page(("o_1", "c", "2026-01-12T08:01:30Z"), ("o_2", "c", "2026-01-12T08:01:30Z")), page()],
            Verdict.CANNOT_TELL,
        ),
        # The service ignores the filter, and has more orders than one looks through.
        ([page(("o_1", "d", "2026-01-12T08:01:30Z"))], Verdict.CANNOT_TELL),
        (
            [page(("o_1", "d", "2026-01-12T08:01:30Z")), page(("o_2", "c", "2026-01-12T08:01:30Z")), page()],
            Verdict.APPLIED,
        ),
        ([answered(b"[]")], Verdict.CANNOT_TELL),
        # A time that is no text says nothing.
        ([answered(b'{"data": [{"cart": {"reference": "c"}, "created": 1}]}'), page()], Verdict.CANNOT_TELL),
    ],
)
async def test_an_order_is_known_by_its_cart_reference(pages: list[Any], verdict: Verdict) -> None:
    client, _, clock = scripted(*pages)
    told = await resolve(client, CreateOrder(Order(cart=Cart(reference="c"))), lost(clock.wall()), settle=0)
    assert told.verdict is verdict


@pytest.mark.parametrize(
    ("pages", "verdict"),
    [
        ([page()], Verdict.NOT_APPLIED),
        ([page(("o_1", "c", MINUTE_AGO)), page()], Verdict.CANNOT_TELL),
        ([page(("o_1", "c", MINUTE_AGO), ("o_2", "c", "2026-01-12T08:01:30Z")), page()], Verdict.APPLIED),
        ([page(("o_1", "d", MINUTE_AGO)), page()], Verdict.NOT_APPLIED),
    ],
)
async def test_an_order_of_before_may_be_that_of_an_earlier_call(pages: list[Any], verdict: Verdict) -> None:
    client, _, _ = scripted((409, {}, b'{"code": "conflict"}'), *pages)
    change = CreateOrder(Order(cart=Cart(reference="c")))
    with pytest.raises(CallError) as raised:
        await change.apply(client, CallOptions(redelivered=True))
    error = pickle.loads(pickle.dumps(raised.value))
    assert (error.outcome, error.redelivered) == (OutcomeKind.UNKNOWN, True)
    assert (await resolve(client, change, error, settle=0)).verdict is verdict


async def test_what_an_earlier_call_has_done_another_writer_may_have_undone() -> None:
    client, _, _ = scripted(409, answered(order("false", MINUTE_AGO)))
    with pytest.raises(CallError) as raised:
        await CHANGE.apply(client, CallOptions(redelivered=True))
    told = await resolve(client, CHANGE, raised.value, settle=0)
    assert (told.verdict, "another writer" in told.evidence) == (Verdict.NOT_APPLIED, True)


def test_what_was_replaced_is_compared_in_any_order() -> None:
    wanted = {"items": [{"sku": "A"}, {"sku": "A", "quantity": 2}]}
    stored = {"cart": {"items": [{"sku": "A", "quantity": 2, "id": "1"}, {"sku": "A", "id": "2"}]}}
    assert FINDERS["UpdateCheckoutOrderCart"]({}, wanted, stored).sight is Sight.STANDS


def _fits(fits: list[set[int]], element: int, place: int) -> bool:
    return place in fits[element]


def test_a_pairing_is_found_wherever_there_is_one() -> None:
    random = Random(1)
    for _ in range(300):
        count = random.randrange(6)
        fits = [{place for place in range(count) if random.random() < 0.4} for _ in range(count)]
        there_is = any(
            all(place in fits[element] for element, place in enumerate(order)) for order in permutations(range(count))
        )
        found = pairing(count, partial(_fits, fits))
        assert (found is not None) == there_is
        if found is not None:
            assert sorted(found) == list(range(count))
            assert all(place in fits[element] for element, place in enumerate(found))


@pytest.mark.parametrize(
    ("wanted", "stored", "is_held"),
    [
        ({"a": 1}, {"a": Decimal("1.0"), "b": 2}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": None}, {}, True),
        ({"a": None}, {"a": 0}, False),
        ({"a": "", "b": [], "c": {}}, {}, True),
        ({"a": 0, "b": False}, {}, False),
        ({"a": [{"b": ""}], "b": {"c": ""}}, {}, False),
        ([1, 2], [2, 1], False),
        ([{"a": 1}, {"a": 2}], [{"a": 2, "id": "x"}, {"a": 1}], True),
        ([{"a": 1}, {"a": 1}], [{"a": 1}, {"a": 2}], False),
        ([{"a": 1}, {"a": 1, "b": 2}], [{"a": 1, "b": 2}, {"a": 1}], True),
        ([{"a": 1}, {"b": 2}, {"c": 3}], [{"a": 1, "b": 2}, {"a": 1, "c": 3}, {"a": 1}], True),
        ([{"a": 1}, {"b": 2}, {"b": 2}], [{"a": 1, "b": 2}, {"a": 1}, {"a": 1}], False),
        ([{"sku": "A"}, {"sku": "B", "a": 1}], [{"sku": "B", "a": 1, "id": 1}, {"sku": "A", "id": 2}], True),
        ([{"sku": "A"}, {"sku": "B", "a": 1}], [{"sku": "B", "a": 2}, {"sku": "A"}], False),
        ([{"sku": "A"}, {"sku": "B"}], [{"sku": "B"}, {"sku": "B"}], False),
        ([{"sku": "A"}, {"sku": ""}], [{"quantity": 1}, {"sku": "A"}], True),
        (
            [{"id": "2026-01-02T03:04:05Z"}, {"id": "2026-01-02T03:04:06Z"}],
            [{"id": "2026-01-02T03:04:06+00:00"}, {"id": "2026-01-02T03:04:05+00:00"}],
            True,
        ),
        ([{"sku": "A"}, {"sku": "B"}], [{"sku": "C"}, {"sku": "A"}], False),
        ("2026-01-02T03:04:05Z", "2026-01-02T04:04:05.000+01:00", True),
        ("2026-01-02T03:04:05Z", "soon after 2026", False),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05", False),
        ("2026-01-02T03:04", "2026-01-02 03:04", False),
        ("2026-01-02-03:04:05", "2026-01-02_03:04:05", False),
        ("2026-01-02A03:04:05Z", "2026-01-02B03:04:05Z", False),
        ("20260102A030405.1", "20260102B030405.1", False),
        ("2026-13-02T03:04:05Z", "2026-13-02T03:04:05+00:00", False),
        ({"a": {"b": [1]}}, {"a": {"b": [1, 2]}}, False),
    ],
)
def test_what_is_stored_holds_what_was_wanted(wanted: Any, stored: Any, is_held: bool) -> None:
    assert holds(wanted, stored) is is_held


def test_rows_with_names_are_compared_once_each() -> None:
    """A cart of a thousand rows in another order, compared one by one, would hold up the event loop for seconds."""
    reads = 0

    class Row(dict[str, object]):
        def items(self) -> Any:
            nonlocal reads
            reads += 1
            return super().items()

    wanted = [Row(sku=f"s_{number}", quantity=1) for number in range(200)]
    assert holds(wanted, [dict(row) for row in reversed(wanted)])
    assert reads <= 5 * len(wanted)


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"error_or_receipt": ValueError()}, TypeError),
        ({"change": "DeleteConsent"}, TypeError),
        ({"change": PatchConsent}, TypeError),
        ({"error_or_receipt": lost(operation="RemoveCheckoutOrderConsent")}, InvalidRequestError),
        ({"wait": 1}, TypeError),
        ({"settle": -1}, ConfigurationError),
        ({"settle": float("inf")}, ConfigurationError),
        ({"options": Timeout()}, TypeError),
    ],
)
async def test_arguments_that_cannot_be_meant(given: dict[str, Any], error: type[Exception]) -> None:
    client, _, _ = scripted()
    call: Callable[..., Any] = resolve
    with pytest.raises(error):
        await call(client, **({"change": CHANGE, "error_or_receipt": lost()} | given))


class SlowClock(FakeClock):
    """A clock of which each reading takes a second."""

    def monotonic(self) -> float:
        self.now += 1.0
        return self.now

    def wall(self) -> float:
        return self.epoch + self.monotonic()


async def test_the_time_of_an_attempt_is_not_later_than_the_attempt() -> None:
    clock = SlowClock()
    later: list[float] = []

    def note(call: Call, attempt: Attempt) -> None:
        assert attempt.at is not None
        later.append(attempt.at - clock.epoch - (call.started + attempt.started))

    client, _, _ = scripted(503, 200, clock=clock, on_attempt=[note])
    await patch_consent(client, "o_1", "ci", checked=True)
    assert len(later) == 2
    assert max(later) <= 0


async def test_each_attempt_has_a_time_of_its_own() -> None:
    times: list[tuple[float | None, float]] = []

    def note(call: Call, attempt: Attempt) -> None:
        times.append((attempt.at, clock.epoch + call.started + attempt.started))

    client, _, clock = scripted(503, 503, 200, on_attempt=[note])
    await patch_consent(client, "o_1", "ci", checked=True)
    assert len({at for at, _ in times}) == 3
    for at, begun in times:
        assert at == pytest.approx(begun, abs=1e-3)
