"""A request that was given up may still be carried out: the next change of its resource waits until it has settled."""

import asyncio
from pathlib import Path
from typing import Any

import attrs
import pytest
from journals import mark, write
from timeline import Answer, Origin, Sent, Timeline, always, journal_at, lost, on_a_timeline, outcomes_of, until

from norce_order_async import (
    CallOptions,
    ConfigurationError,
    OrderClient,
    OutcomeKind,
    Receipt,
    RetryPolicy,
    Timeout,
    patch_attributes,
)
from norce_order_async.batch import Change, CreateConsent, JournalReader, Outcome, PatchAttributes, PatchConsent
from norce_order_async.batch.journal import State
from norce_order_async.batch.report import report_record
from norce_order_async.batch.run import Batch
from norce_order_async.models import Consent
from norce_order_async.testing import Sandbox
from norce_order_async.testing.conformance.base import settle


def lines(orders: int, values: int = 2) -> list[Change]:
    return [PatchAttributes(f"o_{order}", {"n": value}) for value in range(values) for order in range(orders)]


def between_others(orders: int) -> list[Change]:
    """Two lines of each order, and many of others, which show that the server is there."""
    changes: list[Change] = []
    for number, change in enumerate(lines(orders)):
        changes.append(change)
        changes += [PatchConsent(f"p_{number}_{n}", "c", checked=True) for n in range(20)]
    return changes


def of_lines(outcomes: list[Outcome], value: int) -> list[Outcome]:
    return [one for one in outcomes if isinstance(one.change, PatchAttributes) and one.change.attributes["n"] == value]


def _hang(sent: Sent) -> Answer:
    return lost()


class Late(Origin):
    """A server that never answers the first request of an order named o_, and carries it out seconds later."""

    def __init__(self, clock: Timeline, late: float, given_up: float = 15.0) -> None:
        super().__init__(clock)
        self.late, self.given_up = late, given_up
        self.written: list[tuple[float, str, bytes | None]] = []

    async def send(self, request: Any, /, *, timeout: float | None) -> Any:
        order = request.url.split("/orders/")[1].split("/")[0]
        if self.times(order) or not order.startswith("o"):
            self.latency, self.answer = 0.01, always
            if order.startswith("o"):
                self.written.append((self.clock.now, order, request.body))
        else:
            self.latency, self.answer = self.given_up, _hang
            self.written.append((self.clock.now + self.late, order, request.body))
        return await super().send(request, timeout=timeout)

    def last(self) -> dict[str, bytes | None]:
        """The value of each order in the end."""
        return {order: body for _, order, body in sorted(self.written, key=lambda one: one[0])}


def with_late(late: float, **settings: Any) -> tuple[OrderClient, Late, Timeline]:
    clock = Timeline()
    origin = Late(clock, late)
    client, _, _ = on_a_timeline(transport=origin, clock=clock, **settings)
    return client, origin, clock


@pytest.mark.parametrize("retry", [None, RetryPolicy.batch()], ids=["once", "retried"])
@pytest.mark.parametrize("late", [16.0, 20.0, 29.0])
async def test_a_late_copy_does_not_overwrite_the_next_line(late: float, retry: RetryPolicy | None) -> None:
    client, origin, _ = with_late(late, retry=retry)
    outcomes = await outcomes_of(Batch(client, between_others(20), concurrency=40))
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED}
    assert origin.last() == {f"o_{order}": b'{"n":1}' for order in range(20)}
    assert not any(one.waited for one in of_lines(outcomes, 0))
    assert all(0 < one.waited <= 15 for one in of_lines(outcomes, 1))


async def test_without_settling_the_older_value_stands() -> None:
    client, origin, _ = with_late(20.0)
    outcomes = await outcomes_of(Batch(client, between_others(20), concurrency=40, settle=0))
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED}
    assert origin.last() == {f"o_{order}": b'{"n":0}' for order in range(20)}
    assert not any(outcome.waited for outcome in outcomes)


async def test_the_settling_time_counts_from_when_the_attempt_was_given_up_and_others_go_on() -> None:
    client, origin, _ = with_late(20.0)
    changes = [*lines(1), *[PatchConsent(f"p_{n}", "c", checked=True) for n in range(3)]]
    await outcomes_of(Batch(client, changes, concurrency=4, settle=40))
    first, again, next_one = origin.times("o_0")
    assert (first, again - 15 < 5) == (0, True)
    assert next_one == pytest.approx(15 + 40)
    assert all(origin.times(f"p_{n}")[-1] < 25 for n in range(3))


