"""Orders that always fail hold up nobody but themselves, however they lie in the input; an outage is something else."""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from bad_orders import LAYOUTS, Fails, bad_ones, one_each, run
from soak_batch.servers import Workers
from timeline import Answer, Sent, account, deletes, journal_at, on_a_timeline, outcomes_of, refused

from norce_order_async import OutcomeKind, RetryPolicy, Timeout
from norce_order_async.batch import Change, JournalReader, PatchAttributes, PatchConsent
from norce_order_async.batch.run import Batch

COUNT = 400
RETRIES = [None, RetryPolicy.batch()]
ERRORS = {"500": "ServerError", "hangs": "ReadTimeout"}


@pytest.mark.parametrize("retry", RETRIES, ids=["once", "retried"])
@pytest.mark.parametrize("concurrency", [1, 4, "auto"])
@pytest.mark.parametrize("fails", ["500", "hangs"])
@pytest.mark.parametrize("layout", [layout for layout in LAYOUTS if layout != "at the end"])
async def test_bad_orders_end_with_their_own_error_and_all_others_are_made(
    layout: str, fails: Fails, concurrency: int | str, retry: RetryPolicy | None
) -> None:
    bad = bad_ones(layout, COUNT)
    ran = await run(one_each(COUNT), bad, fails, retry=retry, concurrency=concurrency)
    assert ran.batch.stopped is None
    assert ran.kinds(of_bad=False) == {"applied": COUNT - len(bad)}
    assert ran.kinds(of_bad=True) == {f"unknown {ERRORS[fails]}": len(bad)}
    assert sum(outcome.attempts for outcome in ran.outcomes) == len(ran.origin.sent)
    hung = sum(outcome.attempts for outcome in ran.outcomes if outcome.error) if fails == "hangs" else 0
    assert ran.clock.now < 60 + 1.2 * 15 * hung / (1 if concurrency == 1 else 4)


@pytest.mark.parametrize("concurrency", [1, 4, "auto"])
@pytest.mark.parametrize("fails", ["500", "hangs"])
async def test_bad_orders_at_the_very_end_use_up_their_attempts_and_end_with_their_own_error(
    path: Path, fails: Fails, concurrency: int | str
) -> None:
    bad = bad_ones("at the end", COUNT)
    with journal_at(path) as journal:
        ran = await run(one_each(COUNT), bad, fails, concurrency=concurrency, journal=journal)
    assert ran.kinds(of_bad=False) == {"applied": COUNT - len(bad)}
    assert ran.batch.stopped is None
    # No longer than their own attempts take.
    assert ran.clock.now < (30 if fails == "500" else 40 + 3 * 15 * len(bad) / (1 if concurrency == 1 else 4))
    assert ran.origin.most <= (concurrency if isinstance(concurrency, int) else 100)
    assert len({sent.order for sent in ran.origin.sent}) == COUNT  # all of them were begun
    assert ran.kinds(of_bad=True) == {f"unknown {ERRORS[fails]}": len(bad)}
    with JournalReader.open(path) as account:
        summary = account.summary()
        assert summary.outcomes == {OutcomeKind.APPLIED: COUNT - len(bad), OutcomeKind.UNKNOWN: len(bad)}
        assert [*summary.problems] == [ERRORS[fails]]
        assert summary.requests == len(ran.origin.sent)


@pytest.mark.parametrize("concurrency", [1, "auto"])
@pytest.mark.parametrize("layout", ["at the start", "in the middle"])
async def test_bad_orders_of_many_merchants_hold_up_no_others(layout: str, concurrency: int | str) -> None:
    bad = bad_ones(layout, COUNT)
    changes = [PatchAttributes(f"o_{n}", {"n": 1}, merchant=f"m_{n % 20}") for n in range(COUNT)]
    ran = await run(changes, bad, "500", concurrency=concurrency)
    assert ran.batch.stopped is None
    assert ran.kinds(of_bad=False) == {"applied": COUNT - len(bad)}
    assert ran.clock.now < 60


@pytest.mark.parametrize(("patience", "back"), [(20.0, 15.0), (60.0, 50.0), (300.0, 280.0)])
async def test_a_server_that_is_back_within_the_patience_is_noticed(patience: float, back: float) -> None:
    client, _, _ = on_a_timeline(lambda sent: 502 if 0.5 <= sent.at < back else 200)
    batch = Batch(client, deletes(300), concurrency=4, patience=patience)
    assert Counter(one.outcome for one in await outcomes_of(batch)) == {OutcomeKind.APPLIED: 300}


