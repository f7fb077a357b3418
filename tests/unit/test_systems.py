"""What other systems do otherwise, acted out on this one."""

import asyncio
import errno
import io
import os
import signal
import sqlite3
import stat
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePath, PureWindowsPath
from typing import Any

import pytest

from norce_order_async import ConfigurationError
from norce_order_async.batch import Journal, JournalReader
from norce_order_async.batch.cluster import ClusterBatch
from norce_order_async.batch.journal import lock
from norce_order_async.batch.journal.uri import uri_of
from norce_order_async.batch.processes import ProcessBatch
from norce_order_async.batch.replacing import replacing
from norce_order_async.batch.undo.files import UndoSummary
from norce_order_async.cli.batch_undo import undo_lines
from norce_order_async.cli.output import is_reader_gone, print_utf8
from norce_order_async.cli.sandbox import exports
from norce_order_async.cli.signals import on_ending, sigterm_as_sigint


@pytest.mark.skipif(os.name == "nt", reason="these are names of files elsewhere")
@pytest.mark.parametrize(
    "path",
    [
        PureWindowsPath(r"\\server\share\a b.journal"),
        PureWindowsPath(r"\\?\C:\long\a.journal"),
        PureWindowsPath(r"Z:\100%#1?.journal"),
        PurePath("å?mode=memory&x#y%41.journal"),
    ],
    ids=str,
)
def test_sqlite_gets_a_path_as_it_is(path: PurePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect(uri_of(path, "mode=rwc"), uri=True)) as db:
        db.execute("CREATE TABLE t (x)")
    assert [file.name for file in tmp_path.iterdir()] == [str(path)]


def test_a_journal_with_an_odd_name_is_locked_and_read(tmp_path: Path) -> None:
    path = tmp_path / "a %41#b?mode=memory.journal"
    with Journal.open(path, inputs=[], target="here"):
        assert lock.is_held(path)
        with JournalReader.open(path) as reader:
            assert reader.is_running
    assert not lock.is_held(path)


@pytest.fixture
def signals() -> Iterator[None]:
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    before = {number: signal.getsignal(number) for number in signal.Signals if number.name in names}
    yield
    for number, action in before.items():
        signal.signal(number, action)


@pytest.mark.usefixtures("signals")
def test_ctrl_c_calls_where_the_loop_takes_no_signals_and_ends_the_program_once_the_loop_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*arguments: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.SelectorEventLoop, "add_signal_handler", refuse)

    async def wait() -> int:
        pressed = asyncio.Queue[int]()
        on_ending(lambda: pressed.put_nowait(1))
        signal.raise_signal(signal.SIGINT)
        first = await pressed.get()
        signal.raise_signal(signal.SIGINT)
        return first + await pressed.get()

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        assert runner.run(wait()) == 2
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.usefixtures("signals")
def test_a_signal_that_is_ignored_stays_ignored(name: str) -> None:
    number = signal.Signals[name]
    signal.signal(number, signal.SIG_IGN)

    async def pressed() -> list[int]:
        acts: list[int] = []
        on_ending(lambda: acts.append(1))
        signal.raise_signal(number)
        await asyncio.sleep(0.01)
        return acts

    assert asyncio.run(pressed()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.usefixtures("signals")
def test_sigterm_ends_a_command_also_where_ctrl_c_is_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with pytest.raises(KeyboardInterrupt), sigterm_as_sigint():
        signal.raise_signal(signal.SIGTERM)


def test_where_a_file_that_is_read_only_cannot_be_replaced_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = tmp_path / "report.jsonl"
    report.write_bytes(b"old")
    report.chmod(0o444)
    unlink = Path.unlink

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, "Access is denied")

    def unlink_writable(self: Path, missing_ok: bool = False) -> None:
        if not self.stat().st_mode & stat.S_IWUSR:
            raise PermissionError(errno.EACCES, "Access is denied")
        unlink(self, missing_ok)

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(Path, "unlink", unlink_writable)
    with pytest.raises(ConfigurationError, match="cannot be written: Access is denied"), replacing(report, "report"):
        pass
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


def test_json_is_utf_8_whatever_the_system_takes_for_pipes(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252", errors="backslashreplace"))
    print_utf8()
    print('"å😀"', end="", flush=True)
    assert raw.getvalue() == '"å😀"'.encode()


@pytest.mark.parametrize(("name", "gone"), [("win32", True), ("linux", False)])
def test_a_reader_that_is_gone_is_told_from_a_full_disk(name: str, gone: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", name)
    found = [
        is_reader_gone(error) for error in (BrokenPipeError(), OSError(errno.EINVAL, ""), OSError(errno.ENOSPC, ""))
    ]
    assert found == [True, gone, False]


@pytest.mark.parametrize("kind", [ProcessBatch, ClusterBatch])
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("frozen", True, "frozen program"),
        *(("executable", value, "cannot be run") for value in ("", None, "/none/python")),
    ],
)
def test_a_program_that_cannot_start_python_says_so(
    kind: Any, name: str, value: Any, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, name, value, raising=False)
    count: dict[str, Any] = {"processes": 2} if kind is ProcessBatch else {"cluster": 2}
    settings = {"base_url": "https://x.example", "merchant": "norce", "channel": "1"}
    with (
        Journal.open(tmp_path / "a.journal", inputs=[], target="here") as journal,
        pytest.raises(ConfigurationError, match=says),
    ):
        kind([], settings=settings, journal=journal, **count)


@pytest.mark.parametrize(
    ("platform", "lines"),
    [
        ("win32", '  $env:NORCE_BASE_URL = "http://x"\n  $env:NORCE_TOKEN = "t"'),
        ("darwin", "  export NORCE_BASE_URL=http://x\n  export NORCE_TOKEN=t"),
    ],
)
def test_the_sandbox_tells_each_shell_its_own_lines(platform: str, lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert exports({"BASE_URL": "http://x", "TOKEN": "t"}) == lines


@pytest.mark.parametrize(
    ("platform", "file"), [("win32", "\"the 'way' back.jsonl\""), ("linux", "'the '\"'\"'way'\"'\"' back.jsonl'")]
)
def test_a_command_can_be_pasted_whatever_its_files_are_called(
    platform: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    undo = UndoSummary(Path("the 'way' back.jsonl"), Path("left.jsonl"), changes=1, once=1)
    assert list(undo_lines(undo))[1].endswith(f"  norce-order batch run {file} --once")


def test_a_benchmark_over_tls_says_that_nginx_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("resource", reason="Windows has no limits of files")
    from benchmarks import server

    monkeypatch.setattr(server, "find_nginx", lambda: None)
    with pytest.raises(SystemExit, match="nginx, which is not installed"), server.serve(Path("server.pem")):
        pass