@attrs.frozen
class DeleteOrder(Change):
    op = "delete_order"

    @property
    def resource(self) -> str:
        return ""

    async def apply(self, client: OrderClient, options: CallOptions | None = None) -> Receipt:
        return await patch_attributes(client, self.order_id, {"gone": True}, options=options)


async def test_what_holds_the_resource_waits_too_and_what_lies_beside_it_does_not() -> None:
    client, origin, _ = with_late(20.0)
    changes: list[Change] = [PatchAttributes("o", {"n": 0}), PatchConsent("o", "c", checked=True), DeleteOrder("o")]
    outcomes = await outcomes_of(Batch(client, changes, concurrency=4))
    waited = {outcome.number: outcome.waited for outcome in outcomes}
    assert waited[1] == waited[2] == 0
    assert waited[3] > 0
    assert origin.written[-1][2] == b'{"gone":true}'
    assert origin.written[-1][0] == pytest.approx(30)


@pytest.mark.parametrize("answer", [504, 524])
async def test_a_gateway_that_gave_up_waiting_may_be_followed_by_a_late_copy_too(answer: int) -> None:
    client, origin, _ = on_a_timeline(lambda sent: answer if len(origin.sent) == 1 else 200)
    outcomes = await outcomes_of(Batch(client, lines(1)))
    assert [outcome.waited > 0 for outcome in outcomes] == [False, True]
    assert origin.times("o_0")[2] == pytest.approx(15.01)


@pytest.mark.parametrize("answer", [500, 503, 429, 409])
async def test_an_answer_needs_no_settling(answer: int) -> None:
    client, origin, _ = on_a_timeline(lambda sent: answer if len(origin.sent) == 1 else 200)
    outcomes = await outcomes_of(Batch(client, lines(1)))
    assert not any(outcome.waited for outcome in outcomes)


async def test_the_end_of_a_batch_waits_for_nothing() -> None:
    client, _, clock = with_late(20.0)
    await outcomes_of(Batch(client, lines(1, 1)))
    assert clock.now < 20


def answering(clock: Timeline, latency: float, answer: Answer) -> tuple[OrderClient, Origin]:
    origin = Origin(clock, lambda sent: answer, latency)
    client, _, _ = on_a_timeline(transport=origin, clock=clock)
    return client, origin


async def continued(path: Path, clock: Timeline, changes: list[Change], **arguments: Any) -> dict[Any, float]:
    """Continue a batch four seconds later; the seconds after which each change was sent."""
    clock.now += 4.0
    began = clock.now
    client, origin = answering(clock, 0.01, 200)
    with journal_at(path) as journal:
        outcomes = await outcomes_of(Batch(client, changes, concurrency=2, journal=journal, **arguments))
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED}
    return {(sent.order, sent.request.body): sent.at - began for sent in origin.sent}


async def test_a_new_run_lets_what_the_run_before_had_under_way_settle(path: Path) -> None:
    clock, changes = Timeline(), lines(2)
    client, origin = answering(clock, 1e9, 200)
    with journal_at(path) as journal:
        batch = Batch(client, changes, concurrency=2, journal=journal)
        reading = asyncio.create_task(outcomes_of(batch))
        await until(lambda: len(origin.sent) == 2)
        await settle(10)
        batch.abort("killed")
        await reading
    times = await continued(path, clock, changes)
    for order in ("o_0", "o_1"):
        assert times[order, b'{"n":0}'] < 1  # it is made again itself
        assert times[order, b'{"n":1}'] == pytest.approx(15, abs=0.1)
    with JournalReader.open(path) as reader:
        rows = {row.number: row for row in reader.rows()}
    assert [rows[number].waited > 0 for number in (1, 2, 3, 4)] == [False, False, True, True]
    assert report_record(rows[3])["_waited"] == pytest.approx(rows[3].waited, abs=0.001)
    assert "_waited" not in report_record(rows[1])


