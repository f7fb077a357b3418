"""The journal of a batch: what it says after a kill, who may write it, and what it costs to read."""

import json
import os
import random
import signal
import sqlite3
import stat
import sys
import time
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from journals import INPUTS, PERSONAL, TARGET, bad_line, begin, end, mark, run, write
from support import execute

from norce_order_async import ConfigurationError, OutcomeKind
from norce_order_async.batch import DeleteConsent, PatchAttributes, PatchConsent
from norce_order_async.batch.changes import Change
from norce_order_async.batch.inputs import InputFile
from norce_order_async.batch.journal import JournalReader, JournalSample, State, discard
from norce_order_async.batch.journal.rare_rows import stands
from norce_order_async.batch.journal.records import MAX_MESSAGE
from norce_order_async.batch.journal.run_writer import WrittenFiles
from norce_order_async.batch.lines import parse_change
from norce_order_async.batch.page.page import html_report
from norce_order_async.batch.report import report_record

# What is written


def test_what_was_begun_and_what_became_of_it(path: Path) -> None:
    with begin(path) as journal:
        write(journal, [mark(1), mark(2, digest=7), mark(3)], [])
        write(journal, [], [end(1), end(3, OutcomeKind.REJECTED), bad_line(4, {"_raw": "{"})])
        assert journal.states(1, 3) == {
            1: State(OutcomeKind.APPLIED, None),
            2: State(None, 7),
            3: State(OutcomeKind.REJECTED, None),
        }
        assert journal.states(5, 1_000) == {}
        assert (journal.inputs, journal.target) == (tuple(INPUTS), TARGET)
        first = next(journal.rows())
        assert (first.number, first.record, first.attempts) == (1, DeleteConsent("o_1", "c").record(), 1)
        assert (first.started, first.elapsed, first.request_id, first.error) == (1e9, 0.5, "r1", None)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize(("file", "digest"), [(None, None), ("", -1), ("a.jsonl", 0), ("ä.csv", None)])
def test_a_mark_has_the_file_and_the_digest_that_it_was_given(
    path: Path, file: str | None, digest: int | None, again: bool
) -> None:
    with begin(path) as journal:
        for _ in range(1 + again):
            write(journal, [mark(1, file=file, digest=digest)], [])
        (row,) = journal.rows()
        assert (row.file, journal.states(1, 1)[1].digest) == (file, digest)


def test_attempts_of_all_runs_add_up(path: Path) -> None:
    with begin(path) as journal:
        write(journal, [mark(1)], [end(1, OutcomeKind.REJECTED, attempts=3)])
    with begin(path) as journal:
        write(journal, [mark(1, request_id="second")], [])
        assert journal.states(1, 1)[1].outcome is None
        write(journal, [], [end(1, attempts=2, request_id="second")])
        (row,) = journal.rows()
        assert (row.outcome, row.attempts, row.request_id, row.error) == (OutcomeKind.APPLIED, 5, "second", None)
        assert (journal.summary().requests, journal.summary().retried) == (5, 1)


@pytest.mark.parametrize("outcome", [OutcomeKind.UNKNOWN, OutcomeKind.ACCEPTED])
def test_attributes_are_kept_only_for_what_is_not_done(path: Path, outcome: OutcomeKind) -> None:
    with begin(path) as journal:
        write(journal, [mark(1, PERSONAL)], [])
        assert [row.record for row in journal.rows()] == [{"op": "patch_attributes", "order_id": "o_2"}]
        write(journal, [], [end(1, outcome, PERSONAL)])
        write(journal, [mark(1, PERSONAL)], [])
        (row,) = journal.rows()
        assert parse_change(report_record(row)) == PERSONAL
        write(journal, [], [end(1, OutcomeKind.APPLIED, PERSONAL)])
        assert [row.record for row in journal.rows()] == [{"op": "patch_attributes", "order_id": "o_2"}]


def test_a_mark_that_is_taken_back_leaves_what_was_before_it(path: Path) -> None:
    with begin(path) as journal:
        write(journal, [mark(1), mark(2), mark(3)], [end(1, OutcomeKind.REJECTED)])
        write(journal, [mark(1), mark(2)], [])
        journal.withdraw([1, 2], 0)
        assert journal.states(1, 3) == {1: State(OutcomeKind.REJECTED, None), 3: State(None, None)}
        row = next(journal.rows())
        assert (row.error, row.attempts, row.request_id) == ("NotFoundError", 1, None)


