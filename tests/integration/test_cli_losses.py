"""Batches that lose their surroundings: the input, the terminal, the disk, the journal, the token."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from command import CLI, clean, sandbox_settings, start, start_batch
from commanded import call, until_some_are_done

from norce_order_async.testing import Sandbox, SandboxServer

pytest_plugins = ["norce_order_async.testing.plugin"]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals, terminals and open files work differently")

JOURNAL = "changes.jsonl.sandbox.journal"
SLOW = ("--sandbox", "--concurrency", "4", "--fault", "latency:0.02")


def change(number: int) -> str:
    members = {"op": "patch_consent", "order_id": f"o_{number:06d}", "consent_id": "ci", "checked": True}
    return json.dumps(members) + "\n"


def write(folder: Path, count: int) -> Path:
    path = folder / "changes.jsonl"
    path.write_text("".join(map(change, range(count))))
    return path


def ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any], str]:
    out, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    return process.returncode, json.loads(out), err


@pytest.mark.parametrize("how", ["longer", "other content", "replaced", "deleted"])
def test_an_input_that_is_edited_while_it_is_read_is_noticed(tmp_path: Path, how: str) -> None:
    path = write(tmp_path, 300)
    process = start_batch(*SLOW, "--report", "report.jsonl", cwd=tmp_path)
    until_some_are_done(process, tmp_path / JOURNAL)
    match how:
        case "longer":
            with path.open("a") as stream:
                stream.write(change(300))
        case "other content":
            with path.open("r+") as stream:
                stream.seek(len(change(0)) * 280)
                stream.write(change(999_999))
        case "replaced":
            other = write(tmp_path / "..", 300)
            other.replace(path)
        case _:
            path.unlink()
    code, told, _ = ended(process)
    assert code == 1
    assert "changes.jsonl was changed while the batch read it" in told["stopped"]
    assert "To go on, put back the content that it had at first" in told["stopped"]
    assert told["done"] >= 20
    assert told["done"] + told["failed"] + told["left"] == 300
    assert len((tmp_path / "report.jsonl").read_text().splitlines()) == told["done"] + told["failed"]


def test_an_input_that_is_changed_after_its_last_line_was_read_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path, 100)
    process = start_batch(*SLOW, cwd=tmp_path)
    until_some_are_done(process, tmp_path / JOURNAL)
    with path.open("a") as stream:
        stream.write(change(100))
    code, told, _ = ended(process)
    assert (code, "was changed while" in told["stopped"], told["total"]) == (1, True, 100)


def test_sighup_ends_a_batch_like_sigterm(tmp_path: Path) -> None:
    write(tmp_path, 5_000)
    # Also where these tests run under nohup.
    process = start_batch(*SLOW, cwd=tmp_path, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    until_some_are_done(process, tmp_path / JOURNAL)
    process.send_signal(signal.SIGHUP)
    code, told, _ = ended(process)
    assert (code, told["stopped"]) == (130, "interrupted")
    assert told["done"] + told["left"] == 5_000


def test_a_terminal_that_is_closed_under_nohup_leaves_the_reports(tmp_path: Path) -> None:
    write(tmp_path, 100)
    main, terminal = os.openpty()
    process = start_batch(
        *SLOW,
        *("--report", "report.jsonl", "--html", "page.html"),
        cwd=tmp_path,
        stdout=terminal,
        stderr=terminal,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        text=False,
    )
    os.close(terminal)
    until_some_are_done(process, tmp_path / JOURNAL)
    os.close(main)
    process.send_signal(signal.SIGHUP)
    process.wait(timeout=60)
    assert len((tmp_path / "report.jsonl").read_text().splitlines()) == 100
    assert "All 100 changes are done" in (tmp_path / "page.html").read_text()


def test_events_go_to_standard_output_also_where_a_terminal_shows_how_the_batch_goes(tmp_path: Path) -> None:
    write(tmp_path, 10)
    main, terminal = os.openpty()
    command = ("batch", "run", "changes.jsonl", "--sandbox", "--output", "jsonl")
    process = start(*command, cwd=tmp_path, stderr=terminal, env={"TERM": "xterm"})
    os.close(terminal)
    out, _ = process.communicate(timeout=60)
    os.close(main)
    told = Counter(json.loads(line)["event"] for line in out.splitlines())
    assert (told["begin"], told["change"], told["end"]) == (1, 10, 1)


def test_a_disk_that_fills_up_in_the_middle_is_accounted_for(tmp_path: Path) -> None:
    import resource

    write(tmp_path, 2_000)
    process = start_batch(
        *("--sandbox", "--report", "report.jsonl"),
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000)),
    )
    code, told, err = ended(process)
    assert code == 1
    assert f"the journal {JOURNAL} cannot be written" in told["stopped"]
    assert told["done"] > 0
    assert "in flight" not in err  # the account alone says how it stands: more is unknown by then
    assert told["done"] + told["failed"] + told["left"] == 2_000
    assert call("batch", "status", JOURNAL, cwd=tmp_path).returncode == 1


@pytest.mark.parametrize("what", ["journal", "WAL"])
def test_a_journal_that_is_deleted_under_a_batch_stops_it(tmp_path: Path, what: str) -> None:
    write(tmp_path, 5_000)
    process = start_batch(*SLOW, "--report", "report.jsonl", cwd=tmp_path)
    until_some_are_done(process, tmp_path / JOURNAL)
    (tmp_path / (JOURNAL if what == "journal" else f"{JOURNAL}-wal")).unlink()
    code, told, _ = ended(process)
    assert code == 1
    assert "was deleted or replaced while a run wrote it" in told["stopped"]
    assert 20 <= told["done"] < 4_000
    assert told["left"] > 1_000
    assert (tmp_path / "report.jsonl").exists()


def test_a_damaged_journal_is_found_before_anything_is_sent(tmp_path: Path) -> None:
    write(tmp_path, 200)
    arguments = ("changes.jsonl", "--sandbox", "--journal", "j")
    assert call("batch", "run", *arguments, cwd=tmp_path).returncode == 0
    content = bytearray((tmp_path / "j").read_bytes())
    content[4_096 * 6 + 3] ^= 0x40  # how many rows a page holds
    (tmp_path / "j").write_bytes(content)
    result = call("batch", "run", *arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (3, "")
    assert "the journal j is damaged" in result.stderr
    assert (tmp_path / "j").read_bytes() == content


@pytest.mark.parametrize(("code", "cut"), [(1, "jsonl"), (1, "csv"), (0, "no line end")])
def test_a_standard_input_that_is_cut_inside_a_line_has_no_such_line(
    tmp_path: Path, code: int, cut: str, norce_sandbox: Sandbox, norce_sandbox_server: SandboxServer
) -> None:
    for number in range(10):
        norce_sandbox.add_order(f"o_{number:06d}", consents=["ci"])
    url = norce_sandbox_server.url

    def batch(text: str) -> tuple[int, dict[str, Any]]:
        arguments = ["-", "--journal", "j", "--output", "json", "--format", "csv" if cut == "csv" else "jsonl"]
        result = subprocess.run(
            [*CLI, "batch", "run", *arguments],
            input=text,
            cwd=tmp_path,
            env=clean(sandbox_settings(url)),
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in result.stderr
        return result.returncode, json.loads(result.stdout)

    if cut == "csv":
        rows = "".join(f"patch_consent,o_{number:06d},ci,true\n" for number in range(10))
        text, end = f"op,order_id,consent_id,checked\n{rows}", len("e\n")
    else:
        text, end = "".join(map(change, range(10))), 1 if cut == "no line end" else len(" true}\n")
    ended = batch(text[:-end])
    assert ended[0] == code
    assert (ended[1]["done"], ended[1]["failed"]) == ((10, 0) if cut == "no line end" else (9, 0))
    assert ("ended inside line" in (ended[1]["stopped"] or "")) == bool(code)
    again = batch(text)
    assert (again[0], again[1]["done"], again[1]["requests"]) == (0, 10, 10)


def test_status_of_a_journal_killed_before_its_first_commit_says_that_nothing_was_sent(tmp_path: Path) -> None:
    (tmp_path / "j").touch()
    result = call("batch", "status", "j", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (1, "")
    assert "nothing was sent" in result.stdout
    result = call("batch", "status", "j", "--output", "json", cwd=tmp_path)
    assert (json.loads(result.stdout)["requests"], "nothing was sent" in json.loads(result.stdout)["state"]) == (
        0,
        True,
    )
