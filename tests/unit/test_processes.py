"""Both ends of the pipe between a batch and its processes, without a process."""

import asyncio
import os
import pickle
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import attrs
import pytest
from collected import Collected
from journals import mark, write
from timeline import FAILING_INPUTS, Answer, Origin, Sent, failing_input, on_a_timeline

from norce_order_async import ConfigurationError, OutcomeKind
from norce_order_async.batch import Change, DeleteConsent, InputLine, Journal, Outcome
from norce_order_async.batch.engine.schedule import LOOKAHEAD_SIZE
from norce_order_async.batch.journal import JournalReader, JournalSample, State
from norce_order_async.batch.journal.rare_rows import stands
from norce_order_async.batch.journal.run_writer import rows_of
from norce_order_async.batch.kinds import CreateHook, CreateOrder
from norce_order_async.batch.process_link import ProcessLink
from norce_order_async.batch.process_worker import Lines, Pipe
from norce_order_async.batch.processes import ProcessBatch
from norce_order_async.batch.run import Batch
from norce_order_async.batch.travel import HEAD, Dealt, order_of_entry, worker_of
from norce_order_async.core.clock import SystemClock
from norce_order_async.testing.conformance.base import settle
from norce_order_async.wire.models import Cart, Hook, Order

SCOPE = "norce", "1"
HERE: dict[str, Any] = {"base_url": "https://x.example", "merchant": "norce", "channel": "1", "auth": "t"}
HOOK = CreateHook("o_1", hook=Hook(adapter_id="a", invoke="https://h.example"))
END: tuple[Any, ...] = ("end", None, {}, None, None, True)
"""What a process says that has made all there was."""


def opened(path: Path) -> Journal:
    return Journal.open(path / "journal", inputs=[], target="here")


def mark_all(journal: Journal, changes: Iterable[Change], *, once: Iterable[int] = ()) -> None:
    now = SystemClock().wall()
    marks = [mark(n, change, request_id=f"id_{n}", started=now) for n, change in enumerate(changes, 1)]
    write(journal, marks, [], once=list(once))


def end(journal: Journal, number: int, change: Change, outcome: OutcomeKind, ago: float) -> None:
    started = SystemClock().wall() - ago
    ended = Outcome(number=number, line=number, change=change, outcome=outcome, started=started, elapsed=0.0, error="E")
    write(journal, [], [ended])


def dealt(link: ProcessLink) -> list[tuple[int, bool, State | None]]:
    return [(number, made, state) for (number, _, state, made), _ in link.queue]


@pytest.mark.parametrize("only", [False, True])
def test_what_a_lost_process_had_is_made_again_but_for_what_is_sent_at_most_once(tmp_path: Path, only: bool) -> None:
    changes = [DeleteConsent("o_1", "a"), HOOK, DeleteConsent("o_1", "b")]
    link = ProcessLink(b"")
    with opened(tmp_path) as journal:
        for number, change in enumerate(changes, 1):
            link.add(number, InputLine(number, change, size=10), None, made=True)
        passed = State(OutcomeKind.UNKNOWN, None, ended=1.0)
        link.add(4, InputLine(4, DeleteConsent("o_1", "c")), passed, made=False)
        link.deal()
        assert (link.size, len(link.queue)) == (30, 0)  # what is dealt counts, too
        mark_all(journal, changes[:2], once=[2])
        given_up = link.take_back(journal.states(*link.span), only=only)
        journal.give_up(given_up, "the process that made it was lost")
        hook = next(row for row in journal.rows() if row.number == 2)
    assert dealt(link) == [
        (1, True, State(None, None, reopened=only)),
        (2, False, State(None, None, once=True)),
        (3, True, None),
        (4, False, passed),
    ]
    assert link.size == 30
    assert given_up == [2]
    link.deal()
    link.close(1)
    link.settle()
    assert (link.size, set(link.dealt), set(link.passed)) == (10, {3}, set())
    assert (hook.outcome, hook.error, hook.request_id) == (OutcomeKind.UNKNOWN, "Interrupted", "id_2")
    assert hook.message == "the process that made it was lost"