def test_a_change_that_is_begun_again_does_not_show_why_it_was_left(path: Path) -> None:
    with begin(path) as journal:
        write(journal, [mark(1)], [])
        journal.leave_open([stands(end(1, OutcomeKind.UNKNOWN, error="ServerError"))])
        assert next(journal.rows()).error is None  # it is under way
    with JournalReader.open(path) as reader:
        assert [row.error for row in reader.rows()] == ["ServerError"]
    with begin(path) as journal:
        write(journal, [mark(1)], [])
    with JournalReader.open(path) as reader:
        assert [(row.outcome, row.error) for row in reader.rows()] == [(OutcomeKind.UNKNOWN, "Interrupted")]


def test_a_change_that_was_never_marked_cannot_end(path: Path) -> None:
    with begin(path) as journal:
        for outcome in (OutcomeKind.APPLIED, OutcomeKind.REJECTED):
            with pytest.raises(ValueError, match="never marked"):
                write(journal, [mark(1)], [end(2, outcome)])
        assert journal.states(1, 2) == {}


def test_any_text_can_be_written(path: Path) -> None:
    said = "cut \ud83d" + "x" * 5_000
    nan = PatchAttributes("o_2", {"a": float("nan")})
    deep: Any = {}
    for _ in range(50_000):
        deep = {"a": deep}
    with begin(path, [InputFile("\udcff.jsonl", None, None)], "tar\udcffget") as journal:
        write(journal, [mark(1, file="\udcff")], [end(1, OutcomeKind.REJECTED, message=said, file="\udcff")])
        write(journal, [], [bad_line(2, {"order_id": "\udcff\x00", "op": "x"}), bad_line(3, None)])
        write(
            journal,
            [mark(4, nan), mark(5)],
            [end(4, OutcomeKind.NOT_SENT, nan), end(5, OutcomeKind.NOT_SENT, PatchAttributes("o", deep))],
        )
        journal.set_stopped("\udcff")
        rows = list(journal.rows())
    assert len(rows[0].message or "") <= MAX_MESSAGE + len("\\ud83d")
    assert [rows[1].record, rows[2].record] == [{"order_id": "\udcff\x00", "op": "x"}, None]
    assert "nan" in str(rows[3].record)
    assert "attributes" not in report_record(rows[3])
    assert report_record(rows[4])["_raw"]
    begin(path, [InputFile("\udcff.jsonl", None, None)], "tar\udcffget").close()


# Who may write it


def test_the_same_content_is_the_same_input_whatever_its_name(path: Path) -> None:
    begin(path).close()
    with begin(path, [InputFile("moved.jsonl", INPUTS[0].digest, 3)]) as journal:
        assert journal.inputs == tuple(INPUTS)


@pytest.mark.parametrize(
    ("inputs", "target"),
    [
        ([InputFile("changes.jsonl", "cd" * 32, 3)], TARGET),
        (INPUTS * 2, TARGET),
        (INPUTS, "elsewhere"),
        ([InputFile("changes.jsonl", INPUTS[0].digest, 2)], TARGET),
    ],
    ids=["content", "files", "target", "format"],
)
def test_another_batch_is_refused(path: Path, inputs: list[InputFile], target: str) -> None:
    begin(path).close()
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"another batch: changes.jsonl \(3 changes\) for http.*, begun 2"):
        begin(path, inputs, target)
    assert path.read_bytes() == before
    begin(path).close()


def test_a_second_run_is_refused_and_a_reader_is_not(path: Path) -> None:
    with begin(path) as journal:
        write(journal, [mark(1), mark(2)], [end(1)])
        with pytest.raises(ConfigurationError, match="in use by another run"):
            begin(path)
        refused = run("begin(path)", path)
        assert "in use by another run" in refused.stderr
        with JournalReader.open(path) as reader:
            assert reader.is_running
            rows = reader.rows()
            assert next(rows).number == 1
            write(journal, [mark(3)], [end(2)])
            assert [row.number for row in rows] == [2]
            assert (reader.summary().total, reader.summary().in_flight) == (2, 1)
    with JournalReader.open(path) as reader:
        assert not reader.is_running
        begin(path).close()


