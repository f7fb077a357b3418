"""The files of a journal: killed runs, copies, readers and locks of others, and journals of the first version."""

import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest.mock import Mock

import pytest
from journals import INPUTS, TARGET, begin, connections_of, end, mark, run, write
from support import execute

from norce_order_async import ConfigurationError, OutcomeKind
from norce_order_async.batch import JournalReader, PatchAttributes
from norce_order_async.batch.journal import EmptyJournal, Journal, JournalBusy, lock, run_writer, wal, writer
from norce_order_async.batch.page.page import html_report

REFUSED = "stand only in the WAL, and batch.journal-wal is not beside it"
HOLE = "is damaged: a part of batch.journal-wal cannot be read"
KILL = """
def kill():
    os.kill(os.getpid(), 9)
def fill(journal, first, count):
    for number in range(first, first + count, 100):
        numbers = range(number, number + 100)
        write(journal, [mark(n) for n in numbers], [])
        write(journal, [], [end(n) for n in numbers])
from norce_order_async.batch.journal import run_writer, writer
"""

needs_kill = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")


def killed(path: Path, code: str) -> None:
    ended = run(KILL + code, path)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def copy(path: Path, *suffixes: str) -> Path:
    """The files of a journal in another folder."""
    folder = Path(tempfile.mkdtemp(dir=path.parent))
    for suffix in ("", *suffixes):
        shutil.copy(path.with_name(path.name + suffix), folder)
    return folder / path.name


def merge_by_others(path: Path) -> None:
    """What any program that opens a database does after a kill."""
    execute(path, "SELECT count(*) FROM sqlite_master")
    assert not path.with_name(f"{path.name}-wal").exists()


def refused(path: Path, why: str = REFUSED) -> None:
    with pytest.raises(ConfigurationError, match=why):
        JournalReader.open(path)
    with pytest.raises(ConfigurationError, match=why):
        begin(path)
    with pytest.raises(ConfigurationError, match=why):  # nothing that was tried has changed that
        begin(path)


def goes_on(path: Path, count: int) -> None:
    with begin(path) as journal:
        states = journal.states(1, count + 1)
    assert {number for number, state in states.items() if state.outcome is OutcomeKind.APPLIED} == set(
        range(1, count + 1)
    )


@needs_kill
def test_a_copy_without_its_wal_is_refused_and_one_with_it_goes_on(path: Path) -> None:
    killed(path, "fill(begin(path), 1, 2_000); kill()")
    refused(copy(path))
    goes_on(copy(path, "-wal"), 2_000)
    merged = copy(path, "-wal")
    merge_by_others(merged)
    goes_on(merged, 2_000)
    with JournalReader.open(path) as reader:
        assert reader.summary().done == 2_000
    assert sorted(file.name for file in path.parent.iterdir() if file.is_file()) == [path.name, f"{path.name}.lock"]
    goes_on(copy(path), 2_000)
    goes_on(path, 2_000)


@needs_kill
@pytest.mark.parametrize("continued", [False, True])
def test_a_run_that_wrote_nothing_yet_is_known_by_its_main_file(path: Path, continued: bool) -> None:
    if continued:
        with begin(path) as journal:
            write(journal, [mark(1)], [end(1)])
    killed(path, "begin(path); kill()")
    refused(copy(path))
    goes_on(copy(path, "-wal"), int(continued))
    with pytest.raises(ConfigurationError, match="another batch"):
        begin(copy(path, "-wal"), target="elsewhere")
    with JournalReader.open(path):
        pass
    goes_on(path, int(continued))