async def start_nothing(link: ProcessLink) -> None:
    """Starts no process."""


def pretend(
    monkeypatch: pytest.MonkeyPatch,
    hear: Callable[[ProcessLink], Awaitable[tuple[Any, ...]]],
    start: Callable[[ProcessLink], Awaitable[None]] = start_nothing,
) -> None:
    """Have what is heard of processes made up, and none started."""
    monkeypatch.setattr(ProcessLink, "start", start)
    monkeypatch.setattr(ProcessLink, "hear", hear)


async def until_it_ends(batch: ProcessBatch) -> None:
    async with asyncio.timeout(20), batch:
        async for _ in batch:
            pass


class Later(SystemClock):
    """The time, or some seconds later; the wall clock can be set besides."""

    offset: float = 0.0
    step: float = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.offset

    def wall(self) -> float:
        return super().wall() + self.offset + self.step


@pytest.mark.parametrize("step", [0.0, -3600.0, 3600.0])
async def test_lines_that_are_passed_over_are_kept_only_while_they_may_be_carried_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    changes = [DeleteConsent("o_1", f"c_{n}") for n in range(6)]
    clock = Later()
    kept: list[tuple[set[int], set[int]]] = []

    async def source() -> AsyncGenerator[Change]:
        for change in changes:
            yield change
        while not kept:  # noqa: ASYNC110 (what the other end does)
            await asyncio.sleep(0)
        clock.offset, clock.step = 30.0, step
        yield DeleteConsent("o_1", "later")

    async def hear(link: ProcessLink) -> tuple[Any, ...]:
        for last in (6, 7):
            while last not in link.dealt:  # noqa: ASYNC110 (what is dealt)
                await asyncio.sleep(0)
            kept.append((set(link.dealt), set(link.passed)))
        return END

    monkeypatch.setattr("norce_order_async.batch.processes.SystemClock", lambda: clock)
    pretend(monkeypatch, hear)
    with opened(tmp_path) as journal:
        mark_all(journal, changes)
        end(journal, 1, changes[0], OutcomeKind.APPLIED, 0.0)
        end(journal, 2, changes[1], OutcomeKind.UNKNOWN, 50.0)
        end(journal, 3, changes[2], OutcomeKind.UNKNOWN, 1.0)
        batch = ProcessBatch(source(), processes=1, settings=HERE, journal=journal, settle=20.0)
        await until_it_ends(batch)
    assert kept == [({4, 5, 6}, {3}), ({4, 5, 6, 7}, set())]
    assert batch.progress.passed == 3


@pytest.mark.parametrize("named", [False, True])
def test_orders_that_are_made_go_to_all_processes_and_those_of_one_reference_to_one(named: bool) -> None:
    def worker(number: int, reference: str | None) -> int:
        entry = InputLine(number, CreateOrder(Order(cart=Cart(reference=reference))))
        order = order_of_entry(entry, SCOPE, number)
        assert order is not None
        return worker_of(order, 4)

    workers = Counter(worker(number, f"r_{number}" if named else None) for number in range(400))
    assert set(workers) == {0, 1, 2, 3}
    assert max(workers.values()) < 150
    assert len({worker(number, "r") for number in range(20)}) == 1


