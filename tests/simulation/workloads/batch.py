"""A batch with a journal that is killed between any two turns of its loop, or loses its power, and is continued."""

import json
import math
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
from simulation.scene import API, CLIENT, Scene
from simulation.weather import Weather
from soak_batch.ledger import CONSENTS, Ledger

from norce_order_async import Attempt, OutcomeKind, RetryPolicy, Timeout
from norce_order_async.batch import Batch, Input
from norce_order_async.batch.journal import EmptyJournal, Journal, JournalReader
from norce_order_async.batch.report import JournalRow
from norce_order_async.middleware import Call
from norce_order_async.testing import ReceivedRequest

_TIMEOUT = Timeout.batch()
_SETTLE = _TIMEOUT.attempt
"""Seconds for which the next change of a resource waits after an attempt that was given up."""
_NOTHING_DONE = (OutcomeKind.NOT_SENT, OutcomeKind.REJECTED)


@attrs.define(eq=False)
class _Account:
    """What the wire and the server saw of the lines of a batch.

    Attributes:
        owners: The line of each request id, as the journal has it.
        first: When the first request with an id was written, and the run in which the last one was.
        applied: The requests that were carried out, in order: when, and their ids.
        missing: The ids that were answered with 404.
        lost: When the last attempt with an id ended without an answer.
        resources: What each id that was carried out is about.
    """

    scene: Scene
    ledger: Ledger
    run: int = 0
    owners: dict[str, int] = attrs.Factory(dict[str, int])
    first: dict[str, tuple[float, int]] = attrs.Factory(dict[str, tuple[float, int]])
    applied: list[tuple[float, str]] = attrs.Factory(list[tuple[float, str]])
    missing: dict[str, None] = attrs.Factory(dict[str, None])
    lost: dict[str, float] = attrs.Factory(dict[str, float])
    resources: dict[str, object] = attrs.Factory(dict[str, object])
    closed: dict[int, OutcomeKind | None] = attrs.Factory(dict[int, OutcomeKind | None])
    written: dict[str, None] = attrs.Factory(dict[str, None])

    def on_written(self, request_id: str) -> None:
        """A request is written: not for a line that was closed before."""
        self.written[request_id] = None
        self.first.setdefault(request_id, (self.scene.world.now, self.run))
        number = self.owners.get(request_id)
        if number in self.closed:
            self.scene.watch.violation(f"line {number} was {self.closed[number]} before, and is sent again")

    def on_attempt(self, call: Call, attempt: Attempt) -> None:
        """An attempt has ended."""
        if attempt.status is None and attempt.sent is not False:
            self.lost[call.request_id] = self.scene.world.now

    def on_received(self, request: ReceivedRequest) -> None:
        """The server has decided on a request."""
        request_id = request.headers["x-request-id"]
        if request.applied:
            self.applied.append((self.scene.world.now, request_id))
            _, _, order_id, _, *part = request.target.removeprefix("/api/v0/").split("/")
            self.resources[request_id] = (order_id, part[0] if part else None)
        if request.status == 404:
            self.missing[request_id] = None

    def after_run(self, journal: Path, *, lost_power: bool) -> None:
        """Hold what a run has sent against what its journal says after its end."""
        violation, before = self.scene.watch.violation, self.closed
        rows, is_open = _look(journal)
        self.owners |= {row.request_id: row.number for row in rows if row.request_id is not None}
        self.closed = {row.number: row.outcome for row in rows if row.number not in is_open}
        if not lost_power:
            for request_id in self.written:
                if request_id not in self.owners:
                    violation(f"{request_id} was sent, and the journal has no mark of it")
            for number, outcome in before.items():
                if self.closed.get(number) is not outcome:
                    violation(f"line {number} was {outcome}, and is {self.closed.get(number)}")
        self.written.clear()

    def settle(self, journal: Path) -> None:
        """See that every line has one true outcome, and that the last change of each resource is the last."""
        violation, lines = self.scene.watch.violation, self.ledger.lines
        applied = Counter(self.owners[request_id] for _, request_id in self.applied if request_id in self.owners)
        missing = {self.owners[request_id] for request_id in self.missing if request_id in self.owners}
        rows, is_open = _look(journal)
        if is_open:
            violation(f"{len(is_open)} lines are open when the batch is done")
        if [row.number for row in rows] != list(range(1, len(lines) + 1)):
            violation(f"{len(rows)} outcomes for {len(lines)} lines")
        # What a power cut has made the journal forget is made once more, and may be refused then.
        unsure = {what for request_id, what in self.resources.items() if request_id not in self.owners}
        for row in rows:
            times, right = applied[row.number], self.ledger.right[row.number - 1]
            resource = _resource(lines[row.number - 1])
            inferred = row.outcome is OutcomeKind.APPLIED_INFERRED and row.number in missing
            if row.outcome is None:
                violation(f"line {row.number} has no outcome")
            elif row.outcome.done and not times and not inferred:
                violation(f"line {row.number} is {row.outcome}, and was not applied")
            elif resource in unsure or inferred:
                pass
            elif row.outcome in _NOTHING_DONE and times:
                violation(f"line {row.number} is {row.outcome}, and was applied {times} times")
            elif row.outcome.done is not (right is OutcomeKind.APPLIED):
                if row.outcome not in (OutcomeKind.UNKNOWN, OutcomeKind.NOT_SENT) or right is OutcomeKind.NOT_SENT:
                    violation(f"line {row.number} is {row.outcome}, and should be {right}")
                unsure.add(resource)
        self._check_order()

    def _check_order(self) -> None:
        """No earlier change of a resource after a later one, unless it was on its way for longer than anybody waits."""
        latest: dict[object, tuple[int, int]] = {}
        for at, request_id in self.applied:
            number = self.owners.get(request_id)
            if number is None:
                continue
            resource = _resource(self.ledger.lines[number - 1])
            first, run = self.first[request_id]
            # After a power cut, earlier changes may be made once more, and the later ones after them.
            newest = latest.get(resource, (0, 0))
            # Whoever was killed has given up nothing: what it sent may come at any time.
            ends = self.lost.get(request_id, math.inf) if newest[0] == run else first
            if newest > (run, number) and newest[1] > number and at < ends + _SETTLE:
                self.scene.watch.violation(
                    f"line {number} of run {run} was applied at {at:.3f} after line {newest[1]} of run {newest[0]}"
                )
            latest[resource] = max(newest, (run, number))


