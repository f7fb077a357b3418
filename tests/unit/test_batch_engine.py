"""The engine of a batch, against servers that vanish, refuse and forget, and users who stop, abort and continue."""

import asyncio
import gc
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import aclosing
from itertools import count, pairwise
from pathlib import Path
from typing import Any, ClassVar, cast

import attrs
import pytest
from journals import mark, write
from support import BASE_URL, TOKEN, scripted
from tenacity import wait_fixed
from timeline import (
    FAILING_INPUTS,
    Answer,
    Doing,
    Odd,
    Origin,
    Sent,
    account,
    always,
    deletes,
    failing_input,
    journal_at,
    lost,
    on_a_timeline,
    outcomes_at,
    outcomes_of,
    refused,
    until,
    until_it_fails,
)

from norce_order_async import (
    CallOptions,
    ClientClosedError,
    ConfigurationError,
    OrderClient,
    OutcomeKind,
    Receipt,
    RetryPolicy,
    create_consent,
    delete_consent,
    patch_consent,
)
from norce_order_async.batch import (
    Change,
    CreateConsent,
    DeleteConsent,
    ExecutePaymentAction,
    InputLine,
    Outcome,
    PatchAttributes,
    PatchConsent,
)
from norce_order_async.batch.engine import feeding
from norce_order_async.batch.engine.accounting import GROUP
from norce_order_async.batch.engine.endings import left_waiting
from norce_order_async.batch.engine.schedule import WorkItem
from norce_order_async.batch.journal import Journal, JournalSample
from norce_order_async.batch.run import Batch
from norce_order_async.core.errors import ClientStateError, ConnectError
from norce_order_async.middleware import Handler
from norce_order_async.models import Consent
from norce_order_async.testing.clock import FakeClock
from norce_order_async.testing.conformance.base import settle
from norce_order_async.transport import Request, Response


@attrs.frozen
class AddConsent(Change):
    op: ClassVar[str] = "add_consent"

    @property
    def resource(self) -> str:
        return "consents"

    async def apply(self, client: OrderClient, options: CallOptions | None = None) -> Receipt:
        return await create_consent(client, self.order_id, CONSENT, options=options)


CONSENT = Consent(id="c", checked=True)


# Order and room


async def test_a_hot_order_does_not_stall_the_rest() -> None:
    client, origin, _ = on_a_timeline()
    hot: list[Change] = [PatchAttributes("hot", {"n": n}, merchant="norce" if n % 2 else None) for n in range(1_000)]
    changes = [*deletes(50), *hot, *deletes(500, 50)]
    ends: list[str] = []
    async with Batch(client, changes, concurrency=10) as batch:
        async for outcome in batch:
            assert outcome.change is not None
            ends.append(outcome.change.order_id)
    assert origin.most == 10
    others = [place for place, order in enumerate(ends) if order != "hot"]
    assert others[-1] < 650  # 550 of them, and one of the hot order's for nine of them
    bodies = [sent.request.body for sent in origin.sent if sent.order == "hot"]
    assert bodies == [f'{{"n":{n}}}'.encode() for n in range(1_000)]


async def test_a_hot_order_without_end_is_held_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding, "LOOKAHEAD", 50)
    client, _, _ = on_a_timeline()
    pulled = 0

    def hot() -> Iterator[Change]:
        nonlocal pulled
        while True:
            pulled += 1
            yield PatchAttributes("hot", {"n": pulled})

    ended = 0
    async with Batch(client, hot(), concurrency=8) as batch:
        async for _ in batch:
            ended += 1
            assert pulled - ended <= 60
            if ended == 200:
                break


@pytest.mark.parametrize(
    ("orders", "is_async", "number", "most"), [(300, False, 300, 30), (300, True, 300, 30), (1, False, 60, 10)]
)
async def test_large_lines_are_held_up_to_a_size(
    monkeypatch: pytest.MonkeyPatch, orders: int, is_async: bool, number: int, most: int
) -> None:
    monkeypatch.setattr(feeding, "LOOKAHEAD_SIZE", 8 * 1024 * 1024)
    client, _, _ = on_a_timeline(limit=100)
    pulled = ended = 0

    def entries() -> Iterator[InputLine]:
        nonlocal pulled
        for n in range(number):
            pulled += 1
            yield InputLine(n + 1, PatchAttributes(f"o_{n % orders}", {"n": n}), size=1024 * 1024)

    async def followed() -> AsyncIterator[InputLine]:
        for entry in entries():
            yield entry

    async with Batch(client, followed() if is_async else entries(), concurrency=100) as batch:
        async for _ in batch:
            ended += 1
            assert pulled - ended <= most
    assert ended == number


async def test_an_input_without_end_needs_no_memory_and_leaves_turns_to_others(path: Path) -> None:
    turn = 0

    async def other() -> None:
        nonlocal turn
        while True:
            turn += 1
            await asyncio.sleep(0)

    client, _, _ = scripted()
    pulled = 0

    def bad() -> Iterator[InputLine]:
        nonlocal pulled
        while True:
            pulled += 1
            yield InputLine(pulled, problem="not JSON", source="{")

    watching = asyncio.create_task(other())
    ended = 0
    with journal_at(path) as journal:
        async with Batch(client, bad(), concurrency=4, journal=journal) as batch:
            async for _ in batch:
                ended += 1
                assert pulled - ended <= 200
                if ended == 2_000:
                    break
    watching.cancel()
    assert turn > 20


async def test_what_was_done_before_is_passed_over_without_holding_up_others(path: Path) -> None:
    client, transport, _ = scripted()
    with journal_at(path) as journal:
        done = list(enumerate(deletes(20_000), 1))
        applied = OutcomeKind.APPLIED
        write(
            journal,
            [mark(n, change) for n, change in done],
            [Outcome(number=n, line=n, change=change, outcome=applied) for n, change in done],
        )
    passed = [0]

    async def other() -> None:
        while True:
            await asyncio.sleep(0)
            passed.append(batch.progress.passed)

    with journal_at(path) as journal:
        batch = Batch(client, deletes(20_001), concurrency=50, journal=journal)
        watching = asyncio.create_task(other())
        outcomes = await outcomes_of(batch)
    watching.cancel()
    assert (len(outcomes), len(transport.requests), batch.progress.passed, batch.progress.ended) == (1, 1, 20_000, 1)
    assert max(later - earlier for earlier, later in pairwise(passed)) <= 1_000


@pytest.mark.parametrize(("is_written", "most"), [(False, 3 * 4), (True, 2 * 4 + 3 * GROUP)])
async def test_a_slow_reader_holds_no_more_than_some_outcomes(path: Path, is_written: bool, most: int) -> None:
    client, transport, _ = scripted()
    with journal_at(path) as journal:
        async with Batch(client, deletes(2_000), concurrency=4, journal=journal if is_written else None) as batch:
            outcomes = aiter(batch)
            await anext(outcomes)
            await settle(1_000)
            assert len(transport.requests) <= most


@pytest.mark.parametrize(
    ("latency", "once", "least", "most"),
    [(0.001, False, 64, 3 * GROUP), (0.001, True, 4, 3 * 8), (0.2, False, 4, 3 * 8)],
)
async def test_few_changes_are_marked_ahead_where_sending_is_slow_or_nothing_may_be_sent_twice(
    path: Path, latency: float, once: bool, least: int, most: int
) -> None:
    client, _, _ = on_a_timeline(latency=latency)
    ahead = 0
    with journal_at(path) as journal:
        async with Batch(client, deletes(400), concurrency=4, journal=journal, once=once) as batch:
            async for outcome in batch:
                if outcome.number % 8 == 0:
                    ahead = max(ahead, sum(is_open for is_open, _ in account(path).values()))
    assert least <= ahead <= most