async def test_a_process_that_ends_early_leaves_what_is_its_own_and_ends_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = [DeleteConsent(f"o_{n}", "c") for n in range(3_000)]
    mine = sum(worker_of((*SCOPE, change.order_id), 2) == 1 for change in changes)
    taken = 0
    links: list[ProcessLink] = []

    async def start(link: ProcessLink) -> None:
        """Starts nothing."""
        links.append(link)

    async def hear(link: ProcessLink) -> tuple[Any, ...]:
        nonlocal taken
        await asyncio.sleep(0)
        if link is links[0]:
            return "end", "nothing went through", {}, None, None, False
        if link.dealt:
            taken += len(link.dealt)
            number = len(link.dealt)
            for each in list(link.dealt):
                link.close(each)
            return "want", number
        return END if taken == mine else ("want", 0)

    pretend(monkeypatch, hear, start)
    with opened(tmp_path) as journal:
        batch = ProcessBatch(changes, processes=2, settings=HERE, journal=journal)
        await until_it_ends(batch)
    assert taken == mine
    assert batch.stopped == "a worker process stopped: nothing went through"


async def test_what_a_lost_process_may_have_sent_settles_though_the_next_one_is_lost_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Later()
    links: list[ProcessLink] = []
    lives: list[set[int]] = []

    async def source() -> AsyncGenerator[Change]:
        yield HOOK
        while not links[0].passed:  # noqa: ASYNC110 (what is dealt)
            await asyncio.sleep(0)
        yield DeleteConsent("o_1", "c")

    async def start(link: ProcessLink) -> None:
        monkeypatch.setattr(link, "_process", Gone())
        links.append(link)
        link.credit = 256

    async def hear(link: ProcessLink) -> tuple[Any, ...]:
        while (2 if lives else 1) not in link.dealt:  # noqa: ASYNC110 (what is dealt)
            await asyncio.sleep(0)
        lives.append(set(link.passed))
        if len(lives) == 1:
            mark_all(journal, [HOOK], once=[1])
            clock.offset = 30.0
        if len(lives) < 3:
            raise ConnectionError
        return "end", None, {}, None, None, True

    monkeypatch.setattr("norce_order_async.batch.processes.SystemClock", lambda: clock)
    monkeypatch.setattr(ProcessLink, "start", start)
    monkeypatch.setattr(ProcessLink, "hear", hear)
    with opened(tmp_path) as journal:
        batch = ProcessBatch(source(), processes=1, settings=HERE, journal=journal, settle=20.0, once=True)
        await until_it_ends(batch)
    assert lives == [set(), {1}, {1}]


class Gone:
    """A process that has ended."""

    stdin = None

    async def wait(self) -> int:
        return -9


class Quick(Later):
    """A clock on which a long wait is over at once."""

    async def sleep(self, delay: float, /) -> None:
        if delay > 1:
            self.offset += delay
        await asyncio.sleep(min(delay, 0.01))


