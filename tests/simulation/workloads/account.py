"""What the wire and the server saw of the lines of a batch, held against its journal."""

import json
import math
import random
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
from simulation.checks import NOTHING_DONE, here
from simulation.scene import API, Scene
from simulation.weather import Weather
from soak_batch.ledger import CONSENTS, Ledger

from norce_order_async import Attempt, OutcomeKind, Timeout
from norce_order_async.batch.journal import EmptyJournal, JournalReader
from norce_order_async.batch.report import JournalRow
from norce_order_async.middleware import Call
from norce_order_async.testing import ReceivedRequest

TIMEOUT = Timeout.batch()
_SETTLE = TIMEOUT.attempt
"""Seconds for which the next change of a resource waits after an attempt that was given up."""
_HEADER, _FRAME_HEADER = 32, 24  # bytes in a WAL


@attrs.define(eq=False)
class Account:
    """What the wire and the server saw of the lines of a batch.

    Attributes:
        owners: The line of each request id, as the journal has it.
        sent: How often a request with an id was written.
        latest: When the latest request with an id was written, and the number of the process that did.
        applied: The requests that were carried out, in order: when, and their ids.
        missing: The ids that were answered with 404.
        lost: When the last attempt with an id ended without an answer.
        resources: What each id that was carried out is about.
        throttled: The ids that were answered with 429.
        closed: The lines that have ended, by the journal, and how.
        open: How many requests the lines that are open took, by the journal.
        written: How often a request with an id was written since the last look, and not refused with 429.
    """

    scene: Scene
    ledger: Ledger
    owners: dict[str, int] = attrs.Factory(dict[str, int])
    sent: Counter[str] = attrs.Factory(Counter[str])
    latest: dict[str, tuple[float, int]] = attrs.Factory(dict[str, tuple[float, int]])
    applied: list[tuple[float, str]] = attrs.Factory(list[tuple[float, str]])
    missing: dict[str, None] = attrs.Factory(dict[str, None])
    lost: dict[str, float] = attrs.Factory(dict[str, float])
    resources: dict[str, object] = attrs.Factory(dict[str, object])
    throttled: set[str] = attrs.Factory(set[str])
    closed: dict[int, OutcomeKind | None] = attrs.Factory(dict[int, OutcomeKind | None])
    open: dict[int, int] = attrs.Factory(dict[int, int])
    written: Counter[str] = attrs.Factory(Counter[str])

    @classmethod
    def begin(cls, scene: Scene, folder: Path, count: int, choices: random.Random) -> tuple["Account", Path]:
        """Make up lines, and begin with a server that has their orders; the account, and the file with the lines."""
        ledger = Ledger.write(count, choices)
        for order_id in ledger.orders:
            scene.sandbox.add_order(order_id, consents=CONSENTS)
        source = folder / "changes.jsonl"
        source.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in ledger.lines))
        account = cls(scene, ledger)
        scene.watch.on_written, scene.watch.on_received = account.on_written, account.on_received
        scene.serve()
        Weather(scene, pause=10, longest=60, until=scene.world.now + 600, hosts=(API,))
        return account, source

    def on_written(self, request_id: str) -> None:
        """A request is written: not for a line that was closed before."""
        self.written[request_id] += 1
        self.sent[request_id] += 1
        self.latest[request_id] = self.scene.world.now, here().number
        number = self.owners.get(request_id)
        if number in self.closed:
            self.scene.watch.violation(f"line {number} was {self.closed[number]} before, and is sent again")

    def on_attempt(self, call: Call, attempt: Attempt) -> None:
        """An attempt has ended."""
        if attempt.status is None and attempt.sent is not False:
            self.lost[call.request_id] = self.scene.world.now
        elif attempt.status == 429:  # nothing was made of it: its mark may be taken back
            self.written[call.request_id] -= 1
            self.throttled.add(call.request_id)

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
        if not lost_power:
            self.learn(journal)
            return
        self._take(*look(journal))
        self.written.clear()

    def learn(self, journal: Path) -> None:
        """Hold what was sent so far against what a journal says by now, also in the midst of a run."""
        violation, before = self.scene.watch.violation, self.closed
        self._take(*look(journal))
        for request_id, count in self.written.items():
            if count > 0 and request_id not in self.owners:
                violation(f"{request_id} was sent, and the journal has no mark of it")
        for number, outcome in before.items():
            if self.closed.get(number) is not outcome:
                violation(f"line {number} was {outcome}, and is {self.closed.get(number)}")
        self.written.clear()

    def _take(self, rows: list[JournalRow], is_open: set[int]) -> None:
        self.owners |= {row.request_id: row.number for row in rows if row.request_id is not None}
        self.closed = {row.number: row.outcome for row in rows if row.number not in is_open}
        self.open = {row.number: row.attempts for row in rows if row.number in is_open}

    def settle(self, journal: Path) -> None:
        """See that every line has one true outcome, and that the last change of each resource is the last."""
        violation, lines = self.scene.watch.violation, self.ledger.lines
        applied = Counter(self.owners[request_id] for _, request_id in self.applied if request_id in self.owners)
        missing = {self.owners[request_id] for request_id in self.missing if request_id in self.owners}
        # A mark of a process that was killed counts: it may have sent the request, and no journal can know.
        perhaps = Counter(self.owners.values())
        for request_id, count in self.sent.items():
            if request_id in self.owners:
                perhaps[self.owners[request_id]] += max(0, count - 1)
        rows, is_open = look(journal)
        if is_open:
            violation(f"{len(is_open)} lines are open when the batch is done")
        if [row.number for row in rows] != list(range(1, len(lines) + 1)):
            violation(f"{len(rows)} outcomes for {len(lines)} lines")
        # What a power cut has made the journal forget is made once more, and what then becomes of it and of the later
        # lines about the same resource depends on what was forgotten, of which no mark is left to compare with.
        unsure = {what for request_id, what in self.resources.items() if request_id not in self.owners}
        for row in rows:
            times, right = applied[row.number], self.ledger.right[row.number - 1]
            resource = _resource(lines[row.number - 1])
            if row.outcome is None:
                violation(f"line {row.number} has no outcome")
            elif row.outcome in NOTHING_DONE and times:
                violation(f"line {row.number} is {row.outcome}, and was applied {times} times")
            elif row.outcome is OutcomeKind.APPLIED_INFERRED:
                if row.number not in missing or perhaps[row.number] < 2:
                    violation(f"line {row.number} is {row.outcome}, and nothing was sent before what found nothing")
                # Where an earlier line, or a request that is forgotten, has removed it, 404 says the same.
                elif not times and right is OutcomeKind.APPLIED and resource not in unsure:
                    violation(f"line {row.number} is {row.outcome}, and nobody has removed it")
            elif row.outcome.done and not times:
                violation(f"line {row.number} is {row.outcome}, and was not applied")
            elif resource in unsure:
                pass
            elif row.outcome.done is not (right is OutcomeKind.APPLIED):
                # Refused for its rate, and out of rounds in the end, say for a server that was out of reach.
                ran_out = row.outcome is OutcomeKind.REJECTED and row.request_id in self.throttled
                is_open_end = ran_out or row.outcome in (OutcomeKind.UNKNOWN, OutcomeKind.NOT_SENT)
                if not is_open_end or right is OutcomeKind.NOT_SENT:
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
            written, run = self.latest[request_id]
            # After a power cut, earlier changes may be made once more, and the later ones after them.
            newest = latest.get(resource, (0, 0))
            # A process that goes on waits for what it has sent until it has given it up; one that was killed has sent
            # nothing after that. A copy may come later than anybody waits for it, and which copy of a request was
            # carried out, the ledger cannot tell: they have the same id.
            ends = self.lost.get(request_id, math.inf) if newest[0] == run else written
            if newest > (run, number) and newest[1] > number and at < ends + _SETTLE:
                self.scene.watch.violation(
                    f"line {number} of run {run} was applied at {at:.3f} after line {newest[1]} of run {newest[0]}"
                )
            latest[resource] = max(newest, (run, number))