# An outage


async def test_a_server_that_is_gone_for_a_while_costs_few_requests_and_no_change() -> None:
    def answer(sent: Sent) -> Answer:
        return refused() if 0.5 <= sent.at < 5.5 else 200

    client, origin, _ = on_a_timeline(answer)
    batch = Batch(client, deletes(2_000), concurrency=10)
    outcomes = await outcomes_of(batch)
    assert Counter(outcome.outcome for outcome in outcomes) == {OutcomeKind.APPLIED: 2_000}
    assert len(origin.sent) - 2_000 < 30
    assert sum(1 <= sent.at < 5.5 for sent in origin.sent) <= 4
    assert batch.stopped is None


async def test_in_an_outage_one_probe_at_a_time_is_sent_at_growing_intervals() -> None:
    def answer(sent: Sent) -> Answer:
        return 503 if 0.1 <= sent.at < 140 else 200

    client, origin, _ = on_a_timeline(answer)
    outcomes = await outcomes_of(Batch(client, deletes(200), concurrency=5))
    probes = [sent.at for sent in origin.sent if 0.2 < sent.at < 170]
    orders = [sent.order for sent in origin.sent if sent.at < 170]
    is_new = [order not in orders[:place] for place, order in enumerate(orders)][-len(probes) :]
    assert is_new[2:8] == [True, False] * 3  # what has failed waits for its next round first
    waits = [later - sooner for sooner, later in pairwise(probes)]
    assert [round(wait, 1) for wait in waits[:8]] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED}


async def test_a_probe_under_way_is_the_only_one_while_others_end() -> None:
    """Requests that were sent before the outage end one after another while the first probe is under way."""
    slow: Iterator[float] = iter([0.6 + n / 10 for n in range(30)])

    def answer(sent: Sent) -> Answer:
        if sent.at >= 0.4:
            origin.latency = 20.0
        elif sent.order.startswith("s"):
            origin.latency = next(slow)
        else:
            origin.latency = 0.01
        return 200 if sent.at < 0.001 and not sent.order.startswith("s") else 503

    client, origin, _ = on_a_timeline(answer)
    slow_ones: list[Change] = [DeleteConsent(f"s_{n}", "c") for n in range(20)]
    async with Batch(client, [*deletes(3), *slow_ones, *deletes(100, 10)], concurrency=25) as batch:
        outcomes = aiter(batch)
        await anext(outcomes)
        reading = asyncio.create_task(anext(outcomes))
        await until(lambda: origin.clock.now >= 15)
        assert len([sent for sent in origin.sent if sent.at > 0.4]) == 1
        reading.cancel()
        await asyncio.wait([reading])


async def test_a_request_that_waited_for_its_place_is_not_sent_into_an_outage() -> None:
    def answer(sent: Sent) -> Answer:
        return 200 if len(origin.sent) <= 2 else 503

    client, origin, _ = on_a_timeline(answer, latency=0.35)
    async with Batch(client, deletes(50), concurrency=20, rate=10.0) as batch:
        running = asyncio.create_task(outcomes_of(batch))
        await until(lambda: "waiting for the server" in (batch.progress.reason or ""))
        began, sent = origin.clock.now, len(origin.sent)
        await until(lambda: origin.clock.now >= began + 0.45)
        assert len(origin.sent) == sent
        batch.abort("seen enough")
        await asyncio.wait([running])


async def test_a_change_is_put_back_twice_at_most_outside_an_outage() -> None:
    client, origin, _ = on_a_timeline(lambda sent: 503 if sent.order == "o_7" else 200)
    outcomes = await outcomes_of(Batch(client, deletes(300), concurrency=4))
    (failed,) = [outcome for outcome in outcomes if outcome.error]
    assert (failed.number, failed.outcome, failed.attempts, failed.status) == (8, OutcomeKind.UNKNOWN, 3, 503)
    first, second, third = origin.times("o_7")
    assert second - first >= 1
    assert third - second >= 1


async def test_without_success_it_gives_up_after_its_patience_and_all_can_be_continued(path: Path) -> None:
    down = True

    def answer(sent: Sent) -> Answer:
        return refused() if down and len(origin.sent) > 20 else 200

    client, origin, clock = on_a_timeline(answer)
    with journal_at(path) as journal:
        batch = Batch(client, deletes(100), concurrency=5, patience=60, journal=journal)
        outcomes = await outcomes_of(batch)
    assert batch.stopped == "nothing went through for 60 s: refused"
    assert batch.worked
    assert 60 <= clock.now < 125
    assert Counter(outcome.outcome for outcome in outcomes)[OutcomeKind.APPLIED] == 20
    assert set(account(path).values()) == {(0, "applied")}
    down = False
    with journal_at(path) as journal:
        assert len(await outcomes_of(Batch(client, deletes(100), concurrency=5, journal=journal))) == 80
    assert set(account(path)) == set(range(1, 101))
    assert set(account(path).values()) == {(0, "applied")}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (401, "AuthenticationError"),
        (ConnectError("refused", sent=False), "ConnectError"),
    ],
)
async def test_what_never_worked_stops_after_five(answer: Answer, error: str) -> None:
    client, origin, clock = on_a_timeline(lambda sent: answer)
    batch = Batch(client, deletes(1_000), concurrency=5)
    outcomes = await outcomes_of(batch)
    assert not batch.worked
    assert type(batch.error).__name__ == error
    assert (batch.stopped or "").startswith("everything fails alike: ")
    assert len(origin.sent) <= 9
    assert clock.now < 1
    assert len(outcomes) <= 30
    assert not any(outcome.outcome.done for outcome in outcomes)


async def test_a_server_that_answers_503_at_the_start_is_waited_for() -> None:
    client, _, _ = on_a_timeline(lambda sent: 503 if sent.at < 20 else 200)
    outcomes = await outcomes_of(Batch(client, deletes(50), concurrency=5))
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED}


@pytest.mark.parametrize("status", [429, 503])
async def test_one_failure_and_then_nothing_to_do_is_no_outage(status: int) -> None:
    """A slow input: nobody was waiting for the server meanwhile."""
    client, _, clock = on_a_timeline(lambda sent: status if sent.order == "o_1" else 200)

    async def slow() -> AsyncIterator[Change]:
        yield DeleteConsent("o_0", "c")
        yield ExecutePaymentAction("o_1", "p", "a") if status == 429 else AddConsent("o_1")
        await clock.sleep(400)
        yield DeleteConsent("o_2", "c")

    batch = Batch(client, slow(), concurrency=2, patience=300, once=True)
    outcomes = await outcomes_of(batch)
    assert batch.stopped is None
    failed = "rejected" if status == 429 else "unknown"
    assert [outcome.outcome for outcome in outcomes] == ["applied", failed, "applied"]


@pytest.mark.parametrize("at_once", [1, 6])
async def test_a_403_between_failures_is_an_answer(at_once: int) -> None:
    """Four changes fail and the fifth is not permitted, or five are under way when another one is not."""

    def answer(sent: Sent) -> Answer:
        number = int(sent.order[2:])
        if number >= (20 if at_once == 1 else 6):
            origin.latency = 1.0
            return 200
        is_forbidden = number % 5 == 4 if at_once == 1 else number == 5
        origin.latency = 0.05 if at_once > 1 and not is_forbidden else 0.01
        return 403 if is_forbidden else 503

    client, origin, _ = on_a_timeline(answer)
    await outcomes_of(Batch(client, deletes(200), concurrency=at_once))
    assert origin.times("o_20" if at_once == 1 else "o_11")[0] < (1.5 if at_once == 1 else 0.3)