@pytest.mark.parametrize("step", [0.0, -3600.0, 3600.0])
@pytest.mark.parametrize("outcome", [OutcomeKind.UNKNOWN, OutcomeKind.APPLIED])
async def test_a_process_is_replaced_when_what_ended_in_it_has_settled_and_is_dealt_nothing_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: OutcomeKind, step: float
) -> None:
    changes = [DeleteConsent(f"o_{n}", "c") for n in range(5)]
    clock = Quick()
    starts: list[float] = []
    lives: list[set[int]] = []

    async def source() -> AsyncGenerator[Change]:
        for change in changes[:3]:
            yield change
        while len(starts) < 2:  # noqa: ASYNC110 (what the other end does)
            await asyncio.sleep(0)
        for change in changes[3:]:
            yield change

    async def start(link: ProcessLink) -> None:
        monkeypatch.setattr(link, "_process", Gone())
        starts.append(clock.offset)
        await settle(100)  # the input goes on meanwhile
        assert not link.dealt
        link.credit = 256

    async def hear(link: ProcessLink) -> tuple[Any, ...]:
        last = 3 if len(starts) == 1 else 5
        while last not in link.dealt:  # noqa: ASYNC110 (what is dealt)
            await asyncio.sleep(0)
        lives.append(set(link.dealt))
        if len(lives) == 1:
            begun = mark(1, changes[0], started=clock.wall())
            made = Outcome(1, 1, changes[0], outcome, attempts=1, started=clock.wall(), elapsed=0.0)
            return "journal", "write", rows_of([begun], [made])
        if len(lives) == 2:
            clock.step = step
            raise ConnectionError
        return END

    monkeypatch.setattr("norce_order_async.batch.processes.SystemClock", lambda: clock)
    pretend(monkeypatch, hear, start)
    with opened(tmp_path) as journal:
        batch = ProcessBatch(source(), processes=1, settings=HERE, journal=journal, settle=20.0)
        await until_it_ends(batch)
    assert lives == [{1, 2, 3}, {2, 3}, {2, 3, 4, 5}]
    assert starts == [0.0, pytest.approx(20.0, abs=1.0) if outcome is OutcomeKind.UNKNOWN else 0.0]


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that are not started and make nothing; each ends when it is told to, or that there is no more."""
    told = set[ProcessLink]()

    async def start(link: ProcessLink) -> None:
        monkeypatch.setattr(link, "_process", Gone())

    async def hear(link: ProcessLink) -> tuple[Any, ...]:
        while link not in told:  # noqa: ASYNC110 (what is told)
            await asyncio.sleep(0)
        return END

    def tell(link: ProcessLink, kind: str, *rest: object) -> None:
        if kind == "over":
            told.add(link)

    def tell_to_end(link: ProcessLink, how: str, reason: str) -> None:
        told.add(link)

    pretend(monkeypatch, hear, start)
    monkeypatch.setattr(ProcessLink, "tell", tell)
    monkeypatch.setattr(ProcessLink, "tell_to_end", tell_to_end)


@pytest.mark.usefixtures("idle")
async def test_lines_that_are_passed_over_hold_up_the_input_no_longer_than_they_settle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Quick()
    monkeypatch.setattr("norce_order_async.batch.processes.SystemClock", lambda: clock)
    changes = [DeleteConsent("o_1", f"c_{n}") for n in range(3)]
    lines = [InputLine(n, change, size=LOOKAHEAD_SIZE) for n, change in enumerate(changes, 1)]
    with opened(tmp_path) as journal:
        mark_all(journal, changes)
        for number, change in enumerate(changes, 1):
            end(journal, number, change, OutcomeKind.UNKNOWN, 0.0)
        batch = ProcessBatch(lines, processes=2, settings=HERE, journal=journal, settle=60.0, only=["rejected"])
        await until_it_ends(batch)
    assert batch.progress.passed == 3
    assert clock.offset == pytest.approx(60.0, abs=5.0)


async def endless() -> AsyncGenerator[Change]:
    yield DeleteConsent("o_1", "c")
    await asyncio.Event().wait()


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(("error", "says"), FAILING_INPUTS, ids=lambda value: type(value).__name__)
async def test_an_input_that_fails_is_not_one_that_ended(
    tmp_path: Path, error: BaseException, says: str, is_async: bool
) -> None:
    changes = failing_input([DeleteConsent("o_1", "c")], error, is_async=is_async)
    with opened(tmp_path) as journal:
        batch = ProcessBatch(changes, processes=2, settings=HERE, journal=journal)
        with pytest.raises((RuntimeError, LookupError), match=f"^{says}$"):
            await until_it_ends(batch)
    assert batch.stopped == says


@pytest.mark.usefixtures("idle")
async def test_an_input_is_closed_when_its_batch_has_ended(tmp_path: Path) -> None:
    closed = False

    async def source() -> AsyncGenerator[Change]:
        nonlocal closed
        try:
            yield DeleteConsent("o_1", "c")
            batch.stop("enough")
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            closed = True

    with opened(tmp_path) as journal:
        batch = ProcessBatch(source(), processes=2, settings=HERE, journal=journal)
        await until_it_ends(batch)
    assert closed


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("step", ["start", "take_back"])
async def test_a_lost_process_that_cannot_be_replaced_ends_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    hear = ProcessLink.hear
    lost: list[ProcessLink] = []

    def fail(link: ProcessLink, *states: object, **only: object) -> None:
        raise ConfigurationError("no memory")

    async def hear_once(link: ProcessLink) -> tuple[Any, ...]:
        if not lost:
            lost.append(link)
            monkeypatch.setattr(ProcessLink, step, fail)
            raise ConnectionError
        return await hear(link)

    monkeypatch.setattr(ProcessLink, "hear", hear_once)
    with opened(tmp_path) as journal:
        batch = ProcessBatch(endless(), processes=2, settings=HERE, journal=journal)
        with pytest.raises(ConfigurationError, match="no memory"):
            await until_it_ends(batch)
    assert batch.stopped == "no memory"


@pytest.mark.usefixtures("idle")
async def test_a_journal_that_takes_no_sample_ends_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(journal: Journal, sample: JournalSample) -> None:
        raise ConfigurationError("the disk is full")

    monkeypatch.setattr(Journal, "sample", fail)
    with opened(tmp_path) as journal:
        batch = ProcessBatch(endless(), processes=2, settings=HERE, journal=journal)
        with pytest.raises(ConfigurationError, match="the disk is full"):
            await until_it_ends(batch)


@pytest.mark.parametrize("reason", [None, "HTTP 429"])
async def test_the_last_sample_says_how_many_changes_were_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str | None
) -> None:
    async def hear(link: ProcessLink) -> tuple[Any, ...]:
        if not link.sample.concurrency:
            return "sample", JournalSample(at=0.0, concurrency=20, rate=None, in_flight=5, reason=reason)
        while not any(sample.concurrency == 20 for sample in journal.samples()):  # noqa: ASYNC110 (what is in a file)
            await asyncio.sleep(0.01)
        return END

    monkeypatch.setattr("norce_order_async.batch.processes.SAMPLE_EVERY", 0.02)
    pretend(monkeypatch, hear)
    with opened(tmp_path) as journal:
        batch = ProcessBatch([DeleteConsent("o_1", "c")], processes=1, settings=HERE, journal=journal)
        await until_it_ends(batch)
        *_, last = journal.samples()
    assert (last.concurrency, last.reason) == (20, None)


async def test_what_processes_have_made_is_counted_as_in_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The metric of changes, the progress and the warning of those that are unknown."""
    changes = [DeleteConsent(f"o_{n}", "c") for n in range(1, 5)]
    kinds = (OutcomeKind.APPLIED_INFERRED, OutcomeKind.APPLIED, OutcomeKind.UNKNOWN)
    ended = [Outcome(n, n, changes[n - 1], kind, attempts=n, started=1e9) for n, kind in enumerate(kinds, 1)]
    ended[2] = attrs.evolve(ended[2], error="ReadTimeout")
    interrupted = Outcome(4, 4, changes[3], OutcomeKind.UNKNOWN, attempts=2, started=1e9, error="Interrupted")
    says: list[tuple[Any, ...]] = [
        ("journal", "write", rows_of([mark(n, change) for n, change in enumerate(changes, 1)], [])),
        ("journal", "write", rows_of([], ended)),
        ("journal", "leave_open", [stands(interrupted)]),
        END,
    ]

    async def hear(link: ProcessLink) -> tuple[Any, ...]:
        while len(link.dealt) < 4 and len(says) == 4:  # noqa: ASYNC110 (what is dealt)
            await asyncio.sleep(0)
        return says.pop(0)

    pretend(monkeypatch, hear)
    collected = Collected()
    with opened(tmp_path) as journal:
        batch = ProcessBatch(changes, processes=1, settings=HERE, journal=journal, telemetry=collected.telemetry())
        await until_it_ends(batch)
    with JournalReader.open(tmp_path / "journal") as reader:
        in_journal = reader.summary().outcomes
    counted = {attributes["norce.outcome"]: count for attributes, count in collected.metrics["norce.batch.changes"]}
    assert counted == {"applied_inferred": 1, "applied": 1, "unknown": 2}
    assert in_journal == {OutcomeKind(kind): count for kind, count in counted.items()}
    progress = batch.progress
    assert (progress.ended, progress.done, progress.failed, progress.retried) == (4, 2, 2, 3)
    assert "changes whose outcome is unknown: 2" in caplog.text