def _resource(line: dict[str, Any] | str) -> object:
    return (line["order_id"], line.get("consent_id")) if isinstance(line, dict) else None


def _look(journal: Path) -> tuple[list[JournalRow], set[int]]:
    """What a journal has, and the numbers of the lines that are open; its files stay as they are."""
    look = journal.with_name("look.journal")
    for old in journal.parent.glob("look.journal*"):
        old.unlink()
    _copy(journal, look, None)
    if not look.exists() or not look.stat().st_size:
        return [], set()
    try:
        with JournalReader.open(look) as reader:
            rows = list(reader.rows())
        with closing(sqlite3.connect(look)) as db:
            return rows, {number for (number,) in db.execute("SELECT number FROM changes WHERE open")}
    except EmptyJournal:
        return [], set()


def _copy(journal: Path, to: Path, choices: random.Random | None) -> None:
    """The files as they were written; with ``choices``, as after a power cut: any prefix of the WAL is left."""
    if not journal.exists():
        return
    shutil.copyfile(journal, to)
    wal = journal.with_name(f"{journal.name}-wal")
    if wal.exists():
        written = wal.read_bytes()
        kept = len(written) if choices is None else choices.randrange(len(written) + 1)
        to.with_name(f"{to.name}-wal").write_bytes(written[:kept])


def run(scene: Scene, hours: float) -> None:
    """Let a batch be killed again and again until it is done; ``hours`` say how many lines it has."""
    folder = Path("/dev/shm")
    with TemporaryDirectory(dir=folder if folder.is_dir() else None) as path:
        _run(scene, Path(path), max(20, round(hours * 400)))


def _work(
    account: _Account, source: Path, journal: Path, choices: random.Random
) -> Callable[[], Coroutine[object, object, bool]]:
    """A program that runs the batch, or continues it; whether it came to its end."""
    scene, number = account.scene, account.run
    at_once, rate = choices.choice([4, 30]), choices.choice([3.0, 20.0, None])

    async def work() -> bool:
        given = Input(source)
        settings = {"retry": RetryPolicy.batch(), "timeout": _TIMEOUT, "on_attempt": [account.on_attempt]}
        with closing(Journal.open(journal, inputs=given.survey(), target="t")) as opened:
            async with (
                scene.client(f"batch {number}", **settings) as client,
                Batch(client, given.entries(), journal=opened, concurrency=at_once, rate=rate) as batch,
            ):
                async for outcome in batch:
                    scene.world.note("batch", f"line {outcome.number} is {outcome.outcome}")
            return batch.stopped is None

    return work


def _run(scene: Scene, folder: Path, count: int) -> None:
    world, watch = scene.world, scene.watch
    choices = world.stream("batch")
    ledger = Ledger.write(count, choices)
    for order_id in ledger.orders:
        scene.sandbox.add_order(order_id, consents=CONSENTS)
    source = folder / "changes.jsonl"
    source.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in ledger.lines))
    account = _Account(scene, ledger)
    watch.on_written, watch.on_received = account.on_written, account.on_received
    scene.serve()
    Weather(scene, pause=10, longest=60, until=world.now + 600, hosts=(API,))
    journal = folder / "0.journal"
    lost_power = False
    for number in range(1, 1_000):
        account.run = number
        process = world.start("batch", CLIENT, _work(account, source, journal, choices))
        last = number > 12
        turns = None if last else round(10 ** choices.uniform(0, 3.5))
        world.run(lambda p=process, t=turns: p.is_over or (t is not None and p.turns >= t), most=20_000)  # type: ignore[misc]
        if process.is_over:
            scene.check_end(process)
        process.kill()
        lost_power = not process.result and choices.random() < 0.3
        after = folder / f"{number}.journal"
        _copy(journal, after, choices if lost_power else None)
        journal = after
        account.after_run(journal, lost_power=lost_power)
        if process.result:
            break
        if choices.random() < 0.5:
            world.wait(choices.uniform(0, 30))
    account.settle(journal)