@pytest.mark.parametrize("answer", [502, 429, (429, {"retry-after": "7"}), (503, {"retry-after": "7"})], ids=str)
async def test_time_for_which_a_batch_stood_still_is_none_that_it_waits_for_the_server(
    answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _, clock = on_a_timeline(lambda sent: answer if 0.5 <= sent.at < 100 else 200)
    sleep = clock.sleep

    async def stopped(delay: float, /) -> None:
        await sleep(delay)
        if delay > 2 and clock.now < 100:
            clock.now += 1_000

    monkeypatch.setattr(clock, "sleep", stopped)
    batch = Batch(client, deletes(600), concurrency=4, patience=20.0)
    assert Counter(one.outcome for one in await outcomes_of(batch)) == {OutcomeKind.APPLIED: 600}
    assert clock.now > 1_000


async def test_a_batch_that_stood_still_as_an_outage_began_waits_no_longer_than_its_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client, _, clock = on_a_timeline(lambda sent: 429 if sent.at >= 2 else 200, latency=1.5)
    sleep = clock.sleep

    async def stopped(delay: float, /) -> None:
        await sleep(delay)
        if delay == 1.5 and 3 <= clock.now < 100:  # an answer came before the next change was due
            clock.now += 1_000

    monkeypatch.setattr(clock, "sleep", stopped)
    batch = Batch(client, deletes(600), concurrency=4, rate=1.0, patience=20.0)
    await outcomes_of(batch)
    assert batch.stopped == "nothing went through for 20 s: HTTP 429"
    assert 1_000 < clock.now < 1_100


@pytest.mark.parametrize("answer", [503, refused()], ids=["503", "refused"])
async def test_a_server_that_goes_away_before_the_last_changes_is_waited_for(answer: Answer) -> None:
    """No order causes such failures by itself."""
    client, _, clock = on_a_timeline(lambda sent: answer if 0.5 <= sent.at < 100 else 200)
    batch = Batch(client, deletes(300), concurrency=4)
    assert Counter(one.outcome for one in await outcomes_of(batch)) == {OutcomeKind.APPLIED: 300}
    assert clock.now > 100


async def test_the_last_place_of_bad_orders_is_left_to_no_chance() -> None:
    """A probe from anywhere leaves the other changes in their order: bad ones at the start do not become the last."""
    for seed in range(10):
        ran = await run(one_each(200), frozenset(range(12)), "500", seed=seed, concurrency=4)
        tried = list(dict.fromkeys(sent.order for sent in ran.origin.sent))
        assert not {f"o_{number}" for number in range(12)} & set(tried[-12:])


@pytest.mark.parametrize("concurrency", [1, 4, "auto"])
async def test_one_order_in_eight_that_always_fails_leaves_no_good_one_unmade(concurrency: int | str) -> None:
    changes = [PatchAttributes(f"o_{n % 8}", {"n": n}) for n in range(800)]
    ran = await run(changes, frozenset([3]), "500", concurrency=concurrency)
    assert ran.batch.stopped is None
    assert ran.kinds(of_bad=False) == {"applied": 700}
    assert ran.kinds(of_bad=True) == {"unknown ServerError": 100}
    assert ran.clock.now < 60


@pytest.mark.parametrize(("status", "share", "seconds"), [(429, 0.3, 300), (503, 0.3, 30), (503, 0.5, 100)])
async def test_orders_that_are_always_refused_do_not_slow_down_the_others(
    status: int, share: float, seconds: float
) -> None:
    bad = {f"o_{number}" for number in Random(5).sample(range(3000), round(3000 * share))}
    client, origin, _ = on_a_timeline(
        lambda sent: status if sent.order in bad else 200, retry=RetryPolicy.batch(), timeout=Timeout.batch()
    )
    origin.latency = 0.02
    outcomes = await outcomes_of(Batch(client, deletes(3000), patience=60))
    applied = sum(outcome.outcome is OutcomeKind.APPLIED for outcome in outcomes)
    assert applied == 3000 - len(bad)
    assert max(sent.at for sent in origin.sent if sent.order not in bad) < seconds


@pytest.mark.parametrize("status", [500, 502, 503, 429])
@pytest.mark.parametrize("concurrency", [1, 4])
async def test_a_change_that_is_asked_to_wait_holds_no_place(concurrency: int, status: int) -> None:
    """Others go meanwhile, also where one change at once is allowed."""
    client, origin, clock = on_a_timeline(
        lambda sent: (status, {"retry-after": "30"}) if sent.order == "o_3" and sent.at < 50 else 200,
        retry=RetryPolicy.batch(),
        timeout=Timeout.batch(),
    )
    outcomes = await outcomes_of(Batch(client, deletes(200), concurrency=concurrency))
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED}
    assert max(sent.at for sent in origin.sent if sent.order != "o_3") < 30
    waits = [later - earlier for earlier, later in pairwise(origin.times("o_3"))]
    assert min(waits) >= 30
    assert clock.now < 100


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_many_resources_of_one_bad_order_are_no_outage(concurrency: int) -> None:
    """An outage is what fails across orders."""
    bad: list[Change] = [PatchConsent("o_0", f"c_{n}", checked=True) for n in range(30)]
    ran = await run([*bad, *one_each(50)[1:]], frozenset([0]), "500", concurrency=concurrency)
    assert ran.batch.stopped is None
    assert ran.kinds(of_bad=False) == {"applied": 49}
    assert len(ran.origin.times("o_0")) <= 90
    assert ran.clock.now < 120