async def test_the_merchant_and_channel_of_the_environment_count_where_lines_name_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All changes of an order go to the same process, whether they name its merchant or not."""
    monkeypatch.setenv("NORCE_MERCHANT", "norce")
    monkeypatch.setenv("NORCE_CHANNEL", "1")
    changes: list[Change] = []
    for n in range(20):
        changes += [DeleteConsent(f"o_{n}", "c", merchant="norce", channel="1"), DeleteConsent(f"o_{n}", "c")]
    links: list[set[int]] = []

    async def hear(link: ProcessLink) -> tuple[Any, ...]:
        await asyncio.sleep(0.05)
        links.append(set(link.dealt))
        return END

    pretend(monkeypatch, hear)
    with opened(tmp_path) as journal:
        settings = {"base_url": "https://x.example", "auth": "t"}
        await until_it_ends(ProcessBatch(changes, processes=2, settings=settings, journal=journal))
    first, second = links
    assert len(first) + len(second) == len(changes)
    assert all((number + 1 in dealt) for dealt in (first, second) for number in dealt if number % 2)


class NearEnd(Pipe):
    """The pipe as a process has it, with what it says kept."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []

    def tell(self, *message: Any) -> None:
        self.said.append(message)

    def ask(self, *message: Any) -> Any:
        self.said.append(message)