async def test_a_new_run_lets_what_is_unknown_settle_from_its_end(path: Path) -> None:
    clock, changes = Timeline(), lines(2)
    client, _ = answering(clock, 5.0, lost())
    with journal_at(path) as journal:
        batch = Batch(client, changes[:2], concurrency=2, journal=journal, max_failures=2)
        outcomes = await outcomes_of(batch)
        assert {(outcome.outcome, outcome.error) for outcome in outcomes} == {(OutcomeKind.UNKNOWN, "ReadTimeout")}
    times = await continued(path, clock, changes)
    assert set(times) == {("o_0", b'{"n":1}'), ("o_1", b'{"n":1}')}
    assert all(10 < at < 11.5 for at in times.values())


async def test_a_new_run_lets_what_is_done_settle_if_an_attempt_of_it_was_lost(path: Path) -> None:
    def first_lost(sent: Sent) -> Answer:
        return lost() if len(origin.sent) == 1 else 200

    clock, changes = Timeline(), lines(1)
    client, origin = answering(clock, 5.0, 200)
    origin.answer = first_lost
    with journal_at(path) as journal:
        await outcomes_of(Batch(client, changes[:1], journal=journal))
        assert [(row.outcome, row.attempts) for row in journal.rows()] == [(OutcomeKind.APPLIED, 2)]
    times = await continued(path, clock, changes)
    assert times == {("o_0", b'{"n":1}'): pytest.approx(11, abs=0.1)}


async def test_a_new_run_lets_what_is_made_once_and_was_under_way_at_a_kill_settle(path: Path) -> None:
    clock = Timeline()
    changes: list[Change] = [
        CreateConsent("o_0", Consent(id="c", checked=True)),
        PatchConsent("o_0", "c", checked=True),
    ]
    with journal_at(path) as journal:
        marks = [mark(1, changes[0], started=clock.wall() - 60)]
        write(journal, marks, [], once=[1])
    client, origin = answering(clock, 0.01, 200)
    with journal_at(path) as journal:
        outcomes = await outcomes_of(Batch(client, changes, journal=journal, once=True))
    assert [(outcome.number, outcome.outcome) for outcome in outcomes] == [(2, OutcomeKind.APPLIED)]
    assert origin.times("o_0") == [pytest.approx(15, abs=0.1)]
    assert outcomes[0].waited == pytest.approx(15, abs=0.1)


@pytest.mark.parametrize(
    ("state", "seconds"),
    [
        (State(None, None), 15.0),
        (State(OutcomeKind.UNKNOWN, None), 15.0),
        (State(OutcomeKind.UNKNOWN, None, ended=90.0), 5.0),
        (State(OutcomeKind.APPLIED, None, ended=90.0), 5.0),
        (State(OutcomeKind.APPLIED, None, ended=200.0), 15.0),  # the clock was set back
        (State(OutcomeKind.APPLIED, None), 0.0),
        (State(OutcomeKind.REJECTED, None), 0.0),
    ],
)
async def test_how_long_a_new_run_lets_settle(state: State, seconds: float) -> None:
    assert state.settles_after(100.0, 15.0) == seconds


async def test_a_new_run_does_not_wait_when_that_is_off_or_long_ago(path: Path) -> None:
    clock, changes = Timeline(), lines(2)
    client, _ = answering(clock, 5.0, lost())
    with journal_at(path) as journal:
        await outcomes_of(Batch(client, changes[:2], concurrency=2, journal=journal, max_failures=2))
    assert all(at < 1 for at in (await continued(path, clock, changes, settle=4)).values())


@pytest.mark.parametrize("settle", [-1, True, "5", float("nan"), float("inf")])
async def test_the_settling_time_is_checked(settle: Any) -> None:
    with pytest.raises(ConfigurationError, match="settle must be a number of seconds"):
        Batch(on_a_timeline()[0], [], settle=settle)


async def test_the_sandbox_applies_late_and_settling_keeps_the_order() -> None:
    sandbox = Sandbox()
    for n in range(20):
        sandbox.add_order(f"o_{n}")
    sandbox.faults.add("apply-late:0.4:times=20")
    client = sandbox.client(timeout=Timeout(total=5.0, attempt=0.2))
    async with client:
        outcomes = await outcomes_of(Batch(client, lines(20), concurrency=20, settle=0.5))
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED}
    assert [sandbox.order(f"o_{n}")["attributes"] for n in range(20)] == [{"n": 1}] * 20