def flip(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 0x40
    file.write_bytes(content)


@needs_kill
@pytest.mark.parametrize("what", ["empty", "flipped"])
@pytest.mark.parametrize("code", ["fill(begin(path), 1, 500)", "begin(path)"])
def test_a_wal_that_has_no_header_is_refused_as_a_missing_one(path: Path, code: str, what: str) -> None:
    killed(path, f"journal = {code}; kill()")
    file = path.with_name("batch.journal-wal")
    if what == "empty":
        file.write_bytes(b"")
    else:
        flip(file, 20)
    refused(path)


@needs_kill
@pytest.mark.parametrize("read_before", [False, True])
def test_what_a_kill_at_the_end_of_an_earlier_run_has_left_does_not_matter(path: Path, read_before: bool) -> None:
    begin(path).close()
    killed(path, "begin(path); kill()")  # where all rows stand in the main file, and it has the mark
    path.with_name("batch.journal-journal").write_bytes(bytes(512))  # of a change of modes that was not begun
    if read_before:
        JournalReader.open(path).close()
    goes_on(path, 0)


@needs_kill
@pytest.mark.parametrize("checkpoints", [False, True])
def test_a_wal_whose_transactions_were_on_the_disk_is_refused_with_a_hole(path: Path, checkpoints: bool) -> None:
    limit = "run_writer.MAX_WAL = 300_000; " if checkpoints else ""
    killed(path, f"{limit}journal = begin(path); journal.sync(); fill(journal, 1, 2_000); kill()")
    sound = path.with_name("batch.journal-wal").read_bytes()
    last = sound.rindex(sound[16:24])  # the frame with which the last transaction ends
    for place in (32 + 9, 32 + 24 + 5, last // 2):
        damaged = copy(path, "-wal")
        flip(damaged.with_name("batch.journal-wal"), place)
        refused(damaged, HOLE)
        assert path.with_name("batch.journal-wal").read_bytes() == sound
    goes_on(copy(path, "-wal"), 2_000)
    goes_on(path, 2_000)


@needs_kill
@pytest.mark.parametrize("synced", [False, True])
def test_what_a_power_cut_leaves_goes_on(path: Path, synced: bool) -> None:
    """The last transaction may be written in any order; all that come before it too, where the disk is not waited for.

    So a WAL that was cut at its end looks like that, too.
    """
    killed(path, f"journal = begin(path); {synced} and journal.sync(); fill(journal, 1, 2_000); kill()")
    file = path.with_name("batch.journal-wal")
    sound = file.read_bytes()
    cut = copy(path, "-wal")
    cut.with_name(file.name).write_bytes(sound[: len(sound) // 2])
    flip(file, sound.rindex(sound[16:24]) - 8 - 100 if synced else len(sound) // 2)
    for each in (cut, path):
        with begin(each) as journal:
            assert 0 < journal.summary().done < 2_000


@needs_kill
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("by", ["run", "status"])
def test_a_run_that_is_killed_around_a_checkpoint_goes_on(path: Path, when: str, by: str) -> None:
    checkpoint = {"before": "kill()", "after": "real(self); kill()"}[when]
    killed(
        path,
        f"""
journal, real, run_writer.MAX_WAL = begin(path), run_writer.WrittenFiles._checkpoint, 200_000
def checkpoint(self):
    print(journal._last, flush=True)
    {checkpoint}
run_writer.WrittenFiles._checkpoint = checkpoint
fill(journal, 1, 100_000)
""",
    )
    assert path.with_name("batch.journal-wal").stat().st_size  # an empty one is known as a copy that was cut
    refused(copy(path))
    merged = copy(path, "-wal")
    merge_by_others(merged)
    refused(merged)  # which looks the same as a WAL that is lost
    if by == "status":
        with JournalReader.open(path) as reader:
            done = reader.summary().done
        assert not path.with_name("batch.journal-wal").exists()
    with begin(path) as journal:
        done = journal.summary().done
        assert done > 100
        assert all(state.outcome for state in journal.states(1, done).values())
    goes_on(path, done)


@needs_kill
@pytest.mark.parametrize("step", range(6))
def test_a_run_that_is_killed_while_it_ends_goes_on(path: Path, step: int) -> None:
    """Between any two statements of its end."""
    killed(
        path,
        f"""
journal = begin(path)
fill(journal, 1, 500)
left = [{step}]
class Counting:
    def __getattr__(self, name):
        return getattr(db, name)
    def __enter__(self):
        db.__enter__()
        return self
    def __exit__(self, *args):
        return db.__exit__(*args)
    def execute(self, *args):
        if not args[0].startswith("PRAGMA busy"):
            left[0] -= 1
            if left[0] < 0:
                kill()
        return db.execute(*args)
db, journal._db = journal._db, Counting()
journal._files._db = journal._db
journal.close()
kill()
""",
    )
    main = copy(path)
    if step < 5:
        refused(main)
    with JournalReader.open(path) as reader:
        assert reader.summary().done == 500
    goes_on(path, 500)


def test_the_wal_stays_small_while_a_slow_reader_reads(path: Path) -> None:
    file = path.with_name("batch.journal-wal")
    with begin(path) as journal:
        write(journal, [mark(n) for n in range(1, 2_001)], [])
        with JournalReader.open(path) as reader:
            rows = reader.rows()
            next(rows)
            largest = 0
            for first in range(2_001, 22_001, 100):
                numbers = range(first, first + 100)
                write(journal, [mark(n) for n in numbers], [])
                write(journal, [], [end(n) for n in numbers])
                largest = max(largest, file.stat().st_size)
            assert sum(1 for _ in rows) == 22_000 - 1
    assert largest < run_writer.MAX_WAL + 1024 * 1024
    assert not file.exists()


def test_a_journal_that_is_read_when_its_run_ends_is_whole_with_its_wal(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "LOCK_TIMEOUT", 0.1)
    journal = begin(path)
    write(journal, [mark(1)], [end(1)])
    with JournalReader.open(path) as reader, closing(sqlite3.connect(path)) as foreign:
        foreign.execute("BEGIN")
        foreign.execute("SELECT count(*) FROM changes").fetchone()
        journal.close()
        assert reader.summary().done == 1
        refused(copy(path))
        foreign.rollback()
        shutil.copy(path, path.with_name("kept"))
    goes_on(path, 1)


def test_a_journal_may_be_opened_in_another_thread(path: Path) -> None:
    opened: list[writer.Journal] = []
    thread = threading.Thread(target=lambda: opened.append(begin(path)))
    thread.start()
    thread.join()
    (journal,) = opened
    write(journal, [mark(1)], [end(1)])
    journal.close()
    goes_on(path, 1)


@pytest.mark.parametrize(("undo", "synchronous"), [(True, 2), (False, 1)])
def test_what_takes_a_change_back_outlasts_a_power_cut(
    path: Path, undo: bool, synchronous: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's FULL waits for the disk at each transaction, NORMAL at checkpoints only."""
    opened = connections_of(monkeypatch)
    with Journal.open(path, inputs=INPUTS, target=TARGET, undo=undo):
        assert opened[-1].execute("PRAGMA synchronous").fetchone() == (synchronous,)


def test_a_lock_of_another_program_is_told_at_once_and_nothing_is_written(path: Path) -> None:
    with begin(path) as journal:
        write(journal, [mark(1)], [])
        with closing(sqlite3.connect(path, isolation_level=None)) as foreign:
            foreign.execute("BEGIN IMMEDIATE")
            with pytest.raises(JournalBusy, match="locked"):
                write(journal, [mark(2)], [end(1)])
            foreign.rollback()
        assert journal.states(1, 2)[1].outcome is None
        write(journal, [mark(2)], [end(1)])
        assert journal.states(1, 2)[1].outcome is OutcomeKind.APPLIED


@pytest.mark.parametrize("what", ["deleted", "replaced", "without its WAL", "without its folder"])
@pytest.mark.skipif(sys.platform == "win32", reason="a file in use cannot be deleted")
def test_a_journal_that_is_deleted_under_a_run_ends_it(path: Path, what: str) -> None:
    journal = begin(path)
    write(journal, [mark(1)], [end(1)])
    if what == "without its WAL":
        path.with_name("batch.journal-wal").unlink()
    elif what == "without its folder":
        path.parent.rename(path.parent.with_name("moved"))
        path.parent.write_bytes(b"")
    else:
        path.unlink()
    if what == "replaced":
        path.write_bytes(b"")
    with pytest.raises(ConfigurationError, match="deleted or replaced while a run wrote it"):
        write(journal, [mark(2)], [])
    with pytest.raises(ConfigurationError, match="deleted or replaced"):
        journal.close()


def test_a_journal_killed_before_its_first_commit_says_that_nothing_was_sent(path: Path) -> None:
    path.touch()
    with pytest.raises(EmptyJournal, match="is empty: its run ended before anything was sent"):
        JournalReader.open(path)
    execute(path, "PRAGMA journal_mode = WAL")
    with pytest.raises(EmptyJournal):
        JournalReader.open(path)
    begin(path).close()


@pytest.mark.skipif(sys.platform == "win32", reason="rights work differently")
def test_what_cannot_be_seen_is_told_of_as_a_journal(shared: Path) -> None:
    with begin(shared) as journal:
        write(journal, [mark(1)], [end(1)])
    shared.with_name("batch.journal.lock").unlink()
    shared.parent.chmod(0o755)
    shared.chmod(0o644)
    told = run(
        """
from norce_order_async.batch.journal import JournalReader, discard
reader, folder = JournalReader.open(path), path.parent
def attempt(step, *args):
    try:
        step(*args)
    except ConfigurationError as error:
        print(error)
if os.getuid() == 0:
    os.setresuid(65534, 65534, 0)
else:
    folder.chmod(0o555)
attempt(begin, path)
os.seteuid(os.getresuid()[2])
folder.chmod(0)
if os.getresuid()[2] == 0:
    os.seteuid(65534)
for step in (begin, JournalReader.open, discard):
    attempt(step, path)
print(reader.is_running)
""",
        shared,
    )
    shared.parent.chmod(0o755)
    says = f"the journal {shared} cannot be"
    assert told.stderr == ""
    assert told.stdout.splitlines() == [
        f"{says} locked: batch.journal.lock cannot be made beside it: Permission denied",
        *[f"{says} opened: Permission denied"] * 3,
        "False",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="names may be longer")
def test_a_name_that_is_too_long_for_the_files_beside_it_is_told_before_anything_is_made(path: Path) -> None:
    path = path.with_name("x" * 250)
    with pytest.raises(ConfigurationError, match="x cannot be opened: File name too long"):
        begin(path)
    assert not path.exists()
    path.touch()
    with pytest.raises(ConfigurationError, match="x cannot be opened: File name too long"):
        JournalReader.open(path)


@pytest.mark.parametrize("where", ["written", "looked at"])
@pytest.mark.parametrize("code", [sqlite3.SQLITE_IOERR_SHMMAP, sqlite3.SQLITE_IOERR_LOCK])
def test_a_file_system_without_locks_is_told(
    path: Path, code: int, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = code
        raise error

    class Failing:
        execute = fail

        def close(self) -> None:
            pass

    if where == "written":
        monkeypatch.setattr(writer, "connect", fail)
    else:
        monkeypatch.setattr(wal, "connect", Mock(return_value=Failing()))
    with pytest.raises(ConfigurationError, match=r"may lack locks or shared memory: choose a place on a local disk"):
        begin(path)


def test_a_run_waits_while_a_reader_puts_away_what_a_kill_has_left(path: Path) -> None:
    begin(path).close()
    tidying = lock.hold(path, for_run=False)
    with closing(tidying), JournalReader.open(path) as reader:
        assert not reader.is_running
        timer = threading.Timer(0.3, tidying.close)
        timer.start()
        begin(path).close()
        timer.join()


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that everybody may read."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name, "batch.journal")


@pytest.mark.skipif(sys.platform == "win32", reason="rights work differently")
@pytest.mark.parametrize("version", [1, 2])
def test_who_may_only_read_a_finished_journal_is_shown_it(shared: Path, version: int) -> None:
    if version == 1:
        write_version_1(shared)
    else:
        with begin(shared) as journal:
            write(journal, [mark(1)], [end(1)])
    before = {file.name: file.read_bytes() for file in shared.parent.iterdir()}
    for file in (*shared.parent.iterdir(), shared.parent):
        file.chmod(0o555 if file.is_dir() else 0o444)
    shown = run(
        """
from norce_order_async.batch.journal import JournalReader
if os.getuid() == 0:
    os.seteuid(65534)
with JournalReader.open(path) as reader:
    print(reader.summary().done, len(list(reader.rows())), reader.is_running)
""",
        shared,
    )
    shared.parent.chmod(0o755)
    assert (shown.stdout, shown.stderr) == ("1 1 False\n", "")
    assert {file.name: file.read_bytes() for file in shared.parent.iterdir()} == before


def test_a_damaged_journal_is_found_before_a_run_goes_on_with_it(path: Path) -> None:
    with begin(path) as journal:
        for first in range(1, 2_001, 100):
            write(journal, [mark(n) for n in range(first, first + 100)], [end(n) for n in range(first, first + 100)])
    sound, found = path.read_bytes(), 0
    for place in range(4_096 + 3, len(sound), 4_096 * 3):
        path.write_bytes(sound[:place] + bytes([sound[place] ^ 0x40]) + sound[place + 1 :])
        try:
            is_sound = execute(path, "PRAGMA quick_check") == [("ok",)]
        except sqlite3.DatabaseError:
            is_sound = False
        if not is_sound:
            found += 1
            damaged = path.read_bytes()
            with pytest.raises(ConfigurationError, match="is damaged"):
                begin(path)
            assert path.read_bytes() == damaged
    assert found > 10


# The first version

VERSION_1 = """
    PRAGMA journal_mode = WAL;
    CREATE TABLE batch (target TEXT NOT NULL, begun REAL NOT NULL);
    CREATE TABLE inputs (place INTEGER PRIMARY KEY, name TEXT NOT NULL, digest TEXT, changes INTEGER);
    CREATE TABLE runs (number INTEGER PRIMARY KEY, started REAL NOT NULL, ended REAL, stopped TEXT);
    CREATE TABLE samples (at REAL NOT NULL, concurrency INTEGER NOT NULL, rate REAL, in_flight INTEGER NOT NULL,
        reason TEXT);
    CREATE TABLE changes (number INTEGER PRIMARY KEY, open INTEGER NOT NULL, outcome TEXT,
        attempts INTEGER NOT NULL DEFAULT 0, error TEXT, op TEXT, line INTEGER NOT NULL, file TEXT, digest INTEGER,
        started REAL, elapsed REAL, status INTEGER, request_id TEXT, message TEXT, record TEXT, attributes TEXT);
    PRAGMA application_id = 1313819185;
    PRAGMA user_version = 1;
"""
FIRST = PatchAttributes("o_1", {"a": 1})


def write_version_1(path: Path, *more: str) -> None:
    """A finished journal of the first version, with one change that is done."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript(VERSION_1)
        db.execute("INSERT INTO batch VALUES (?, 1e9)", (TARGET,))
        db.execute("INSERT INTO inputs VALUES (0, ?, ?, ?)", (INPUTS[0].name, INPUTS[0].digest, INPUTS[0].changes))
        db.execute("INSERT INTO runs VALUES (1, 1e9, 1e9 + 1, NULL)")
        columns = "number, open, outcome, attempts, op, line, started, elapsed, status, request_id, record"
        db.execute(
            f"INSERT INTO changes ({columns}) VALUES (1, 0, 'applied', 1, 'patch_attributes', 1, 1e9, 0.1, 200, 'r1', "
            """'{"op":"patch_attributes","order_id":"o_1"}')"""
        )
        for statement in more:
            db.execute(statement)


def test_a_journal_of_version_1_goes_on(path: Path) -> None:
    write_version_1(path, "INSERT INTO changes (number, open, line, request_id) VALUES (2, 1, 2, 'r2')")
    with JournalReader.open(path) as reader:
        assert (reader.summary().done, reader.summary().requests) == (1, 1)
        assert [row.outcome for row in reader.rows()] == ["applied", "unknown"]
    with begin(path) as journal:
        assert [state.outcome for state in journal.states(1, 2).values()] == ["applied", None]
        write(journal, [mark(3)], [end(2), end(3, OutcomeKind.ACCEPTED)])
        journal.withdraw([4], 3)
    with JournalReader.open(path) as reader:
        assert [row.outcome for row in reader.rows()] == ["applied", "applied", "accepted"]
        assert (reader.summary().requests, reader.summary().accepted, len(reader.runs)) == (6, 1, 2)
    assert execute(path, "PRAGMA user_version") == [(2,)]


def test_an_error_with_a_name_of_before_is_shown_as_it_was_written(path: Path) -> None:
    write_version_1(path, "UPDATE changes SET outcome = 'not_sent', error = 'AuthError', message = 'no token'")
    for version in (1, 2):
        assert execute(path, "PRAGMA user_version") == [(version,)]
        with JournalReader.open(path) as reader:
            assert [(row.error, row.message) for row in reader.rows()] == [("AuthError", "no token")]
            assert reader.summary().problems.keys() == {"AuthError"}
            assert "AuthError" in html_report(reader)
        with begin(path):
            pass  # the run that goes on makes it one of version 2


def test_what_version_1_did_after_a_change_is_opened_again_with_it(path: Path) -> None:
    write_version_1(path, "UPDATE changes SET outcome = 'rejected', error = 'NotFoundError', number = 0")
    with begin(path) as journal:
        write(journal, [mark(1, FIRST), mark(2, PatchAttributes("o_2", {"a": 1}))], [])
        write(journal, [], [end(1, change=FIRST), end(2)])
        journal.reopen({OutcomeKind.REJECTED}, None, None, once=False)
        assert [state.reopened for state in journal.states(0, 2).values()] == [False, True, False]