async def made(
    lines: list[Dealt], answer: Callable[[Sent], Answer], *, has_done: bool = False, **arguments: Any
) -> tuple[NearEnd, Origin, Batch]:
    """What a process makes of lines that it is dealt."""
    pipe = NearEnd()
    theirs = Lines(pipe, has_done=has_done)
    client, origin, _ = on_a_timeline(answer)
    async with asyncio.timeout(20):
        batch = theirs.batch = Batch(client, theirs.entries(), journal=theirs, concurrency=4, **arguments)
        theirs.deal(lines)
        theirs.over()
        async for outcome in batch:
            theirs.leave(outcome)
    assert not theirs.numbers
    return pipe, origin, batch


def accepted(sent: Sent) -> Answer:
    return 200, {}, b'{"id": "h"}'


def refused_for_acme(sent: Sent) -> Answer:
    return 403 if sent.request.headers["x-merchant"] == "acme" else 200


async def test_a_process_does_not_send_what_it_is_dealt_to_let_settle() -> None:
    lines: list[Dealt] = [
        (7, InputLine(7, HOOK), State(None, None, once=True), False),
        (8, InputLine(8, CreateHook("o_1", hook=Hook(adapter_id="b", invoke="https://h.example"))), None, True),
    ]
    pipe, origin, batch = await made(lines, accepted, once=True, settle=5.0)
    assert len(origin.sent) == 1
    assert b'"b"' in (origin.sent[0].request.body or b"")
    assert origin.sent[0].at >= 5.0
    assert batch.progress.passed == 1
    ((_, _, rows),) = [said for said in pipe.said if said[:2] == ("journal", "write") and said[2].done]
    assert rows.ended == [8]


@pytest.mark.parametrize("outcome", [OutcomeKind.APPLIED, OutcomeKind.REJECTED])
async def test_a_process_is_told_whether_an_earlier_run_was_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outcome: OutcomeKind
) -> None:
    told: list[Any] = []

    async def start(link: ProcessLink) -> None:
        setup = BytesIO(link.setup)
        while head := setup.read(HEAD.size):
            told.append(pickle.loads(setup.read(HEAD.unpack(head)[0])))

    async def hear(link: ProcessLink) -> tuple[Any, ...]:
        return END

    pretend(monkeypatch, hear, start)
    changes = [DeleteConsent("o_1", "c")]
    with opened(tmp_path) as journal:
        mark_all(journal, changes)
        end(journal, 1, changes[0], outcome, 1.0)
    with opened(tmp_path) as journal:
        await until_it_ends(ProcessBatch(changes, processes=1, settings=HERE, journal=journal))
    assert told[1][2] is (outcome is OutcomeKind.APPLIED)