def _resource(line: dict[str, Any] | str) -> object:
    return (line["order_id"], line.get("consent_id")) if isinstance(line, dict) else None


def look(journal: Path) -> tuple[list[JournalRow], set[int]]:
    """What a journal has, and the numbers of the lines that are open; its files stay as they are."""
    look = journal.with_name("look.journal")
    for old in journal.parent.glob("look.journal*"):
        old.unlink()
    copy(journal, look, None)
    if not look.exists() or not look.stat().st_size:
        return [], set()
    try:
        with JournalReader.open(look) as reader:
            rows = list(reader.rows())
        with closing(sqlite3.connect(look)) as db:
            return rows, {number for (number,) in db.execute("SELECT number FROM changes WHERE open")}
    except EmptyJournal:
        return [], set()


def in_a_folder(batch: Callable[[Scene, Path, int], None]) -> Callable[[Scene, float], None]:
    """A workload of a batch in a folder of its own, in memory where that can be; hours say how many lines it has."""

    def run(scene: Scene, hours: float) -> None:
        folder = Path("/dev/shm")
        with TemporaryDirectory(dir=folder if folder.is_dir() else None) as path:
            batch(scene, Path(path), max(20, round(hours * 400)))

    return run


def copy(journal: Path, to: Path, choices: random.Random | None) -> None:
    """The files as they were written; with ``choices``, as after a power cut: a prefix of the WAL is left."""
    if not journal.exists():
        return
    shutil.copyfile(journal, to)
    wal = journal.with_name(f"{journal.name}-wal")
    if wal.exists():
        written = wal.read_bytes()
        kept = (
            len(written)
            if choices is None
            else choices.randint(min(_on_disk(journal, written), len(written)), len(written))
        )
        to.with_name(f"{to.name}-wal").write_bytes(written[:kept])


def _on_disk(journal: Path, written: bytes) -> int:
    """Bytes of the WAL that a checkpoint has waited for, before it copied them: its header, and what it has copied."""
    shm = journal.with_name(f"{journal.name}-shm")
    index = shm.read_bytes() if shm.exists() else b""
    if index[32:40] != written[16:24]:  # the salts: the index is of another WAL
        return _HEADER
    copied, page_size = int.from_bytes(index[96:100], sys.byteorder), int.from_bytes(written[8:12])
    return _HEADER + copied * (_FRAME_HEADER + page_size)