async def test_an_old_wish_of_the_server_does_not_hold_up_the_end_of_an_outage() -> None:
    """Asked to wait 250 s for one change, the batch goes on with others; later the server is gone for a moment."""

    def answer(sent: Sent) -> Answer:
        if sent.order == "o_0" and sent.at < 250:
            return 429, {"retry-after": "250"}
        return refused() if 1 <= sent.at < 3 else 200

    client, origin, _ = on_a_timeline(answer)
    outcomes = await outcomes_of(Batch(client, deletes(600), concurrency=2))
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED}
    assert origin.times("o_0")[1] >= 250
    assert max(sent.at for sent in origin.sent if sent.order != "o_0") < 20


# Throttled


@pytest.mark.parametrize("status", [429, 503])
async def test_what_is_throttled_comes_back_when_it_may_and_counts_as_no_round(status: int) -> None:
    refusals: Counter[str] = Counter()

    def answer(sent: Sent) -> Answer:
        if sent.order in ("o_3", "o_4") and refusals[sent.order] < 6:
            refusals[sent.order] += 1
            return status, {"retry-after": "7"}
        return 200

    client, origin, _ = on_a_timeline(answer, retry=RetryPolicy.batch())
    outcomes = await outcomes_of(Batch(client, deletes(100), concurrency=4))
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED}
    for order in ("o_3", "o_4"):
        times = origin.times(order)
        assert len(times) == 7
        assert all(later - sooner >= 7 for sooner, later in pairwise(times))


async def test_a_throttled_change_is_not_sent_early_because_of_an_outage() -> None:
    """Its answer comes while the first probe is under way, and the probe succeeds."""

    def answer(sent: Sent) -> Answer:
        if sent.order == "late" and sent.at < 30:
            origin.latency = 0.7
            return 429, {"retry-after": "30"}
        if sent.at > 0.3:
            origin.latency = 0.5
            return 200
        origin.latency = 0.01
        return 503

    client, origin, _ = on_a_timeline(answer)
    changes: list[Change] = [DeleteConsent("late", "c"), *deletes(20)]
    outcomes = await outcomes_of(Batch(client, changes, concurrency=6))
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED}
    first, second = origin.times("late")
    assert second - first >= 30.7


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("asked", "told"), [("3600", "3600"), ("9" * 309, "999999999")], ids=["hour", "infinite"])
async def test_a_wish_beyond_the_patience_stops_the_batch(status: int, asked: str, told: str) -> None:
    client, origin, clock = on_a_timeline(
        lambda sent: 200 if len(origin.sent) <= 10 else (status, {"retry-after": asked})
    )
    batch = Batch(client, deletes(100), concurrency=3, patience=300)
    await outcomes_of(batch)
    assert batch.stopped == f"the server asks to wait {told} s: HTTP {status}"
    assert clock.now < 60
    assert len(origin.sent) <= 25


@pytest.mark.parametrize("concurrency", [1, "auto"])
@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("bad", [deletes(60), [DeleteConsent("o_0", f"c_{n}") for n in range(20)]], ids=["60", "one"])
async def test_orders_that_are_asked_to_wait_beyond_the_patience_hold_up_no_other(
    bad: list[Change], status: int, concurrency: Any
) -> None:
    asked = {change.order_id for change in bad}
    client, _, clock = on_a_timeline(lambda sent: (status, {"retry-after": "3600"}) if sent.order in asked else 200)
    batch = Batch(client, [*bad, *deletes(400, 100)], concurrency=concurrency)
    outcomes = await outcomes_of(batch)
    assert Counter(outcome.outcome.done for outcome in outcomes) == {True: 400, False: len(bad)}
    assert batch.stopped is None
    assert clock.now < 120


async def test_an_accepted_probe_ends_the_wait_for_the_next_one() -> None:
    """While everything is refused probes come up to 30 s apart; what is accepted ends that at once."""
    client, origin, _ = on_a_timeline(lambda sent: 429 if sent.at < 40 else 200)
    await outcomes_of(Batch(client, deletes(200), concurrency=10))
    accepted = [sent.at for sent in origin.sent if sent.at >= 40]
    assert accepted[1] - accepted[0] < 1.5


# What may not be repeated


@pytest.mark.parametrize("ending", [500, 503, (503, {"retry-after": "2"}), lost()], ids=str)
async def test_what_may_not_be_repeated_is_sent_once(ending: Answer) -> None:
    client, origin, _ = on_a_timeline(lambda sent: ending if sent.order.startswith("a") else 200)
    changes: list[Change] = [AddConsent("a_1"), *deletes(10), AddConsent("a_2"), *deletes(10, 10), AddConsent("a_3")]
    outcomes = await outcomes_of(Batch(client, changes, concurrency=2))
    assert [len(origin.times(order)) for order in ("a_1", "a_2", "a_3")] == [1, 1, 1]
    assert Counter(outcome.outcome for outcome in outcomes) == {OutcomeKind.APPLIED: 20, OutcomeKind.UNKNOWN: 3}


@pytest.mark.parametrize(
    ("change", "first", "outcome", "attempts"),
    [
        (AddConsent("a"), refused(), OutcomeKind.APPLIED, 2),
        (AddConsent("a"), 429, OutcomeKind.APPLIED, 2),
        (AddConsent("a"), (429, {"retry-after": "2"}), OutcomeKind.APPLIED, 2),
        (ExecutePaymentAction("a", "p", "a"), refused(), OutcomeKind.APPLIED, 2),
        (ExecutePaymentAction("a", "p", "a"), 429, OutcomeKind.REJECTED, 1),
    ],
    ids=str,
)
async def test_what_may_not_be_repeated_is_repeated_when_nothing_was_done(
    change: Change, first: Answer, outcome: OutcomeKind, attempts: int
) -> None:
    client, origin, _ = on_a_timeline(lambda sent: first if len(origin.times("a")) == 1 else 200)
    (ended,) = await outcomes_of(Batch(client, [change], once=True))
    assert (ended.outcome, ended.attempts, len(origin.times("a"))) == (outcome, attempts, attempts)


async def test_a_change_that_keeps_its_options_to_itself_is_not_repeated() -> None:
    """The batch cannot know which operation it was."""

    async def create(client: OrderClient, options: CallOptions | None) -> Receipt:
        return await create_consent(client, "o_x", CONSENT)

    client, origin, _ = on_a_timeline(lambda sent: 503 if sent.order == "o_x" else 200)
    outcomes = await outcomes_of(Batch(client, [Doing("o_x", what=create), *deletes(3)], concurrency=1))
    assert len(origin.times("o_x")) == 1
    assert Counter(outcome.outcome for outcome in outcomes) == {OutcomeKind.APPLIED: 3, OutcomeKind.UNKNOWN: 1}


@pytest.mark.parametrize("second", [503, refused()], ids=str)
async def test_a_change_of_two_calls_is_not_repeated_when_the_first_may_not_be(second: Answer) -> None:
    async def both(client: OrderClient, options: CallOptions | None) -> Receipt:
        await create_consent(client, "o_x", CONSENT, options=options)
        return await patch_consent(client, "o_x", "c", checked=True, options=options)

    client, origin, _ = on_a_timeline(lambda sent: 200 if sent.method == "POST" else second)
    (outcome,) = await outcomes_of(Batch(client, [Doing("o_x", what=both)]))
    assert [sent.method for sent in origin.sent] == ["POST", "PATCH"]
    assert outcome.outcome is OutcomeKind.UNKNOWN