@pytest.mark.parametrize("worked", [False, True])
async def test_a_process_takes_pages_for_answers_where_an_earlier_run_was_answered(worked: bool) -> None:
    page = 404, {"content-type": "text/html"}, b"<!DOCTYPE html><title>Not found</title>"
    lines: list[Dealt] = [(n, InputLine(n, DeleteConsent(f"o_{n}", "c")), None, True) for n in range(40)]
    _, _, batch = await made(lines, lambda sent: page, has_done=worked)
    assert batch.progress.failed == (40 if worked else 0)
    assert (batch.stopped is None) is worked


async def test_a_process_lets_go_of_a_merchant_that_is_refused() -> None:
    lines: list[Dealt] = [
        (n, InputLine(n, DeleteConsent(f"o_{n}", "c", merchant="acme" if n % 2 else None)), None, True)
        for n in range(1, 3001)
    ]
    pipe, _, batch = await made(lines, refused_for_acme)
    counts = Counter(said[0] for said in pipe.said)
    assert batch.progress.done == 1500
    assert counts["left"] == 1500
    withdrawn = [number for said in pipe.said if said[1] == "withdraw" for number in said[2]]
    assert withdrawn == sorted(withdrawn)
    assert str(batch.stopped).startswith("what is left of acme/1 was not made")


def test_a_process_ends_without_a_traceback_when_the_other_end_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(code: int) -> None:
        raise SystemExit(code)

    monkeypatch.setattr(os, "_exit", leave)
    source, target = os.pipe()
    os.close(source)
    with pytest.raises(SystemExit):
        Pipe(source, target).tell("want", 1)
    os.close(target)


@pytest.mark.parametrize("number", [0, 101, 99_999])
def test_a_number_of_processes_is_checked(tmp_path: Path, number: int) -> None:
    with opened(tmp_path) as journal, pytest.raises(ConfigurationError, match="processes"):
        ProcessBatch([], processes=number, settings=HERE, journal=journal)


async def test_a_batch_that_is_stopped_while_its_processes_start_starts_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[ProcessLink] = []

    async def start(link: ProcessLink) -> None:
        started.append(link)
        if len(started) == 2:
            batch.stop("interrupted")

    async def hear(link: ProcessLink) -> tuple[Any, ...]:
        assert not link.dealt
        return "end", "interrupted", {}, None, None, False

    pretend(monkeypatch, hear, start)
    with opened(tmp_path) as journal:
        batch = ProcessBatch([DeleteConsent("o_1", "c")], processes=100, settings=HERE, journal=journal)
        await until_it_ends(batch)
        assert journal.summary().total == 0
    assert len(started) == 2
    assert batch.stopped == "interrupted"


@pytest.mark.parametrize("module", [__name__, "__main__"])
def test_a_change_of_a_class_that_processes_cannot_import_is_refused(module: str) -> None:
    class Mine(DeleteConsent):
        pass

    Mine.__module__ = module
    if module == "__main__":
        Mine.__qualname__ = "Mine"
    with pytest.raises(ConfigurationError, match="Mine: put it into a module"):
        ProcessLink(b"").add(1, InputLine(1, Mine("o_1", "c")), None, made=True)


@pytest.mark.parametrize("rate", [0, True, "5"])
def test_a_rate_of_all_processes_is_checked(tmp_path: Path, rate: Any) -> None:
    with opened(tmp_path) as journal, pytest.raises(ConfigurationError, match="rate must be a number"):
        ProcessBatch([], processes=2, settings=HERE, journal=journal, rate=rate)
