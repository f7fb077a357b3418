"""A batch whose journal is locked, full, or gone."""

import asyncio
import errno
import sqlite3
from collections.abc import Callable
from contextlib import aclosing, closing
from pathlib import Path

import pytest
from journals import connections_of
from support import scripted
from timeline import deletes, journal_at, lost, on_a_timeline, outcomes_at, outcomes_of, refused

from norce_order_async import ConfigurationError, OutcomeKind
from norce_order_async.batch import JournalReader, JournalRun, Outcome
from norce_order_async.batch.engine import accounting
from norce_order_async.batch.journal import run_writer
from norce_order_async.batch.run import Batch
from norce_order_async.batch.samples import slowed


def written(path: Path) -> set[int]:
    with JournalReader.open(path) as reader:
        return {row.number for row in reader.rows() if row.outcome is OutcomeKind.APPLIED}


async def test_a_lock_of_another_program_does_not_stop_the_event_loop(path: Path) -> None:
    """While the lock is held, the loop turns, and what it did meanwhile is written when the lock is gone."""
    client, _, _ = on_a_timeline()
    yielded: list[Outcome] = []
    some = asyncio.Event()
    with journal_at(path) as journal, closing(sqlite3.connect(path, isolation_level=None)) as foreign:
        async with Batch(client, deletes(1_000), concurrency=8, journal=journal) as batch:

            async def read() -> None:
                async with aclosing(aiter(batch)) as outcomes:
                    async for outcome in outcomes:
                        yielded.append(outcome)
                        if len(yielded) == 100:
                            some.set()

            reading = asyncio.create_task(read())
            await some.wait()
            foreign.execute("BEGIN IMMEDIATE")
            for _ in range(200):  # each turn would be one long wait
                await asyncio.sleep(0.001)
            assert not reading.done()
            foreign.rollback()
            await reading
    assert {outcome.number for outcome in yielded} == written(path) == set(range(1, 1_001))


@pytest.mark.parametrize("stop", [False, True])
async def test_what_is_yielded_is_written_also_when_the_journal_stays_locked(
    path: Path, monkeypatch: pytest.MonkeyPatch, stop: bool
) -> None:
    monkeypatch.setattr(accounting, "LONGEST_LOCK", 0.2)
    client, _, _ = on_a_timeline()
    yielded: list[Outcome] = []
    error: ConfigurationError | None = None
    journal = journal_at(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as foreign:
        try:
            async with Batch(client, deletes(1_000), concurrency=8, journal=journal) as batch:
                async for outcome in batch:
                    yielded.append(outcome)
                    if len(yielded) == 100:
                        foreign.execute("BEGIN IMMEDIATE")
                        if stop:
                            batch.stop("enough")
        except ConfigurationError as failure:
            error = failure
        assert error is not None
        assert "locked" in str(error)
        foreign.rollback()
    journal.close()
    done = {outcome.number for outcome in yielded if outcome.outcome is OutcomeKind.APPLIED}
    assert done <= written(path)
    again = {outcome.number for outcome in await outcomes_at(path, on_a_timeline()[0], deletes(1_000))}
    assert done.isdisjoint(again)
    assert written(path) == set(range(1, 1_001))


@pytest.mark.parametrize("what", ["deleted", "unseen"])
async def test_a_journal_that_is_deleted_stops_the_sending(
    path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unseen(_: Path) -> tuple[int, int]:
        raise PermissionError(errno.EACCES, "Permission denied")

    client, transport, _ = scripted()
    journal = journal_at(path)
    count = 0
    batch = Batch(client, deletes(5_000), concurrency=8, journal=journal)
    error: ConfigurationError | None = None
    try:
        async for _ in batch:
            count += 1
            if count != 100:
                continue
            if what == "deleted":
                path.unlink()  # noqa: ASYNC240
            else:
                monkeypatch.setattr(run_writer, "_identity_of", unseen)
    except ConfigurationError as failure:
        error = failure
    says = {"deleted": "was deleted or replaced while a run wrote it", "unseen": "cannot be written: Permission denied"}
    assert says[what] in str(error)
    assert len(transport.requests) < 1_000
    with pytest.raises(ConfigurationError):
        journal.close()


async def test_a_hold_is_said_as_long_as_it_was(path: Path) -> None:
    client, _, clock = on_a_timeline(lambda sent: refused() if 5 < sent.at < 35 else 200, latency=0.2)
    with journal_at(path) as journal:
        await outcomes_of(Batch(client, deletes(1_000), concurrency=8, journal=journal))
        run = JournalRun(clock.epoch, clock.wall(), None)
        held = slowed(journal.samples(), [run], None)
    (seconds,) = (length for reason, length in held.items() if reason.startswith("waiting for the server"))
    assert 28 <= seconds <= 50  # until a probe gets through; the last one may be 15 s late


async def test_a_clock_that_is_set_changes_nothing_of_how_long_a_batch_was_slowed(path: Path) -> None:
    client, _, clock = on_a_timeline()
    began = clock.epoch
    with journal_at(path) as journal:
        async for outcome in Batch(client, deletes(100), rate=10, journal=journal):
            if outcome.number == 50:
                clock.epoch += 3_600
        run = JournalRun(began, began + clock.now, None)
        held = slowed(journal.samples(), [run], None)
    assert 0.8 * clock.now <= held.total() <= clock.now + 1


async def test_what_slowed_a_batch_ends_with_it_though_its_run_goes_on(path: Path) -> None:
    """As it does while unknown changes are looked at."""
    client, _, clock = on_a_timeline()
    with journal_at(path) as journal:
        await outcomes_of(Batch(client, deletes(100), rate=10, journal=journal))
        took = clock.now
        held = slowed(journal.samples(), [JournalRun(clock.epoch, clock.wall() + 600, None)], None)
    assert 0 < held.total() <= took + 1


@pytest.mark.parametrize("failure", [lost, refused])
async def test_requests_are_counted_also_of_what_is_left_at_the_end_of_the_patience(
    path: Path, failure: Callable[[], Exception]
) -> None:
    client, origin, _ = on_a_timeline(lambda sent: failure() if sent.at > 5 else 200, latency=0.2)
    with journal_at(path) as journal:
        batch = Batch(client, deletes(1_000), concurrency=8, patience=60, journal=journal)
        await outcomes_of(batch)
        assert "nothing went through for 60 s" in str(batch.stopped)
        assert journal.summary().requests == len(origin.sent)
        assert not journal.summary().outcomes.keys() - {OutcomeKind.APPLIED}


@pytest.mark.parametrize(("once", "synchronous"), [(True, 2), (False, 1)])
async def test_what_must_not_be_made_twice_is_marked_on_the_disk(
    path: Path, once: bool, synchronous: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's FULL waits for the disk at each transaction, NORMAL at checkpoints only."""
    opened = connections_of(monkeypatch)
    client, _, _ = scripted()
    with journal_at(path) as journal:
        async for _ in Batch(client, deletes(1), once=once, journal=journal):
            assert opened[-1].execute("PRAGMA synchronous").fetchone() == (synchronous,)