async def test_what_may_have_been_applied_is_never_called_unsent() -> None:
    """One lost answer, and the client is closed before the next round."""

    async def answered(client: OrderClient, options: CallOptions | None) -> Receipt:
        if origin.sent:
            await client.aclose()
        return await delete_consent(client, "o_x", "c", options=options)

    client, origin, _ = on_a_timeline(lambda sent: lost())
    outcomes, error = await until_it_fails(Batch(client, [Doing("o_x", what=answered)]))
    assert isinstance(error, ClientStateError)
    assert [outcome.outcome for outcome in outcomes] == [OutcomeKind.UNKNOWN]


async def test_what_the_server_has_refused_is_never_called_unsent() -> None:
    answers: Iterator[Answer] = iter([429, *(refused() for _ in range(3))])
    client, _, _ = on_a_timeline(lambda sent: next(answers))
    (outcome,) = await outcomes_of(Batch(client, deletes(1)))
    assert (outcome.outcome, outcome.error, outcome.attempts) == (OutcomeKind.REJECTED, "ConnectError", 4)


# Redelivered


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (DeleteConsent("o_1", "c"), OutcomeKind.APPLIED_INFERRED),
        (PatchConsent("o_1", "c", checked=True), OutcomeKind.UNKNOWN),
    ],
)
@pytest.mark.parametrize("by", ["entry", "journal", "round"])
async def test_a_404_of_what_may_have_been_applied(change: Change, outcome: OutcomeKind, by: str, path: Path) -> None:
    def answer(sent: Sent) -> Answer:
        return lost() if by == "round" and len(origin.sent) == 1 else 404

    client, origin, clock = on_a_timeline(answer)
    if by == "journal":
        interrupted, _, _ = on_a_timeline(latency=1e9)
        with journal_at(path) as journal:
            async with Batch(interrupted, [change], journal=journal) as batch:
                reading = asyncio.create_task(outcomes_of(batch))
                await until(lambda: batch.progress.in_flight > 0)
                await settle(20)
                batch.abort("killed")
                assert [one.outcome for one in await reading] == [OutcomeKind.UNKNOWN]
        assert account(path) == {1: (1, None)}
        outcomes = await outcomes_at(path, client, [change])
    else:
        outcomes = await outcomes_of(Batch(client, [InputLine(1, change, redelivered=by == "entry")]))
    assert [one.outcome for one in outcomes] == [outcome]
    assert clock.now < 10


async def test_a_404_of_what_was_never_sent_is_a_refusal() -> None:
    client, _, _ = on_a_timeline(lambda sent: 404)
    outcomes = await outcomes_of(Batch(client, deletes(1)))
    assert [one.outcome for one in outcomes] == [OutcomeKind.REJECTED]


async def test_an_entry_s_request_id_and_scope_are_sent() -> None:
    client, origin, _ = on_a_timeline()
    changes = [
        InputLine(1, DeleteConsent("o_1", "c"), request_id="r-1"),
        InputLine(2, DeleteConsent("o_1", "c", merchant="m2", channel="7")),
    ]
    outcomes = await outcomes_of(Batch(client, changes))
    by_merchant = {sent.request.headers["x-merchant"]: sent.request.headers for sent in origin.sent}
    assert by_merchant["norce"]["x-request-id"] == "r-1"
    assert by_merchant["m2"]["x-channel"] == "7"
    assert {outcome.request_id for outcome in outcomes} >= {"r-1"}


# The journal


async def test_a_change_is_marked_before_it_is_sent_and_closed_before_it_is_told(path: Path) -> None:
    def answer(sent: Sent) -> Answer:
        assert account(path)[int(sent.order[2:]) + 1] == (1, None)
        return 200

    client, _, _ = on_a_timeline(answer)
    with journal_at(path) as journal:
        async with Batch(client, deletes(60), concurrency=7, journal=journal) as batch:
            async for outcome in batch:
                assert account(path)[outcome.number] == (0, "applied")


@pytest.mark.parametrize("end", ["stop", "abort", "break", "input", "failures"])
async def test_whatever_ends_a_run_the_next_one_makes_the_rest(path: Path, end: str) -> None:
    def changes(fails: bool) -> Iterator[Change]:
        for n in range(200):
            if fails and n == 90:
                raise LookupError("the input is gone")
            yield DeleteConsent(f"o_{n}", "c")

    client, origin, _ = on_a_timeline(lambda sent: 409 if end == "failures" and sent.order == "o_50" else 200)
    told: list[Outcome] = []
    with journal_at(path) as journal:
        batch = Batch(
            client,
            changes(end == "input"),
            concurrency=4,
            journal=journal,
            max_failures=1 if end == "failures" else None,
        )
        async with batch:
            try:
                async for outcome in batch:
                    told.append(outcome)
                    if len(told) == 60 and end == "break":
                        break
                    if len(told) == 60 and end in ("stop", "abort"):
                        batch.stop("enough") if end == "stop" else batch.abort("enough")
            except LookupError:
                assert end == "input"
    ended = {outcome.number for outcome in told if outcome.outcome is not OutcomeKind.NOT_SENT and not outcome.error}
    assert {number for number, (is_open, _) in account(path).items() if not is_open} >= ended
    if end != "break":
        assert len(told) == len({outcome.number for outcome in told})
    before = len(origin.sent)
    assert before < 150
    with journal_at(path) as journal:
        again = Batch(client, changes(False), concurrency=4, journal=journal)
        rest = await outcomes_of(again)
    assert again.progress.passed + again.progress.ended == 200
    assert not ended & {outcome.number for outcome in rest}
    assert set(account(path)) == set(range(1, 201))
    kinds = Counter(outcome for _, outcome in account(path).values())
    assert kinds == ({"applied": 199, "rejected": 1} if end == "failures" else {"applied": 200})
    assert len(origin.sent) - 200 <= (4 if end in ("abort", "break") else 0)


def creations(number: int) -> list[Change]:
    return [CreateConsent(f"o_{n}", CONSENT) for n in range(number)]


@pytest.mark.parametrize("changes", [deletes, creations])
@pytest.mark.parametrize("when", ["before", "between", "under way"])
async def test_a_client_that_is_closed_ends_no_change(
    path: Path, when: str, changes: Callable[[int], list[Change]]
) -> None:
    """What may have been sent is ``unknown``: it is continued, or never sent again where it must not be."""
    closing: list[asyncio.Task[None]] = []

    def answer(sent: Sent) -> Answer:
        if len(origin.sent) == 40 and when != "before":
            closing.append(asyncio.create_task(client.aclose(grace=0.0 if when == "under way" else 30.0)))
        return 200

    client, origin, clock = on_a_timeline(answer)
    again, _, _ = on_a_timeline(transport=origin, clock=clock)
    if when == "before":
        await client.aclose()
    with journal_at(path) as journal:
        batch = Batch(client, changes(90), concurrency=4, journal=journal, once=True)
        told, error = await until_it_fails(batch)
        await asyncio.gather(*closing)
        assert isinstance(error, ClientStateError)
        assert batch.stopped is not None
        assert "closed" in batch.stopped
        assert {outcome for is_open, outcome in account(path).values() if not is_open} <= {"applied"}
    cut = {one.number for one in told if one.outcome is OutcomeKind.UNKNOWN}
    assert bool(cut) == (when == "under way")
    assert {one.outcome for one in told if one.error} <= {OutcomeKind.NOT_SENT, OutcomeKind.UNKNOWN}
    assert len(origin.sent) == len(cut) + sum(one.outcome.done for one in told)
    assert sorted(one.number for one in told) == list(range(1, len(told) + 1))
    assert {one.error for one in told if not one.outcome.done} <= {"ClientStateError", "ClientClosedError", "NotTried"}
    await outcomes_at(path, again, changes(90), concurrency=4, once=True)
    for_good = cut if changes is creations else set[int]()
    expected = {number: (0, "unknown" if number in for_good else "applied") for number in range(1, 91)}
    assert account(path) == expected
    assert len(origin.sent) == 90 + len(cut - for_good)