def test_after_a_clean_end_there_is_one_file_and_the_lock(path: Path) -> None:
    journal = begin(path)
    write(journal, [mark(1)], [end(1)])
    journal.close()
    journal.close()
    with JournalReader.open(path) as reader:
        reader.summary()
    assert sorted(file.name for file in path.parent.iterdir()) == ["batch.journal", "batch.journal.lock"]


def make(path: Path, kind: str) -> None:
    match kind:
        case "words":
            path.write_text("op,order_id\n" * 1_000)
        case "short":
            path.write_text("x")
        case "folder":
            path.mkdir()
        case "unversioned" | "newer":
            begin(path).close()
            execute(path, f"PRAGMA user_version = {99 if kind == 'newer' else 0}")
        case _:
            execute(path, "CREATE TABLE theirs (a)")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("words", "not a journal"),
        ("short", "not a journal"),
        ("database", "not a journal"),
        ("folder", "not a file"),
        ("newer", "newer version"),
        ("unversioned", "tables of no version"),
    ],
)
def test_what_is_not_a_journal_is_left_alone(path: Path, kind: str, says: str) -> None:
    make(path, kind)
    before = None if path.is_dir() else path.read_bytes()
    with pytest.raises(ConfigurationError, match=says):
        begin(path)
    with pytest.raises(ConfigurationError, match="journal"):
        JournalReader.open(path)
    assert before is None or path.read_bytes() == before


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE changes SET outcome = 'aplied'",
        "UPDATE changes SET outcome = NULL",
        "UPDATE changes SET record = '{'",
        "UPDATE changes SET record = x'ff'",
        "UPDATE changes SET attempts = 'many'",
        "UPDATE changes SET started = 'x'",
        "UPDATE changes SET started = 1e300",
        "UPDATE runs SET started = 'x'",
        "UPDATE samples SET at = 'x'",
        "DELETE FROM batch",
    ],
)
def test_a_damaged_journal_says_so(path: Path, damage: str) -> None:
    with begin(path) as journal:
        write(journal, [mark(1)], [end(1)])
        journal.sample(JournalSample(at=1e9, concurrency=10, rate=None, in_flight=5, reason=None))
    execute(path, damage)
    with JournalReader.open(path) as reader, pytest.raises(ConfigurationError, match="is damaged"):
        html_report(reader)