@pytest.mark.parametrize("places", [2, 3])
async def test_a_server_that_refuses_what_is_too_much_is_not_taken_for_bad_orders(places: int) -> None:
    """One with few places, which says 503 at once when all are taken."""
    client, origin, _ = on_a_timeline(retry=RetryPolicy.batch(), timeout=Timeout.batch())

    def by_place(_: Sent) -> Answer:
        is_full = origin.now > places
        origin.latency = 0.0 if is_full else 1.0
        return 503 if is_full else 200

    origin.answer = by_place
    outcomes = Counter(outcome.outcome for outcome in await outcomes_of(Batch(client, deletes(200))))
    assert outcomes[OutcomeKind.APPLIED] >= 180


@pytest.mark.parametrize(("workers", "service"), [(1, 3.0), (2, 5.0), (4, 1.0)])
async def test_a_slow_server_is_not_taken_for_bad_orders(workers: int, service: float) -> None:
    """What waits in its queue until it is given up leaves fewer in flight."""
    server = Workers(workers, service, Random(1), spread=0.1)
    ran = await run(one_each(150), frozenset(), "hangs", server=server)
    assert ran.kinds(of_bad=False) == {"applied": 150}
    assert len(ran.origin.sent) < 200


async def test_bad_orders_at_a_slow_server_leave_it_as_fast_as_it_is() -> None:
    server = Workers(1, 0.5, Random(1), spread=0.1)
    ran = await run(one_each(), bad_ones("5 % spread"), "hangs", server=server)
    assert ran.kinds(of_bad=False) == {"applied": 950}
    assert ran.clock.now < 1.2 * 950 * 0.5


async def test_bad_orders_count_as_failures() -> None:
    ran = await run(one_each(COUNT), bad_ones("10 % spread", COUNT), "500", concurrency=4, max_failures=5)
    assert ran.batch.stopped == "5 changes failed"
    assert ran.batch.progress.failed >= 5


async def test_a_server_that_only_fails_is_given_up_with_its_own_error_and_all_requests(path: Path) -> None:
    """Whatever was sent is accounted for, and goes on with the next run."""

    def answer(sent: Sent) -> Answer:
        return 500 if sent.at < 400 else 200

    client, origin, _ = on_a_timeline(answer)
    with journal_at(path) as journal:
        batch = Batch(client, deletes(200), concurrency=4, journal=journal)
        outcomes = await outcomes_of(batch)
    assert batch.stopped == "nothing went through for 300 s: HTTP 500"
    begun = {outcome.number for outcome in outcomes if outcome.error == "ServerError"}
    assert len(begun) == len({sent.order for sent in origin.sent})
    with JournalReader.open(path) as reader:
        summary = reader.summary()
        assert [*summary.problems] == ["ServerError"]
        assert (summary.outcomes, summary.requests) == ({OutcomeKind.UNKNOWN: len(begun)}, len(origin.sent))
        assert summary.unfinished == len(begun)
        assert {row.message for row in reader.rows()} == {"HTTP 500"}
        assert {row.status for row in reader.rows()} == {500}
    origin.clock.now = 400.0
    before = len(origin.sent)
    with journal_at(path) as journal:
        assert Counter(one.outcome for one in await outcomes_of(Batch(client, deletes(200), journal=journal))) == {
            OutcomeKind.APPLIED: 200
        }
        assert journal.summary().requests == before + 200


async def test_a_server_that_is_silent_from_the_start_is_waited_for_and_one_that_is_not_there_is_not() -> None:
    ran = await run(one_each(), frozenset(range(1_000)), "hangs", concurrency=4, patience=60)
    assert ran.batch.stopped == "nothing went through for 60 s: no answer"
    assert len(ran.origin.sent) < 30
    client, origin, clock = on_a_timeline(lambda sent: refused())
    batch = Batch(client, deletes(1_000), concurrency=4)
    await outcomes_of(batch)
    assert (batch.stopped, batch.worked) == ("everything fails alike: refused", False)
    assert (clock.now < 1, len(origin.sent) < 10) == (True, True)


async def test_while_it_holds_no_more_than_a_thousand_lines_are_read_ahead(path: Path) -> None:
    client, origin, _ = on_a_timeline(lambda sent: 503 if sent.at < 60 else 200)
    with journal_at(path) as journal:
        async with Batch(client, deletes(3_000), concurrency=4, journal=journal) as batch:
            async for _ in batch:
                break
        assert origin.clock.now >= 60
    assert len(account(path)) <= 1_300


async def test_a_journal_of_what_is_left_open_is_read_while_it_runs_on(path: Path) -> None:
    """A new run begins anew: what it has under way has no error of the run before."""
    client, origin, _ = on_a_timeline(lambda sent: 500)
    with journal_at(path) as journal:
        await outcomes_of(Batch(client, deletes(10), concurrency=4, journal=journal, patience=5))

    def look(sent: Sent) -> Answer:
        with JournalReader.open(path) as reader:
            row = next(row for row in reader.rows() if row.number == int(sent.order[2:]) + 1)
            assert (row.outcome, row.error) == (None, None)
        return 200

    origin.answer = look
    with journal_at(path) as journal:
        await outcomes_of(Batch(client, deletes(10), concurrency=4, journal=journal))
        assert journal.summary().outcomes == {OutcomeKind.APPLIED: 10}