@pytest.mark.parametrize("by", ["middleware", "change"])
async def test_what_raises_an_error_of_its_own_is_continued_once_that_is_mended(path: Path, by: str) -> None:
    has_defect = True

    async def signed(request: Request, call_next: Handler) -> Response:
        if has_defect and by == "middleware" and "/o_30/" in request.url:
            raise LookupError("no key")
        return await call_next(request)

    async def looked_up(client: OrderClient, options: CallOptions | None) -> Receipt:
        if has_defect:
            raise LookupError("no key")
        return await delete_consent(client, "o_30", "c", options=options)

    changes = deletes(60)
    if by == "change":
        changes[30] = Doing("o_30", what=looked_up)
    client, origin, _ = on_a_timeline(call_middlewares=[signed])
    with journal_at(path) as journal:
        batch = Batch(client, changes, concurrency=1, journal=journal)
        outcomes, error = await until_it_fails(batch)
        assert isinstance(error, LookupError)
        (failed,) = (outcome for outcome in outcomes if outcome.error not in (None, "NotTried"))
        assert (failed.number, failed.outcome, failed.message) == (31, OutcomeKind.UNKNOWN, "no key")
        assert batch.progress.failed == 1
        journal.end()
        assert journal.summary().problems["LookupError"].count == 1
    has_defect = False
    await outcomes_at(path, client, changes)
    assert Counter(account(path).values()) == {(0, "applied"): 60}
    assert len(origin.sent) == 60


async def test_only_makes_those_again_that_ended_so(path: Path) -> None:
    client, origin, _ = on_a_timeline(lambda sent: 404 if sent.order in ("o_3", "o_5") else 200)
    lines: list[Change | InputLine] = [*deletes(8), InputLine(9, problem="not JSON", source="{")]
    await outcomes_at(path, client, lines)
    origin.answer = always
    origin.sent.clear()
    with journal_at(path) as journal:
        batch = Batch(client, lines, journal=journal, only=[OutcomeKind.REJECTED])
        outcomes = await outcomes_of(batch)
    assert sorted(outcome.number for outcome in outcomes) == [4, 6]
    assert (batch.progress.passed, batch.progress.ended) == (7, 2)
    assert Counter(account(path).values()) == {(0, "applied"): 8, (0, "not_sent"): 1}
    outcomes = await outcomes_at(path, client, lines, only=[OutcomeKind.NOT_SENT])
    assert [outcome.number for outcome in outcomes] == [9]


def about_one_order() -> list[Change]:
    return [
        PatchConsent("o_0", "ci", checked=True),
        PatchConsent("o_1", "ci", checked=True),
        PatchConsent("o_1", "other", checked=True),
        PatchAttributes("o_1", {"n": 1}),
        PatchConsent("o_1", "ci", checked=True, merchant="other"),
        PatchConsent("o_1", "ci", checked=False, merchant="norce"),
        DeleteConsent("o_1", "ci"),
    ]


async def failed_once(path: Path) -> tuple[OrderClient, Origin]:
    """A batch whose second change was refused, while later ones of the same resource were made."""
    answers = iter([200, 404])
    client, origin, _ = on_a_timeline(lambda sent: next(answers, 200))
    await outcomes_at(path, client, about_one_order(), concurrency=1)
    assert [number for number, (_, outcome) in account(path).items() if outcome != "applied"] == [2]
    origin.sent.clear()
    return client, origin


async def test_what_is_made_again_does_not_undo_what_was_done_after_it(path: Path) -> None:
    client, origin = await failed_once(path)

    def gone(sent: Sent) -> Answer:
        return 404 if sent.method == "DELETE" else 200

    origin.answer = gone
    with journal_at(path) as journal:
        batch = Batch(client, about_one_order(), journal=journal, only=[OutcomeKind.REJECTED])
        outcomes = await outcomes_of(batch)
    assert [outcome.number for outcome in outcomes] == [2, 6, 7]
    assert batch.progress.passed == 4
    assert {(is_open, outcome) for is_open, outcome in account(path).values()} == {
        (0, "applied"),
        (0, "applied_inferred"),
    }


async def test_what_was_done_after_it_is_made_once_more_also_when_that_run_was_stopped(path: Path) -> None:
    client, origin = await failed_once(path)
    with journal_at(path) as journal:
        batch = Batch(client, about_one_order(), concurrency=1, journal=journal, only=[OutcomeKind.REJECTED])

        def stopping(_: Sent) -> Answer:
            batch.stop("enough")
            return 200

        origin.answer = stopping
        await outcomes_of(batch)
        journal.end()
        summary = journal.summary()
        assert (summary.outcomes, summary.unfinished) == ({OutcomeKind.APPLIED: 7}, 2)
        assert not summary.problems
    assert [number for number, (is_open, _) in account(path).items() if is_open] == [6, 7]
    origin.answer = always
    outcomes = await outcomes_at(path, client, about_one_order())
    assert [outcome.number for outcome in outcomes] == [6, 7]
    assert {account(path)[number] for number in range(1, 8)} == {(0, "applied")}


async def test_a_stopped_rerun_leaves_what_it_did_not_make_as_it_was(path: Path) -> None:
    client, origin, _ = on_a_timeline(lambda sent: 404)
    with journal_at(path) as journal:
        await outcomes_of(Batch(client, deletes(30), concurrency=2, journal=journal))
        before = account(path)
    with journal_at(path) as journal:
        batch = Batch(client, deletes(30), concurrency=2, journal=journal, only=[OutcomeKind.REJECTED], max_failures=3)
        await outcomes_of(batch)
    assert account(path) == before
    assert 33 <= len(origin.sent) <= 36


async def test_another_input_from_a_stream_is_refused(path: Path) -> None:
    client, transport, _ = scripted()
    entries = [InputLine(n, DeleteConsent(f"o_{n}", "c"), digest=n) for n in range(1, 51)]
    await outcomes_at(path, client, entries[:20], concurrency=4)
    others = [attrs.evolve(entry, digest=entry.digest and entry.digest + 7) for entry in entries]
    with journal_at(path) as journal:
        outcomes, error = await until_it_fails(Batch(client, others, concurrency=4, journal=journal))
    assert isinstance(error, ConfigurationError)
    assert str(error) == "line 1 is not the one that the journal knows: choose another journal for another input"
    assert (outcomes, len(transport.requests)) == ([], 20)


@pytest.mark.parametrize("good", [0, 1, 3])
async def test_a_journal_that_cannot_be_written_ends_the_batch(
    path: Path, monkeypatch: pytest.MonkeyPatch, good: int
) -> None:
    written: set[int] = set()

    def answer(sent: Sent) -> Answer:
        assert int(sent.order[2:]) + 1 in written
        return 200

    client, origin, _ = on_a_timeline(answer)
    with journal_at(path) as journal:
        as_it_is, calls = journal.write, count()

        def full(rows: Any) -> None:
            if next(calls) >= good:
                raise ConfigurationError("the journal cannot be written: the disk is full")
            as_it_is(rows)
            written.update(row[0] for row in rows.marks)

        monkeypatch.setattr(journal, "write", full)
        batch = Batch(client, deletes(150), concurrency=8, journal=journal)
        outcomes, error = await until_it_fails(batch)
        progress, done = batch.progress, journal.summary().done
    assert str(error) == "the journal cannot be written: the disk is full"
    assert (progress.done, progress.failed) == (done, progress.ended - done)  # as the journal has them
    assert len(origin.sent) <= 8 * (2**good - 1)  # a block is twice as long as the one before
    told = [outcome.number for outcome in outcomes]
    assert len(told) == len(set(told))
    known = {*told, *(int(sent.order[2:]) + 1 for sent in origin.sent)}
    assert known == set(range(1, len(known) + 1))  # all that was read
    await outcomes_at(path, on_a_timeline()[0], deletes(150), concurrency=8)
    assert Counter(account(path).values()) == {(0, "applied"): 150}