def test_a_journal_with_garbage_in_it_raises_nothing_else(path: Path) -> None:
    with begin(path) as journal:
        write(journal, [mark(n) for n in range(300)], [end(n) for n in range(300)])
    sound, rng = path.read_bytes(), random.Random(0)
    told: list[str] = []
    for _ in range(200):
        damaged = bytearray(sound)
        for _ in range(rng.randrange(1, 100)):
            damaged[rng.randrange(100, len(damaged))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            with JournalReader.open(path) as reader:
                reader.summary()
                assert all(report_record(row) for row in reader.rows())
                list(reader.samples())
                assert html_report(reader)
        except ConfigurationError as error:
            told.append(str(error))
    assert 100 < len(told) < 200  # some of it stands where nothing reads it
    assert all(str(path) in message for message in told)


def test_a_journal_that_is_not_there(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no journal"):
        JournalReader.open(path)
    assert not path.exists()
    with pytest.raises(ConfigurationError, match="No such file"):
        begin(path / "absent" / "batch.journal")


@pytest.mark.skipif(os.name == "nt", reason="links need a right of their own")
def test_a_journal_behind_a_link_is_deleted_with_the_link(path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    file = tmp_path / "elsewhere" / "there.journal"
    path.symlink_to(file)
    file.touch()
    assert run("journal = begin(path); write(journal, [mark(1)], []); os.kill(os.getpid(), 9)", path).returncode == -9
    assert file.with_name(f"{file.name}-wal").exists()
    discard(path)
    assert [left.name for left in tmp_path.rglob("*journal*")] == [f"{file.name}.lock"]
    begin(path).close()


# After the worst


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("when", ["between", "within"])
def test_a_killed_run_keeps_what_it_wrote(path: Path, when: str) -> None:
    code = """
journal = begin(path)
write(journal, [mark(1), mark(2, PERSONAL)], [])
write(journal, [mark(3)], [end(1)])
def killer():
    if "{when}" == "within":
        yield (9, 9, None, None, None, 0, None, None, None, None)
    os.kill(os.getpid(), 9)
with journal._files.writing():
    journal._db.executemany(statements.MARK, killer())
""".replace("{when}", when)
    killed = run("import norce_order_async.batch.journal.statements as statements" + code, path)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with JournalReader.open(path) as reader:
        assert not reader.is_running
        assert [row.outcome for row in reader.rows()] == ["applied", "unknown", "unknown"]
        assert [row.number for row in reader.rows({OutcomeKind.UNKNOWN})] == [2, 3]
        summary = reader.summary()
        assert (summary.total, summary.done, summary.in_flight) == (3, 1, 0)
        assert (summary.problems["Interrupted"].count, summary.problems["Interrupted"].line) == (2, 2)
        assert [(run.ended, run.stopped) for run in reader.runs] == [(None, None)]
    with begin(path) as journal:
        assert journal.states(1, 9) == {
            1: State(OutcomeKind.APPLIED, None),
            2: State(None, None),
            3: State(None, None),
        }
        write(journal, [mark(2, PERSONAL)], [end(2, OutcomeKind.REJECTED, PERSONAL), end(3)])
        assert [row.outcome for row in journal.rows()] == ["applied", "rejected", "applied"]
        assert (journal.summary().requests, journal.summary().retried) == (3, 0)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit of a file's size")
def test_a_full_disk_says_so_and_leaves_a_sound_journal(path: Path) -> None:
    full = run(
        """
import resource
journal = begin(path)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, -1))
try:
    for number in range(1, 100_000, 50):
        marks = [mark(n) for n in range(number, number + 50)]
        write(journal, marks, [])
        print(number + 49)
except ConfigurationError as error:
    print(error, flush=True)
    os._exit(0)
""",
        path,
    )
    *numbers, message = full.stdout.splitlines()
    assert f"the journal {path} cannot be written" in message, full.stderr
    with begin(path) as journal:
        assert len(journal.states(1, 100_000)) == int(numbers[-1])


def test_a_disk_that_is_full_when_a_run_ends_is_told_as_that(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: WrittenFiles) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    journal = begin(path)
    write(journal, [mark(1)], [end(1)])
    with monkeypatch.context() as patch:
        patch.setattr(WrittenFiles, "_checkpoint", full)
        with pytest.raises(ConfigurationError, match="cannot be written: database or disk is full"):
            journal.close()
    with JournalReader.open(path) as reader:
        assert [row.outcome for row in reader.rows()] == [OutcomeKind.APPLIED]


def test_runs_and_samples_are_told(path: Path) -> None:
    with begin(path) as journal:
        journal.set_stopped("interrupted")
        journal.sample(JournalSample(at=1.5, concurrency=8, rate=None, in_flight=3, reason="429"))
        journal.sample(JournalSample(at=2.5, concurrency=4, rate=10.0, in_flight=4, reason=None))
        assert [run.ended for run in journal.runs] == [None]
    begin(path).close()
    with JournalReader.open(path) as reader:
        first, second = reader.runs
        assert (first.stopped, second.stopped) == ("interrupted", None)
        assert first.ended is not None
        assert first.started <= first.ended <= second.started
        told = [(sample.at, sample.concurrency, sample.rate, sample.reason) for sample in reader.samples()]
        assert told == [(1.5, 8, None, "429"), (2.5, 4, 10.0, None)]


# Reading


def test_a_journal_is_read_that_was_written_by_a_clock_before_1970(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = -3e7
    monkeypatch.setattr(time, "time", lambda: at)
    with begin(path) as journal:
        write(journal, [mark(1, started=at)], [end(1, started=at)])
        journal.sample(JournalSample(at=at, concurrency=10, rate=None, in_flight=5, reason=None))
    with JournalReader.open(path) as reader:
        assert [row.started for row in reader.rows()] == [at]
        assert [sample.at for sample in reader.samples()] + [run.started for run in reader.runs] == [at, at]
        assert "1969" in html_report(reader)
    begin(path).close()


def test_a_run_takes_as_long_as_it_does_though_the_clock_is_set_back(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with begin(path):
        monkeypatch.setattr(time, "time", lambda: 1_000_000_000.0)
    with JournalReader.open(path) as reader:
        run = reader.runs[-1]
    assert run.ended is not None
    assert 0 <= run.ended - run.started < 60


def test_the_sums_are_those_of_the_outcomes(path: Path) -> None:
    outcomes = [
        end(1, attempts=2),
        end(2, OutcomeKind.REJECTED, PERSONAL, file="a.jsonl"),
        end(3, OutcomeKind.REJECTED, message="another"),
        end(4, OutcomeKind.APPLIED_INFERRED),
        end(5, change=PatchConsent("o", "c", checked=True)),
        bad_line(6, None),
    ]
    with begin(path) as journal:
        write(journal, [mark(each.number, each.change, file=each.file) for each in outcomes[:5]], outcomes)
        summary = journal.summary()
    assert summary.outcomes == {"applied": 2, "applied_inferred": 1, "rejected": 2, "not_sent": 1}
    assert (summary.total, summary.done, summary.failed, summary.requests, summary.retried) == (6, 3, 3, 6, 1)
    assert summary.operations == {"delete_consent": 3, "patch_attributes": 1, "patch_consent": 1}
    problem = summary.problems["NotFoundError"]
    assert (problem.count, problem.line, problem.file, problem.message) == (2, 2, "a.jsonl", "HTTP 404")
    assert list(summary.problems) == ["NotFoundError", "InvalidRequestError"]


def test_rows_of_some_outcomes(path: Path) -> None:
    with begin(path) as journal:
        write(journal, [mark(1), mark(2), mark(3)], [end(1), end(2, OutcomeKind.REJECTED)])
        assert [row.number for row in journal.rows({OutcomeKind.REJECTED, OutcomeKind.UNKNOWN})] == [2]
        assert [row.outcome for row in journal.rows()] == ["applied", "rejected", None]
        assert list(journal.rows(())) == []
    with JournalReader.open(path) as reader:
        assert [row.number for row in reader.rows({OutcomeKind.REJECTED, OutcomeKind.UNKNOWN})] == [2, 3]


def test_reading_many_rows_takes_no_memory(path: Path) -> None:
    def filled(count: int) -> Iterator[tuple[object, ...]]:
        record = json.dumps(DeleteConsent("o_1", "c").record())
        return ((number, 0, "applied", 1, number, record) for number in range(1, count + 1))

    begin(path).close()
    with sqlite3.connect(path) as db:
        columns = "number, open, outcome, attempts, line, record"
        db.executemany(f"INSERT INTO changes ({columns}) VALUES (?, ?, ?, ?, ?, ?)", filled(30_000))
    db.close()
    with JournalReader.open(path) as reader:
        rows = reader.rows()
        next(rows)
        tracemalloc.start()
        assert sum(1 for _ in islice(rows, 20_000)) == 20_000
        assert reader.summary().total == 30_000
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert sum(1 for _ in rows) == 30_000 - 20_001
    assert peak < 1_000_000


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_journal_is_its_owners_alone(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with begin(path) as journal:
            write(journal, [mark(1, PERSONAL)], [])
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes.keys() >= {f"{path.name}{suffix}" for suffix in ("", "-wal", "-shm", ".lock")}
    assert set(modes.values()) == {0o600}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
def test_a_continued_journal_keeps_its_permissions(path: Path) -> None:
    begin(path).close()
    path.chmod(0o640)
    with begin(path) as journal:
        write(journal, [mark(1, PERSONAL)], [])
        assert {stat.S_IMODE(Path(f"{path}{suffix}").stat().st_mode) for suffix in ("", "-wal", "-shm")} == {0o640}


@pytest.mark.parametrize(
    "change",
    [
        DeleteConsent('o_"å', "c", merchant="m", channel="c"),
        PatchConsent("o", "c", checked=False),
        PatchAttributes("o", {"a": 1}),
    ],
)
def test_a_record_is_the_line_of_the_change(path: Path, change: Change) -> None:
    members = change.record()
    members.pop("attributes", None)
    with begin(path) as journal:
        write(journal, [mark(1, change)], [])
        (row,) = journal.rows()
    assert row.record == members
    assert list(members) == list(row.record if isinstance(row.record, dict) else ())
