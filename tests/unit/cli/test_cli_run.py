"""``batch run``: what is told while it runs, and of changes that it passes over."""

import asyncio
import errno
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from shell import Shell, no_transport
from support import ScriptedTransport

from norce_order_async import ConfigurationError, ConnectError, OutcomeKind, Timeout
from norce_order_async.batch import Journal, JournalReader
from norce_order_async.testing import Sandbox


@pytest.fixture(autouse=True)
def _folder(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("norce_order_async.cli.batch_makers.transport_from", no_transport)


@pytest.mark.parametrize(
    "members",
    ['"op": "patch_consent", "consent_id": "c", "checked": true, "event": "end"',
     '"op": "patch_attributes", "attributes": {"deep": ' + "[" * 100 + "]" * 100 + "}"],
)  # fmt: skip
def test_each_event_has_its_name_whatever_is_in_a_line(shell: Shell, members: str) -> None:
    Path("changes.jsonl").write_text(f'{{"order_id": "o_123", {members}}}', encoding="utf-8")
    code, out = shell("batch", "run", "changes.jsonl", "--output", "jsonl")
    events = [json.loads(line) for line in out.splitlines()]
    assert (code, [event["event"] for event in events]) == (1, ["begin", "change", "end"])
    assert (events[1]["_line"], events[1]["_outcome"]) == (1, "not_sent")


def test_a_batch_that_is_interrupted_while_it_starts_tells_its_end(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()  # as an event loop does at Ctrl-C

    monkeypatch.setattr("norce_order_async.cli.batch.refuse_to_replace", interrupted)
    Path("changes.jsonl").write_text('{"op": "delete_consent", "order_id": "o_1", "consent_id": "c"}', encoding="utf-8")
    code, out = shell("batch", "run", "changes.jsonl", "--output", "jsonl", "--report", "report.jsonl")
    begin, end = map(json.loads, out.splitlines())
    assert (code, begin["event"], end["event"]) == (130, "begin", "end")
    assert (end["stopped"], end["left"], Path("report.jsonl").exists()) == ("interrupted", 1, True)
    assert "Stopped: interrupted" in shell("batch", "status", "changes.jsonl.journal")[1]


def test_only_makes_nothing_that_was_never_begun(shell: Shell) -> None:
    lines = [{"op": "delete_consent", "order_id": f"nope_{number}", "consent_id": "c"} for number in range(5)]
    Path("changes.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    run = ("batch", "run", "changes.jsonl")
    assert shell(*run, "--max-failures", "1", "--concurrency", "1")[0] == 1
    requests = shell.sandbox.count
    for only in ("failed", "not_sent"):
        code, out = shell(*run, "--only", only)
        assert (code, "        4  left              not begun, or to be tried again\n" in out) == (1, True)
        assert ", 4 left, " in shell.errors
        assert "  The same command without --only goes on with what is left" in out
    assert shell.sandbox.count == requests + 1
    assert "norce-order: nothing was made: --only names no outcome" in shell.errors
    code, out = shell(*run, "--only", "unknown", "--journal", "another")
    assert (code, "no changes were read" in shell.errors, ", 5 left, " in shell.errors) == (1, False, True)
    shell(*run)
    assert shell.sandbox.count == requests + 5


def test_what_of_standard_input_was_never_begun_is_left(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [{"op": "delete_consent", "order_id": f"nope_{number}", "consent_id": "c"} for number in range(5)]
    Path("changes").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    for more in (("--max-failures", "1", "--concurrency", "1"), ("--only", "failed"), ("--only", "unknown")):
        with Path("changes").open(encoding="utf-8") as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            assert shell("batch", "run", "-", "--journal", "j", *more)[0] == 1
    code, out = shell("batch", "status", "j")
    assert (code, "1 of 5 changes have an outcome" in out) == (1, True)
    assert "        4  left              not begun, or to be tried again\n" in out
    with Path("changes").open(encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        shell("batch", "run", "-", "--journal", "j")
    assert "5 of 5 changes have an outcome" in shell("batch", "status", "j")[1]
    # More than is read ahead.
    lines = [{"op": "delete_consent", "order_id": f"nope_{number}", "consent_id": "c"} for number in range(3_000)]
    Path("changes").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    with Path("changes").open(encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        code, out = shell("batch", "run", "-", "--journal", "j", "--max-failures", "1", "--concurrency", "1")
    assert (code, "The same command goes on with what is left" in out) == (1, True)
    assert ": 6 changes have an outcome" in shell("batch", "status", "j")[1]


@pytest.mark.parametrize("flag", ["--report", "--html", "--journal", "--undo"])
def test_the_file_that_standard_input_comes_from_is_never_overwritten(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    before = '{"op": "delete_consent", "order_id": "o_123", "consent_id": "ci_terms"}'
    Path("changes.jsonl").write_text(before, encoding="utf-8")
    Path("link.jsonl").hardlink_to("changes.jsonl")
    with Path("changes.jsonl").open(encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        journal = () if flag == "--journal" else ("--journal", "j")
        assert shell("batch", "run", "-", flag, "link.jsonl", *journal)[0] == 3
    assert f"link.jsonl is the input: choose another {flag}" in shell.errors
    assert (Path("changes.jsonl").read_text(encoding="utf-8"), Path("j").exists()) == (before, False)


def test_that_nothing_was_made_for_lack_of_once_is_said(shell: Shell) -> None:
    line = {"op": "update_state", "order_id": "o_123", "status": "accepted"}
    Path("changes.jsonl").write_text(json.dumps(line), encoding="utf-8")
    assert shell("batch", "run", "changes.jsonl")[0] == 1
    code, out = shell("batch", "run", "changes.jsonl", "--only", "failed")
    assert (code, "the same command with --once --only failed" in out) == (1, True)
    assert "norce-order: nothing was made: what --only names is made again with --once\n" in shell.errors


def test_without_a_place_for_a_temporary_journal_it_does_not_start(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.gettempdir", nowhere)
    assert shell("batch", "run", "-")[0] == 3
    assert (
        "there is no place for a temporary journal: No usable temporary directory found in ['/tmp']: "
        "name one with --journal or TMPDIR"
    ) in shell.errors


def test_an_empty_address_of_a_cluster_is_refused(shell: Shell) -> None:
    assert shell("batch", "run", "changes.jsonl", "--cluster", "")[0] == 2
    assert "argument --cluster: is empty" in shell.errors


class OpenFiles:
    """How many files the system lets the command have open."""

    soft, hard = 200, 1_000

    def limits(self, which: int) -> tuple[int, int]:
        return self.soft, self.hard

    def set_limits(self, which: int, limits: tuple[int, int]) -> None:
        soft, hard = limits
        if soft > hard:
            raise ValueError("current limit exceeds maximum limit")
        self.soft, self.hard = soft, hard


@pytest.fixture
def open_files(monkeypatch: pytest.MonkeyPatch) -> OpenFiles:
    if sys.platform == "win32":
        pytest.skip("there is no such limit")
    import resource

    files = OpenFiles()
    monkeypatch.setattr(resource, "getrlimit", files.limits)
    monkeypatch.setattr(resource, "setrlimit", files.set_limits)
    line = {"op": "patch_consent", "order_id": "o_123", "consent_id": "ci_terms", "checked": True}
    Path("changes.jsonl").write_text(json.dumps(line), encoding="utf-8")
    return files


def test_the_limit_of_open_files_is_raised_where_the_connections_need_it(shell: Shell, open_files: OpenFiles) -> None:
    run = ("batch", "run", "changes.jsonl")
    assert (shell(*run, "--concurrency", "100")[0], open_files.soft) == (0, 200)
    assert (shell(*run, "--concurrency", "900", "--journal", "j")[0], open_files.soft) == (0, 964)
    open_files.soft = 200
    assert (shell(*run, "--concurrency", "970", "--journal", "k")[0], open_files.soft) == (0, 1_000)
    assert shell(*run, "--concurrency", "2000")[0] == 3
    says = "2,000 connections need 2,020 open files, and this machine allows fewer to the command: "
    assert f"{says}raise the limit (ulimit -n), or lower --concurrency" in shell.errors


@pytest.mark.parametrize(("hard", "raised", "most"), [(1_000, 164, None), (60, 60, None), (22, 22, 2), (12, 12, 1)])
def test_without_a_concurrency_the_connections_are_as_many_as_there_is_room_for(
    shell: Shell, open_files: OpenFiles, hard: int, raised: int, most: int | None
) -> None:
    open_files.soft, open_files.hard = 10, hard
    assert (shell("batch", "run", "changes.jsonl")[0], open_files.soft) == (0, raised)
    assert most is None or f", 0 of {most} in flight" in shell.errors


def test_what_is_written_at_the_end_does_not_lack_the_files_of_connections(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = ScriptedTransport()
    closed = list[int]()

    def save(*_: object) -> list[ConfigurationError]:
        closed.append(transport.closed)
        return []

    monkeypatch.setattr("norce_order_async.client.default_transport", lambda: transport)
    monkeypatch.setattr("norce_order_async.cli.batch.write_reports", save)
    Path("changes.jsonl").write_text('{"op": "delete_consent", "order_id": "o_1", "consent_id": "c"}', encoding="utf-8")
    assert shell("batch", "run", "changes.jsonl")[0] == 0
    assert closed == [1]


def test_a_machine_that_has_no_more_files_to_open_is_told_as_that(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_retry(concurrency: object) -> dict[str, Any]:
        return {"retry": None, "timeout": Timeout(), "limit": 100}

    error = ConnectError("cannot connect to localhost:80: Too many open files", sent=False)
    error.__cause__ = OSError(errno.EMFILE, "Too many open files")
    monkeypatch.setattr("norce_order_async.client.default_transport", lambda: ScriptedTransport(error))
    lines = [{"op": "delete_consent", "order_id": f"o_{number}", "consent_id": "c"} for number in range(9)]
    Path("changes.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    monkeypatch.setattr("norce_order_async.cli.batch_makers.client_defaults", no_retry)
    code, out = shell("batch", "run", "changes.jsonl")
    assert (code, "everything fails alike: cannot connect to localhost:80: Too many open files" in out) == (3, True)
    assert "no more files open: raise the limit (ulimit -n), or lower --concurrency." in out
    assert "--base-url" not in out


@pytest.fixture
def done(shell: Shell) -> Path:
    """The journal of a batch that is done."""
    line = {"op": "delete_consent", "order_id": "o_123", "consent_id": "ci_terms"}
    Path("changes.jsonl").write_text(json.dumps(line), encoding="utf-8")
    assert shell("batch", "run", "changes.jsonl", "--undo", "undo.jsonl")[0] == 0
    return Path("changes.jsonl.journal")


def test_the_status_of_a_journal_without_a_run(shell: Shell, done: Path) -> None:
    with closing(sqlite3.connect(done)) as db, db:
        db.execute("DELETE FROM runs")
    assert shell("batch", "status", str(done)) == (3, "")
    assert "knows of no run" in shell.errors


def test_a_batch_is_not_through_while_something_is_to_be_made_once_more(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = json.dumps({"op": "patch_attributes", "order_id": "o_123", "attributes": {"n": 1}})
    Path("changes").write_text(f"{line}\n" * 2, encoding="utf-8")
    with Path("changes").open(encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert shell("batch", "run", "-", "--journal", "j")[0] == 0
    path = Path("j")
    with JournalReader.open(path) as reader:
        inputs, target = reader.inputs, reader.target
    with Journal.open(path, inputs=inputs, target=target) as journal:
        journal.reopen([OutcomeKind.APPLIED], None, None, once=False)
    code, out = shell("batch", "status", str(path))
    assert (code, "        2  applied           done\n" in out) == (1, True)
    assert "The same command goes on with what is left" in out
    Path("changes").write_text(line, encoding="utf-8")
    with Path("changes").open(encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        code, out = shell("batch", "run", "-", "--journal", "j", "--only", "failed")
    assert (code, "The same command without --only goes on with what is left" in out) == (1, True)


@pytest.mark.parametrize("flag", ["--html", "--undo"])
def test_a_report_replaces_no_input_and_has_no_other_format(shell: Shell, done: Path, flag: str) -> None:
    before = Path("changes.jsonl").read_bytes()
    assert shell("batch", "report", str(done), flag, "changes.jsonl")[0] == 3
    assert f"changes.jsonl is the input: choose another {flag}" in shell.errors
    assert shell("batch", "report", str(done), flag, "other.jsonl", "--format", "csv")[0] == 2
    assert "--format goes with neither --html nor --undo" in shell.errors
    assert Path("changes.jsonl").read_bytes() == before
    assert not Path("other.jsonl").exists()


@pytest.mark.skipif(os.name == "nt", reason="its names have no control characters, and its shells quote otherwise")
@pytest.mark.parametrize(
    ("name", "encoding", "shown"),
    [("a\x1b[31m'b.jsonl", "utf-8", "a\\x1b[31m'b.jsonl"), ("a\u2603 'b.jsonl", "cp1252", "a\\u2603 'b.jsonl")],
    ids=["control characters", "not in the encoding"],
)
def test_what_cannot_be_shown_in_names_is_escaped_and_can_be_pasted(
    shell: Shell, name: str, encoding: str, shown: str
) -> None:
    output: Any = sys.stdout
    output.reconfigure(encoding=encoding)
    line = {"op": "delete_consent", "order_id": "nope", "consent_id": "ci_terms"}
    Path(name).write_text(json.dumps(line), encoding="utf-8")
    more = ("--undo", f"undo{name}", "--journal", f"{name}.j")
    assert shell("batch", "run", name, *more)[0] == 1
    code, out = shell("batch", "run", name, *more)
    assert (code, "\x1b" in out, "\x1b" in shell.errors) == (1, False, False)
    assert f"{shown} against " in out
    assert f"Journal: {shown}.j\n" in out
    command = next(line for line in out.splitlines() if "What failed:" in line).partition(":")[2]
    words = subprocess.run(["bash", "-c", f"printf '%s\\0' {command}"], capture_output=True, check=True).stdout
    assert words.decode().split("\0")[3] == f"{name}.j"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Sandbox]:
    """What ``norce-order sandbox`` serves, which ends at once."""
    made: list[Sandbox] = []

    async def serve(_: object, sandbox: Sandbox) -> int:
        made.append(sandbox)
        return 0

    monkeypatch.setattr("norce_order_async.cli.sandbox._serve", serve)
    return made


def test_the_example_order_of_the_sandbox_stays_where_a_file_changes_it(shell: Shell, served: list[Sandbox]) -> None:
    line = {"op": "delete_consent", "order_id": "o_123", "consent_id": "ci_other"}
    Path("orders.jsonl").write_text(json.dumps(line), encoding="utf-8")
    assert shell("sandbox", "--orders-from", "orders.jsonl")[0] == 0
    assert shell.errors == ""
    (sandbox,) = served
    order: Any = sandbox.order("o_123")
    assert {consent["id"] for consent in order["consents"]} == {"ci_newsletter", "ci_terms", "ci_other"}


GOOD = '{"op": "delete_consent", "order_id": "o_7", "consent_id": "ci"}\n'
MISSPELT = GOOD.replace("consent", "consnt", 1)


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        (GOOD + 2 * MISSPELT, 0, "orders.jsonl: 2 lines cannot be read as changes, the first of them line 2: "),
        (MISSPELT, 3, "orders.jsonl: 1 line cannot be read as changes, the first of them line 1: "),
        ("", 0, "no changes were read from orders.jsonl"),
    ],
)
def test_the_sandbox_tells_which_lines_of_a_file_give_it_no_order(
    shell: Shell, served: list[Sandbox], content: str, code: int, told: str
) -> None:
    Path("orders.jsonl").write_text(content, encoding="utf-8")
    assert shell("sandbox", "--orders-from", "orders.jsonl")[0] == code
    assert shell.errors.startswith(f"norce-order: {told}")
    assert [sandbox.order("o_7") is not None for sandbox in served] == [GOOD in content] * (code == 0)