async def test_what_json_cannot_hold_is_written_down_too(path: Path) -> None:
    client, _, _ = scripted()
    changes = [PatchAttributes("o_1", {"a": float("nan")}), PatchAttributes("o_2", {"a": "\ud800"}), *deletes(3, 5)]
    await outcomes_at(path, client, changes)
    assert Counter(outcome for _, outcome in account(path).values())["applied"] >= 3
    assert all(not is_open for is_open, _ in account(path).values())
    assert len(account(path)) == 5


async def test_only_needs_a_journal() -> None:
    with pytest.raises(ConfigurationError, match="only goes with a journal"):
        Batch(scripted()[0], [], only=[OutcomeKind.UNKNOWN])


# Ending


async def test_stop_finishes_what_is_in_flight_and_takes_no_more() -> None:
    client, origin, _ = on_a_timeline()
    under_way = sent = 0
    outcomes: list[Outcome] = []
    async with Batch(client, deletes(1_000), concurrency=6) as batch:
        async for outcome in batch:
            outcomes.append(outcome)
            if len(outcomes) == 20:
                batch.stop("enough")
                batch.stop("another reason")
                under_way = batch.progress.in_flight
                sent = len(origin.sent)
    assert batch.stopped == "enough"
    assert len(origin.sent) <= sent + under_way
    kinds = Counter(outcome.outcome for outcome in outcomes)
    assert kinds[OutcomeKind.APPLIED] == len(origin.sent)
    assert sorted(outcome.number for outcome in outcomes) == list(range(1, len(outcomes) + 1))
    assert {outcome.error for outcome in outcomes if outcome.outcome is OutcomeKind.NOT_SENT} <= {"NotTried"}


@pytest.mark.parametrize(("error", "message"), [("NotTried", "not tried"), ("RateLimitedError", "HTTP 429")])
async def test_what_a_worker_has_not_ended_is_told_with_its_attempts(error: str, message: str) -> None:
    """The workers of a cluster give it back so."""
    change = DeleteConsent("o_1", "c")
    item = WorkItem(1, InputLine(1, change), change, (None, None))
    tried = error != "NotTried"
    item.last = Outcome(1, 1, change, OutcomeKind.REJECTED, attempts=int(tried), error=error, message=message)
    item.is_marked = True
    told = left_waiting(item)
    assert (told.attempts, told.message) == (1, "to be continued: HTTP 429") if tried else (0, "not tried")


async def test_what_was_refused_and_is_to_be_continued_is_told_as_the_journal_has_it(path: Path) -> None:
    client, origin, _ = on_a_timeline()
    with journal_at(path) as journal:
        batch = Batch(client, deletes(4), concurrency=1, journal=journal)

        def refusing(sent: Sent) -> Answer:
            if sent.order != "o_3":
                return 200
            batch.stop("enough")
            return 429, {"retry-after": "30"}

        origin.answer = refusing
        told = {outcome.number: outcome for outcome in await outcomes_of(batch)}
        left, requests = told.pop(4), journal.summary().requests
    assert set(account(path)) == told.keys()
    assert (left.outcome, left.error, left.attempts, requests) == (OutcomeKind.NOT_SENT, "NotTried", 1, 4)
    assert (left.message or "").startswith("to be continued: HTTP 429")
    origin.answer = always
    (outcome,) = await outcomes_at(path, client, deletes(4))
    assert (outcome.number, outcome.outcome) == (4, OutcomeKind.APPLIED)


async def test_abort_ends_at_once_and_tells_of_all() -> None:
    client, origin, clock = on_a_timeline(latency=1_000.0)
    async with Batch(client, deletes(100), concurrency=6) as batch:
        reading = asyncio.create_task(outcomes_of(batch))
        await until(lambda: len(origin.sent) >= 6)
        batch.abort("now")
        outcomes = await reading
    assert clock.now < 1_000
    by_number = {outcome.number: outcome for outcome in outcomes}
    assert len(by_number) == len(outcomes)
    assert {by_number[n].outcome for n in range(1, 7)} == {OutcomeKind.UNKNOWN}
    assert {outcome.outcome for n, outcome in by_number.items() if n > 6} == {OutcomeKind.NOT_SENT}
    progress = batch.progress
    assert (progress.ended, progress.done, progress.failed) == (6, 0, 6)


@pytest.mark.parametrize("how", ["stop", "abort", "aclose"])
async def test_an_input_that_never_comes_does_not_keep_a_batch_from_ending(how: str) -> None:
    client, transport, _ = scripted()
    closed = False

    async def silent() -> AsyncIterator[Change]:
        nonlocal closed
        try:
            yield DeleteConsent("o_1", "c")
            await asyncio.Event().wait()
        finally:
            closed = True

    async with Batch(client, silent()) as batch:
        outcomes = aiter(batch)
        assert (await anext(outcomes)).outcome is OutcomeKind.APPLIED
        if how == "aclose":
            await batch.aclose()
        else:
            batch.stop("enough") if how == "stop" else batch.abort("enough")
        async with asyncio.timeout(5):
            assert [outcome async for outcome in outcomes] == []
    assert closed
    assert len(transport.requests) == 1


async def test_a_slow_input_is_not_waited_for_while_there_is_other_work() -> None:
    """What was put back is sent again, although the next change is not there yet."""
    client, origin, clock = on_a_timeline(lambda sent: 503 if len(origin.times("o_0")) == 1 else 200)

    async def slow() -> AsyncIterator[Change]:
        yield DeleteConsent("o_0", "c")
        await clock.sleep(100)
        yield DeleteConsent("o_1", "c")

    outcomes = await outcomes_of(Batch(client, slow()))
    assert [outcome.outcome for outcome in outcomes] == ["applied", "applied"]
    assert origin.times("o_0")[1] < 10


@pytest.mark.parametrize("is_async", [False, True])
async def test_lines_that_cannot_be_made_count_up_to_the_failures_that_stop_it(path: Path, is_async: bool) -> None:
    async def later() -> AsyncIterator[Change]:
        for change in changes:
            yield change

    client, origin, _ = on_a_timeline()
    changes: list[Change] = [CreateConsent("o", CONSENT)] * 69
    with journal_at(path) as journal:
        batch = Batch(client, later() if is_async else changes, journal=journal, max_failures=10)
        outcomes = await outcomes_of(batch)
        assert (batch.stopped, batch.progress.failed) == ("10 changes failed", 10)
        assert journal.summary().outcomes == {OutcomeKind.NOT_SENT: 10}
    assert [outcome.number for outcome in outcomes if outcome.error != "NotTried"] == list(range(1, 11))
    with journal_at(path) as journal:
        batch = Batch(client, changes, journal=journal, once=True)
        await outcomes_of(batch)
        assert journal.summary().outcomes == {OutcomeKind.NOT_SENT: 10, OutcomeKind.APPLIED: 59}
    assert len(origin.sent) == 59


