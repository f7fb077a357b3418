"""What has a mark in the journal counts as perhaps sent after a kill: what is sent, and a few that come next."""

import asyncio
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from timeline import Answer, Origin, Sent, account, deletes, journal_at, on_a_timeline, outcomes_at, outcomes_of, until

from norce_order_async import OutcomeKind
from norce_order_async.batch import (
    Change,
    CreateConsent,
    DeleteConsent,
    Journal,
    Outcome,
    PatchAttributes,
    PatchConsent,
)
from norce_order_async.batch.run import Batch
from norce_order_async.models import Consent


async def killed(path: Path, changes: list[Change], answer: int, *, after: int, once: bool) -> tuple[Origin, Path]:
    """A run that is killed when so many requests were sent: what it has sent, and the journal that is left."""
    left = path.parent / "left"
    left.mkdir()

    def copied(sent: Sent) -> Answer:
        if len(origin.sent) == after:
            for file in path.parent.glob(f"{path.name}*"):
                shutil.copy(file, left)
            batch.abort("killed")
        return answer

    client, origin, _ = on_a_timeline(copied)
    with journal_at(path) as journal:
        batch = Batch(client, changes, journal=journal, once=once)
        await outcomes_of(batch)
    del origin.sent[after:]
    return origin, left / path.name


def often(kind: type[Change], orders: int = 3, number: int = 300) -> list[Change]:
    """Many changes of the same part of few orders."""
    if kind is CreateConsent:
        return [CreateConsent(f"o_{n % orders}", Consent(id=f"c_{n}", checked=True)) for n in range(number)]
    return [DeleteConsent(f"o_{n % orders}", "c") for n in range(number)]


async def test_what_must_not_be_made_twice_and_was_never_sent_is_made_after_a_kill(path: Path) -> None:
    changes = often(CreateConsent)
    first, left = await killed(path, changes, 201, after=90, once=True)
    client, second, _ = on_a_timeline(lambda sent: 201)
    with journal_at(left) as journal:
        await outcomes_of(Batch(client, changes, journal=journal, once=True))
        kinds = journal.summary().outcomes
    assert kinds[OutcomeKind.APPLIED] + kinds[OutcomeKind.UNKNOWN] == 300
    assert kinds[OutcomeKind.UNKNOWN] <= 3  # as many as were under way
    sent = Counter(sent.request.body for sent in [*first.sent, *second.sent])
    assert (len(sent), set(sent.values())) == (300, {1})


async def test_what_was_never_sent_is_not_inferred_after_a_kill(path: Path) -> None:
    changes = often(DeleteConsent)
    _, left = await killed(path, changes, 404, after=90, once=False)
    client, _, _ = on_a_timeline(lambda sent: 404)
    with journal_at(left) as journal:
        outcomes = await outcomes_of(Batch(client, changes, journal=journal))
        assert journal.summary().total == 300
    kinds = Counter(outcome.outcome for outcome in outcomes)
    assert kinds[OutcomeKind.APPLIED_INFERRED] <= 3
    assert kinds[OutcomeKind.REJECTED] >= 300 - 90


def asked_to_wait(sent: Sent) -> Answer:
    is_refused = sent.request.headers["x-merchant"] == "acme"
    return (429, {"retry-after": "50"}, b"") if is_refused else 200


def gone(sent: Sent) -> Answer:
    return 503


@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("answer", [asked_to_wait, gone])
async def test_what_waits_for_the_server_has_no_mark(path: Path, answer: Callable[[Sent], Answer], once: bool) -> None:
    client, origin, _ = on_a_timeline(answer)
    others = [PatchConsent(f"p_{n}", "c", checked=True) for n in range(40)]
    changes = [*others, *(DeleteConsent(f"o_{n}", "c", merchant="acme") for n in range(3_000)), *others[:1]]
    with journal_at(path) as journal:
        async with Batch(client, changes, concurrency=4, journal=journal, once=once) as batch:
            reading = aiter(batch)
            if answer is asked_to_wait:
                for _ in others:
                    await anext(reading)
            taking = asyncio.ensure_future(anext(reading))
            await until(lambda: batch.progress.waiting > 1_500 and len(origin.sent) > 10)
            marks = len(account(path))
            taking.cancel()
    assert marks <= 40 + 4 * 16