@pytest.mark.parametrize("closing", [0, 100])
@pytest.mark.parametrize("how", [Batch.stop, Batch.abort])
@pytest.mark.parametrize("after", [1, 12, 20])
async def test_all_that_was_taken_from_an_asynchronous_input_has_an_outcome(
    how: Callable[[Batch, str], None], after: int, closing: int
) -> None:
    """Whoever feeds a batch from a queue must know of every message that it took, also where closing it takes a while.

    The queue is closed when the batch has ended.
    """
    client, _, _ = on_a_timeline()
    pulled, closed = 0, False

    async def queue() -> AsyncIterator[Change]:
        nonlocal pulled, closed
        try:
            for n in range(1_000):
                pulled += 1
                yield DeleteConsent(f"o_{n}", "c")
        finally:
            await settle(closing)
            closed = True

    outcomes: list[Outcome] = []
    async with Batch(client, queue(), concurrency=6) as batch:
        async for outcome in batch:
            outcomes.append(outcome)
            if len(outcomes) == after:
                how(batch, "enough")
    assert closed
    assert sorted(outcome.number for outcome in outcomes) == list(range(1, pulled + 1))


@pytest.mark.parametrize("way", ["aclose", "closed reader", "break", "break without a context", "cancelled reader"])
async def test_nothing_is_left_behind(way: str) -> None:
    client, _, _ = scripted()
    batch = Batch(client, iter(deletes(10_000)), concurrency=4)

    async def read(number: int) -> None:
        async for outcome in batch:
            if outcome.number >= number:
                break

    if way == "aclose":
        outcomes = aiter(batch)
        await anext(outcomes)
        await batch.aclose()
        await batch.aclose()
        async with aclosing(outcomes):
            pass
    elif way == "closed reader":
        async with aclosing(aiter(batch)) as outcomes:
            await anext(outcomes)
    elif way == "break":
        async with batch:
            await read(10)
    elif way == "break without a context":
        await read(10)
    else:
        reading = asyncio.create_task(read(100_000))
        await settle(50)
        reading.cancel()
        await asyncio.wait([reading])
    gc.collect()
    await settle(50)
    assert asyncio.all_tasks() == {asyncio.current_task()}


def _slow(number: int) -> list[Change]:
    return [Doing(f"o_s{n}", what=lambda client, options: asyncio.sleep(3600)) for n in range(number)]


async def test_what_is_cancelled_with_the_event_loop_stays_to_be_continued(path: Path) -> None:
    client, _, _ = scripted()

    async def read(journal: Journal) -> None:
        async for _ in Batch(client, [*deletes(1), *_slow(5)], concurrency=6, journal=journal):
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                await settle(50)  # a reader that has something to tidy up
                raise

    before = asyncio.all_tasks()
    with journal_at(path) as journal:
        reading = asyncio.create_task(read(journal))
        async with asyncio.timeout(5):
            while not journal.summary().done:  # noqa: ASYNC110 (what is in a file)
                await asyncio.sleep(0.01)
        await settle(50)
        for task in asyncio.all_tasks() - before:  # as asyncio.run does at its end
            task.cancel()
        await asyncio.wait([reading])
    assert account(path) == {1: (0, "applied")}


async def test_an_answer_to_what_was_under_way_ends_the_hold_at_once() -> None:
    client, origin, clock = on_a_timeline(lambda sent: 200 if sent.order == "o_0" or sent.at > 40 else refused())

    async def outlast(client: OrderClient, options: CallOptions | None) -> Receipt:
        await clock.sleep(41)
        return await delete_consent(client, "late", "c", options=options)

    changes = [*deletes(1), Doing("late", what=outlast), *deletes(30, 1)]
    outcomes = await outcomes_of(Batch(client, changes, concurrency=8))
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED}
    assert origin.sent[-1].at < 45


async def test_a_journal_that_fails_while_it_holds_ends_nothing_falsely(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _, _ = on_a_timeline(lambda sent: 200 if sent.order == "o_0" else refused())
    with journal_at(path) as journal:
        sample = journal.sample

        def fail_once(given: JournalSample) -> None:
            if (given.reason or "").startswith("waiting"):
                monkeypatch.setattr(journal, "sample", sample)
                raise ConfigurationError("busy")
            sample(given)

        monkeypatch.setattr(journal, "sample", fail_once)
        changes = [*_slow(1), *deletes(50)]
        outcomes, error = await until_it_fails(Batch(client, changes, concurrency=6, journal=journal))
    assert str(error) == "busy"
    assert {outcome.error for outcome in outcomes if outcome.number == 1} == {"Interrupted"}
    left = account(path)
    assert left.pop(2) == (0, "applied")
    under_way = {one.number for one in outcomes if one.attempts and one.error == "Interrupted"}
    assert left == dict.fromkeys(under_way, (1, None))  # they were sent, and nobody knows what came of them
    assert len(under_way) < 6


async def test_a_batch_refuses_options_that_are_a_matter_of_each_change() -> None:
    for options in (CallOptions(request_id="r"), CallOptions(redelivered=True)):
        with pytest.raises(ConfigurationError):
            Batch(scripted()[0], deletes(1), options=options)


async def test_a_batch_runs_once() -> None:
    batch = Batch(scripted()[0], deletes(3))
    assert len(await outcomes_of(batch)) == 3
    with pytest.raises(ClientStateError, match="once"):
        await anext(aiter(batch))


async def test_a_batch_that_is_never_run_can_be_closed() -> None:
    async with Batch(scripted()[0], deletes(3)) as batch:
        pass
    assert batch.progress.ended == 0


async def test_a_batch_that_is_stopped_before_it_runs_takes_nothing() -> None:
    client, transport, _ = scripted()
    batch = Batch(client, deletes(3))
    batch.stop("no")
    assert await outcomes_of(batch) == []
    assert transport.requests == []


# How it stands


async def test_the_counts_add_up_and_fixed_concurrency_is_fixed() -> None:
    client, origin, _ = on_a_timeline(
        lambda sent: {"o_7": 404, "o_9": 429}.get(sent.order, 200) if sent.at < 1 else 200
    )
    lines: list[Change | InputLine] = [*deletes(200), *(InputLine(n, problem="bad") for n in range(201, 221))]
    batch = Batch(client, lines, concurrency=9)
    async with batch:
        seen = 0
        async for _ in batch:
            seen += 1
            progress = batch.progress
            assert progress.in_flight <= progress.concurrency == 9
            assert progress.ended >= seen
            assert 0 <= progress.waiting <= len(lines) - progress.ended - progress.in_flight
            assert progress.done + progress.failed == progress.ended
    progress = batch.progress
    assert (progress.passed, progress.ended, progress.done, progress.in_flight, progress.waiting) == (0, 220, 199, 0, 0)
    assert progress.retried == 1
    assert origin.most <= 9


# Defects


async def _raise(error: BaseException) -> None:
    raise error


async def _cancel_oneself() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    "error",
    [ValueError("odd"), Odd("odd"), GeneratorExit("odd"), BaseExceptionGroup("odd", [Odd()])],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_change_raises_ends_the_batch_and_loses_no_outcome(error: BaseException) -> None:
    client, _, _ = scripted()
    changes = [*deletes(5), Doing("o_x", what=lambda client, options: _raise(error)), *deletes(5, 10)]
    async with asyncio.timeout(5):
        outcomes, raised = await until_it_fails(Batch(client, changes, concurrency=3))
    assert error in (raised, raised.__cause__)
    assert {outcome.number: outcome.outcome for outcome in outcomes}[6] is OutcomeKind.UNKNOWN
    assert sorted(outcome.number for outcome in outcomes) == list(range(1, len(outcomes) + 1))


@pytest.mark.parametrize("cancel", [_cancel_oneself, lambda: _raise(asyncio.CancelledError())], ids=["task", "raised"])
async def test_a_change_that_cancels_itself_has_an_outcome(cancel: Callable[[], Any]) -> None:
    client, _, _ = scripted()
    changes = [*deletes(5), Doing("o_x", what=lambda client, options: cancel()), *deletes(5, 10)]
    async with asyncio.timeout(5):
        outcomes = await outcomes_of(Batch(client, changes, concurrency=3))
    kinds = {outcome.number: outcome.outcome for outcome in outcomes}
    assert len(outcomes) == len(kinds) == 11
    assert kinds[6] is OutcomeKind.UNKNOWN


async def test_a_request_id_that_cannot_be_sent_is_an_outcome() -> None:
    client, transport, _ = scripted()
    entries = [InputLine(1, DeleteConsent("o_1", "c"), request_id="a\nb"), InputLine(2, DeleteConsent("o_2", "c"))]
    async with asyncio.timeout(5):
        outcomes = await outcomes_of(Batch(client, entries))
    assert {outcome.number: outcome.outcome for outcome in outcomes} == {1: "not_sent", 2: "applied"}
    assert len(transport.requests) == 1


async def test_what_fails_before_a_change_is_begun_was_not_sent() -> None:
    client, transport, _ = scripted()
    entry = InputLine(1, DeleteConsent("o_1", "c"), request_id=cast("str", 17))
    outcomes, error = await until_it_fails(Batch(client, [entry]))
    assert [(outcome.outcome, outcome.error) for outcome in outcomes] == [("not_sent", "TypeError")]
    assert isinstance(error, TypeError)
    assert transport.requests == []


@pytest.mark.parametrize(("error", "says"), FAILING_INPUTS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("is_async", [False, True])
async def test_an_input_that_fails_is_not_one_that_ended(is_async: bool, error: BaseException, says: str) -> None:
    client, transport, _ = scripted()
    changes = failing_input(deletes(5), error, is_async=is_async)
    async with asyncio.timeout(5):
        outcomes, raised = await until_it_fails(Batch(client, changes, concurrency=2))
    assert not isinstance(raised, AssertionError)
    assert str(raised) == says
    assert len(outcomes) == 5
    assert len(transport.requests) <= 5


async def test_a_clock_that_fails_before_the_input_is_taken_ends_the_batch() -> None:
    class Broken(FakeClock):
        def wall(self) -> float:
            raise OSError("no clock")

    client, _, _ = scripted(clock=Broken())
    async with asyncio.timeout(5):
        outcomes, raised = await until_it_fails(Batch(client, deletes(1)))
    assert isinstance(raised, OSError)
    assert not outcomes


async def test_a_closed_client_is_no_server_that_answered() -> None:
    client, _, clock = on_a_timeline(lambda sent: 503, retry=RetryPolicy(wait=wait_fixed(10)))
    batch = Batch(client, deletes(1))

    async def close() -> None:
        await clock.sleep(5)
        await client.aclose(grace=0.0)

    closing = asyncio.create_task(close())
    _, error = await until_it_fails(batch)
    await closing
    assert isinstance(error, ClientClosedError)
    assert not batch.worked


# A model


@attrs.define
class World:
    """Orders with one list of consents each; what it was asked for, and what it did."""

    dice: random.Random
    clock: FakeClock
    trouble: tuple[float, float] = (0.0, 0.0)
    under_way: Counter[str] = attrs.Factory(Counter[str])
    done: defaultdict[str, list[int]] = attrs.Factory(lambda: defaultdict(list))
    refused: Counter[int] = attrs.Factory(Counter[int])
    requests: int = 0
    not_before: dict[str, float] = attrs.Factory(dict[str, float])

    def answer(self, sent: Sent) -> Answer:
        self.requests += 1
        order, number = sent.order, int((sent.request.body or b"{}")[5:-1])
        assert self.under_way[order] == 1
        assert sent.at >= self.not_before.get(order, 0.0)
        begin, end = self.trouble
        roll = self.dice.random()
        if begin <= sent.at < end:
            if roll < 0.5:
                return refused()
            return 503
        if roll < 0.03:
            return refused()
        if roll < 0.06:
            return lost()
        if roll < 0.08:
            self.not_before[order] = sent.at + 5
            self.refused[number] += 1
            return 429, {"retry-after": "5"}
        if number % 17 == 0:
            self.refused[number] += 1
            return 409
        self.done[order].append(number)
        if roll < 0.11:
            return lost()
        return 502 if roll < 0.13 else 200


class Modelled(Origin):
    def __init__(self, world: World) -> None:
        super().__init__(world.clock, world.answer)
        self.world = world

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        order = request.url.split("/orders/")[1].split("/")[0]
        self.world.under_way[order] += 1
        try:
            return await super().send(request, timeout=timeout)
        finally:
            self.world.under_way[order] -= 1


def _check(world: World, numbers: Iterable[int], told: dict[int, str]) -> None:
    applied = {number for done in world.done.values() for number in done}
    for number in numbers:
        match told[number]:
            case "applied" | "applied_inferred":
                assert number in applied
            case "rejected":
                assert number not in applied
                assert world.refused[number]
            case "not_sent":
                assert number not in applied
            case other:
                assert other == "unknown"
    for done in world.done.values():
        assert done == sorted(done)


def _modelled(seed: int) -> tuple[World, OrderClient, list[Change]]:
    dice, clock = random.Random(seed), FakeClock()
    start = dice.uniform(0, 30)
    world = World(dice, clock, (start, start + dice.choice([0, 0, 5, 20, 60])))
    settings: dict[str, Any] = {"base_url": BASE_URL, "merchant": "norce", "channel": "1", "auth": TOKEN}
    retry = dice.choice([None, RetryPolicy.interactive()])
    orders = dice.choice([3, 10, 80])
    changes: list[Change] = [PatchAttributes(f"o_{dice.randrange(orders)}", {"n": n}) for n in range(1, 101)]
    return world, OrderClient(transport=Modelled(world), clock=clock, retry=retry, **settings), changes


async def _some_of(batch: Batch, dice: random.Random, ending: str | None) -> dict[int, str]:
    told: dict[int, str] = {}
    when = dice.randrange(1, 60)
    async with asyncio.timeout(20), batch:
        async for outcome in batch:
            assert outcome.number not in told
            told[outcome.number] = outcome.outcome
            if len(told) >= when and ending is not None and batch.stopped is None:
                if ending == "break":
                    break
                batch.stop("enough") if ending == "stop" else batch.abort("enough")
    return told


@pytest.mark.parametrize("block", range(4))
async def test_the_account_is_the_truth_whatever_happens(block: int) -> None:
    for seed in range(20 * block, 20 * block + 20):
        world, client, changes = _modelled(seed)
        batch = Batch(client, iter(changes), concurrency=world.dice.choice([1, 4, 16]))
        told = await _some_of(batch, world.dice, world.dice.choice(["stop", "abort", None, None]))
        assert sorted(told) == list(range(1, len(told) + 1))
        assert batch.stopped is not None or batch.progress.ended == 100
        _check(world, told, told)


@pytest.mark.parametrize("block", range(4))
async def test_the_journal_is_the_truth_after_any_number_of_runs(block: int, tmp_path: Path) -> None:
    for seed in range(1_000 + 5 * block, 1_005 + 5 * block):
        world, client, changes = _modelled(seed)
        path = tmp_path / f"{seed}.journal"
        stopped: str | None = "not begun"
        for run in range(50):
            ending = world.dice.choice(["stop", "abort", "break", None]) if run < 3 else None
            world.not_before.clear()  # a new run knows nothing of it
            with journal_at(path) as journal:
                batch = Batch(client, changes, concurrency=world.dice.choice([1, 4, 16]), journal=journal)
                await _some_of(batch, world.dice, ending)
            if (stopped := batch.stopped) is None:
                assert batch.progress.passed + batch.progress.ended == 100
                break
        assert stopped is None
        rows = account(path)
        assert sorted(rows) == list(range(1, 101))
        assert {is_open for is_open, _ in rows.values()} == {0}
        _check(world, rows, {number: str(outcome) for number, (_, outcome) in rows.items()})