@pytest.mark.parametrize("once", [False, True])
async def test_what_waits_for_its_merchant_between_others_has_no_mark(path: Path, once: bool) -> None:
    client, origin, _ = on_a_timeline(asked_to_wait)
    changes = [DeleteConsent(f"o_{n}", "c", merchant="acme" if n % 2 else None) for n in range(2_000)]
    with journal_at(path) as journal:
        async with Batch(client, changes, concurrency=4, journal=journal, once=once) as batch:
            outcomes = aiter(batch)
            for _ in range(900):
                await anext(outcomes)
            marks = len(account(path))
    assert marks <= len(origin.sent) + 32


async def test_each_of_a_hot_order_is_marked_before_it_is_sent(path: Path) -> None:
    seen: list[int] = []

    def answer(sent: Sent) -> Answer:
        seen.append(len(seen) + 1)
        assert account(path)[seen[-1]] == (1, None)
        return 200

    client, _, _ = on_a_timeline(answer)
    changes: list[Change] = [PatchAttributes("o", {"n": n}) for n in range(60)]
    outcomes = await outcomes_at(path, client, changes)
    assert [outcome.number for outcome in outcomes] == seen == list(range(1, 61))


async def test_what_was_done_and_is_not_begun_again_stays_done(path: Path) -> None:
    client, _, _ = on_a_timeline()
    await outcomes_at(path, client, deletes(30), concurrency=2)
    before = account(path)
    with journal_at(path) as journal:
        async with Batch(client, deletes(30), concurrency=2, journal=journal, only=[OutcomeKind.APPLIED]) as batch:
            outcomes: list[Outcome] = []
            async for outcome in batch:
                outcomes.append(outcome)
                batch.stop("enough")
    assert account(path) == before
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED, OutcomeKind.NOT_SENT}


async def test_what_is_to_be_made_once_more_and_is_not_begun_again_is_so_for_the_next_run(path: Path) -> None:
    changes: list[Change] = [PatchAttributes(f"o_{order}", {"n": n}) for n in (1, 2) for order in range(30)]
    refused = [404] * 30
    client, origin, _ = on_a_timeline(lambda sent: refused.pop() if refused else 200)
    await outcomes_at(path, client, changes, concurrency=2)
    with journal_at(path) as journal:
        batch = Batch(client, changes, concurrency=2, journal=journal, only=[OutcomeKind.REJECTED])

        def stopping(sent: Sent) -> Answer:
            if len(origin.sent) == 60 + 40:
                batch.stop("enough")
            return 200

        origin.answer = stopping
        outcomes = await outcomes_of(batch)
    assert OutcomeKind.UNKNOWN not in {outcome.outcome for outcome in outcomes}
    assert {outcome for _, outcome in account(path).values()} == {"applied"}
    made = {outcome.number for outcome in outcomes if outcome.outcome is OutcomeKind.APPLIED}
    again = await outcomes_at(path, client, changes)
    assert {outcome.number for outcome in again} == set(range(1, 61)) - made


@pytest.mark.parametrize("changes", ["one 403", "bad lines"])
async def test_few_transactions_are_made_whatever_else_is_in_the_input(
    path: Path, changes: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_it_is = Journal.write
    written = 0

    def write(journal: Journal, *arguments: Any, **named: Any) -> None:
        nonlocal written
        written += 1
        as_it_is(journal, *arguments, **named)

    monkeypatch.setattr(Journal, "write", write)
    lines: list[Change] = [DeleteConsent("o_0", "c", merchant="other"), *deletes(1_500, first=1)]
    if changes == "bad lines":
        lines = often(CreateConsent, orders=1_500, number=1_500)
    client, _, _ = on_a_timeline(lambda sent: 403 if sent.order == "o_0" else 200, latency=0.02)
    outcomes = await outcomes_at(path, client, lines, concurrency=50)
    assert len(outcomes) == len(lines)
    assert written < 100


@pytest.mark.parametrize("end", ["stop", "abort"])
async def test_who_stops_a_batch_waits_once_for_a_journal_that_is_locked(path: Path, end: str) -> None:
    client, _, _ = on_a_timeline(latency=0.01)
    with journal_at(path) as journal:
        batch = Batch(client, deletes(5_000), journal=journal, concurrency=20)
        outcomes = asyncio.create_task(outcomes_of(batch))
        await until(lambda: batch.progress.done > 100)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(0.3)
            getattr(batch, end)("enough")
            await asyncio.sleep(0.3)
            other.execute("ROLLBACK")
        await outcomes
        assert batch.failure is None
        assert batch.stopped == "enough"
        assert journal.summary().outcomes.keys() <= {OutcomeKind.APPLIED, OutcomeKind.UNKNOWN}
