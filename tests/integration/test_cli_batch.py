"""Batches on the command line: run, stopped, killed, continued, and accounted for."""

import csv
import gzip
import io
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from command import CLI, clean, run, sandbox_settings, start_batch
from commanded import batch, call, until_some_are_done

from norce_order_async.batch import DeleteConsent, read_changes
from norce_order_async.testing import Sandbox, SandboxServer
from norce_order_async.testing.conformance.origin import RawOrigin, responding, response_bytes
from norce_order_async.testing.listening import in_a_thread

pytest_plugins = ["norce_order_async.testing.plugin"]

JOURNAL = "changes.jsonl.sandbox.journal"

GOOD: list[dict[str, Any]] = [
    {"op": "patch_consent", "order_id": "o_1", "consent_id": "ci", "checked": True},
    {"op": "patch_attributes", "order_id": "o_2", "attributes": {"erpId": "A-17", "note": None}},
    {"op": "delete_consent", "order_id": "o_1", "consent_id": "ci"},
]


def write(folder: Path, *lines: Any, name: str = "changes.jsonl") -> Path:
    path = folder / name
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


def many(count: int) -> list[dict[str, Any]]:
    return [{**GOOD[0], "order_id": f"o_{n}"} for n in range(count)]


def report(journal: str, *arguments: str, cwd: Path) -> list[dict[str, Any]]:
    result = call("batch", "report", journal, *arguments, cwd=cwd)
    assert (result.returncode, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def status(journal: str, *, cwd: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(call("batch", "status", journal, "--output", "json", cwd=cwd).stdout)
    return told


@pytest.fixture
def sandbox(norce_sandbox: Sandbox, norce_sandbox_server: SandboxServer) -> dict[str, str]:
    """The settings for a sandbox with the orders of 400 changes."""
    for number in range(400):
        norce_sandbox.add_order(f"o_{number}", consents=["ci"])
    return sandbox_settings(norce_sandbox_server.url)


def test_a_batch_with_bad_lines(tmp_path: Path) -> None:
    write(tmp_path, GOOD[0], "{oops", GOOD[1], "", {"op": "refund"}, GOOD[2], GOOD[2])
    result = run("batch", "run", "changes.jsonl", "--sandbox", cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    assert "6 changes in" in result.stdout
    assert "InvalidRequestError, first in line 2:" in result.stdout
    assert "consent-not-found" in result.stdout
    assert "6 of 6: 3 done, 3 failed, 0 retried, 0 left" in result.stderr
    outcomes = {line["_line"]: line["_outcome"] for line in report(JOURNAL, cwd=tmp_path)}
    assert outcomes == {1: "applied", 2: "not_sent", 3: "applied", 5: "not_sent", 6: "applied", 7: "rejected"}

    failed = report(JOURNAL, "--only", "failed", cwd=tmp_path)
    assert [line["_line"] for line in failed] == [2, 5, 7]
    write(tmp_path, *failed, name="failed.jsonl")
    told = batch("failed.jsonl", "--sandbox", cwd=tmp_path)
    assert (told["code"], told["done"], told["failed"]) == (1, 1, 2)


def test_the_same_command_once_more_sends_nothing(sandbox: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path, *GOOD)
    first = batch("changes.jsonl", cwd=tmp_path, env=sandbox)
    assert (first["code"], first["done"], first["ended"], first["requests"]) == (0, 3, 3, 3)
    assert first["journal"] == "changes.jsonl.journal"
    again = batch("changes.jsonl", cwd=tmp_path, env=sandbox)
    assert (again["code"], again["done"], again["ended"], again["requests"]) == (0, 3, 0, 3)


def test_what_ended_in_some_way_is_made_again_on_request(sandbox: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path, GOOD[2], {**GOOD[2], "order_id": "o_absent"}, "{oops")
    first = batch("changes.jsonl", cwd=tmp_path, env=sandbox)
    assert (first["done"], first["outcomes"]["rejected"], first["outcomes"]["not_sent"]) == (1, 1, 1)
    again = batch("changes.jsonl", "--only", "rejected", cwd=tmp_path, env=sandbox)
    assert (again["ended"], again["requests"], again["done"]) == (1, 3, 1)
    assert call("batch", "run", "changes.jsonl", "--only", "nope", cwd=tmp_path, env=sandbox).returncode == 2


def test_a_journal_belongs_to_one_input_and_one_target(sandbox: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path, *GOOD)
    assert batch("changes.jsonl", cwd=tmp_path, env=sandbox)["code"] == 0
    for change, settings in ((GOOD, {"NORCE_MERCHANT": "other"}), ([*GOOD, GOOD[1]], {})):
        write(tmp_path, *change)
        result = call("batch", "run", "changes.jsonl", cwd=tmp_path, env=sandbox | settings)
        assert result.returncode == 3
        assert "belongs to another batch" in result.stderr
        assert "hoose another journal" in result.stderr


def test_a_second_process_on_the_same_journal_is_refused(tmp_path: Path) -> None:
    write(tmp_path, *many(50))
    journal = ["--journal", "j"]
    first = start_batch("--sandbox", "--fault", "latency:0.2", "--concurrency", "2", *journal, cwd=tmp_path)
    until_some_are_done(first, tmp_path / "j", least=1)
    second = call("batch", "run", "changes.jsonl", "--sandbox", *journal, cwd=tmp_path)
    assert second.returncode == 3
    assert "in use by another run" in second.stderr
    assert status("j", cwd=tmp_path)["state"].startswith("running since")
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)


@pytest.mark.parametrize("name", ["changes.csv", "changes.csv.gz"])
def test_a_csv_batch(tmp_path: Path, name: str) -> None:
    text = "op,order_id,consent_id\ndelete_consent,o_1,ci\ndelete_consent,o_2,ci\n"
    (tmp_path / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    told = batch(name, "--sandbox", "--report", "out.csv", cwd=tmp_path)
    assert (told["code"], told["done"]) == (0, 2)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text())))
    assert [(row["op"], row["order_id"], row["_outcome"]) for row in rows] == [
        ("delete_consent", "o_1", "applied"),
        ("delete_consent", "o_2", "applied"),
    ]


def test_an_export_from_excel_and_its_report_for_excel(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_bytes("sep=;\r\nOrderNo;City\r\no_1;Umeå\r\n1,23E+11;\r\n".encode("utf-16"))
    options = [
        "--column",
        "order_id=OrderNo",
        "--ignore-columns",
        "--set",
        "op=delete_consent",
        "--set",
        "consent_id=c",
    ]
    arguments = ["batch", "run", "orders.csv", *options, "--sandbox", "--report", "report.csv", "--excel"]
    ran = call(*arguments, cwd=tmp_path)
    assert ran.returncode == 1
    assert "Columns separated by semicolons" in ran.stderr
    content = (tmp_path / "report.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbfop;order_id;consent_id;")
    good, bad = read_changes(tmp_path / "report.csv")
    assert good.change == DeleteConsent("o_1", "c")
    assert bad.change is None


def test_a_sandbox_of_its_own_is_reached_without_the_settings_of_the_environment(tmp_path: Path) -> None:
    write(tmp_path, *GOOD)
    elsewhere = {"ENVIRONMENT": "stage", "SLUG": "a.b", "ADAPTER_ID": "\u20ac", "CA_FILE": "absent", "PROXY": "?"}
    env = {f"NORCE_{name}": value for name, value in elsewhere.items()}
    ran = call("batch", "run", "changes.jsonl", "--sandbox", env=env, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr


def test_events_for_programs(tmp_path: Path) -> None:
    write(tmp_path, *GOOD, {"op": "bad"})
    ran = call("batch", "run", "changes.jsonl", "--sandbox", "--output", "jsonl", cwd=tmp_path)
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    first, *rest, last = events
    assert (first["event"], first["total"], first["inputs"]) == ("begin", 4, ["changes.jsonl"])
    changes = sorted((event["_line"], event["_outcome"]) for event in rest if event["event"] == "change")
    assert changes == [(1, "applied"), (2, "applied"), (3, "applied"), (4, "not_sent")]
    assert {event["event"] for event in rest} <= {"change", "progress"}
    assert (last["event"], last["done"], last["failed"], ran.returncode) == ("end", 3, 1, 1)


def test_events_that_nobody_reads_end_no_batch(tmp_path: Path) -> None:
    write(tmp_path, *many(60))
    process = start_batch("--sandbox", "--output", "jsonl", cwd=tmp_path)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as stderr:
        assert "Traceback" not in stderr.read()
    assert process.wait(timeout=60) == 0
    assert status(JOURNAL, cwd=tmp_path)["done"] == 60


def test_several_files_and_tenants(tmp_path: Path) -> None:
    write(tmp_path, *GOOD, "{oops", name="a.jsonl")
    write(tmp_path, {**GOOD[1], "merchant": "other", "channel": "se"}, {**GOOD[1], "checked": 1}, name="b.jsonl")
    told = batch("a.jsonl", "b.jsonl", "--sandbox", cwd=tmp_path)
    assert (told["code"], told["total"], told["done"], told["failed"]) == (1, 6, 4, 2)
    assert told["journal"] == "a.jsonl.sandbox.journal"
    failed = report(told["journal"], "--only", "failed", cwd=tmp_path)
    assert [(line["_file"], line["_line"]) for line in failed] == [("a.jsonl", 4), ("b.jsonl", 2)]


def test_standard_input(sandbox: dict[str, str], tmp_path: Path) -> None:
    content = write(tmp_path, *many(60)).read_bytes()

    def batch(content: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [*CLI, "batch", "run", "-", "--output", "json", *arguments]
        return subprocess.run(command, input=content, cwd=tmp_path, env=clean(sandbox), capture_output=True, timeout=60)

    packed = gzip.compress(content)
    for given, extra, ended in ((content, ["--journal", "j"], 60), (packed, ["--journal", "j"], 0), (packed, [], 60)):
        result = batch(given, *extra)
        told = json.loads(result.stdout)
        assert (result.returncode, told["done"], told["ended"], told["total"]) == (0, 60, ended, 60)
        assert (b"--journal" in result.stderr) == (not extra)
    result = batch(content.replace(b"true", b"false"), "--journal", "j")
    assert result.returncode == 3
    assert b"line 1 is not the one that the journal knows" in result.stderr


def test_a_batch_that_gave_up_is_not_all_done(tmp_path: Path) -> None:
    write(tmp_path, *many(40))
    with socket.create_server(("127.0.0.1", 0)) as listener:  # takes connections, and never answers
        env = sandbox_settings(f"http://127.0.0.1:{listener.getsockname()[1]}")
        options = ("--journal", "j", "--patience", "1", "--timeout", "0.2")
        result = call("batch", "run", "changes.jsonl", *options, cwd=tmp_path, env=env)
    assert result.returncode in (1, 3), result.stderr
    assert call("batch", "status", "j", cwd=tmp_path).returncode == 1


def test_a_batch_through_faults_says_what_it_took(tmp_path: Path) -> None:
    write(tmp_path, *many(100))
    faults = ["--fault", "drop-after:times=5", "--fault", "status:503:times=5"]
    told = batch("changes.jsonl", "--sandbox", *faults, cwd=tmp_path)
    assert (told["code"], told["done"], told["requests"]) == (0, 100, 110)
    assert 2 <= told["retried"] <= 10


def test_what_is_accepted_is_told_apart_and_no_failure(tmp_path: Path) -> None:
    write(tmp_path, *many(20))
    arguments = ["--journal", "j", "--sandbox", "--html", "page.html"]
    result = call("batch", "run", "changes.jsonl", *arguments, "--fault", "status:202:times=3", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "        3  accepted          taken in, not finished yet" in result.stdout
    assert "--only failed" not in result.stdout
    assert "20 of 20: 17 done, 3 accepted, 0 failed, " in result.stderr
    assert "17 of 20 changes are done; 3 accepted." in (tmp_path / "page.html").read_text()
    told = status("j", cwd=tmp_path)
    assert (told["done"], told["accepted"], told["failed"], told["outcomes"]["accepted"]) == (17, 3, 0, 3)
    assert (told["ended"], told["seconds"]) == (None, None)
    assert call("batch", "status", "j", cwd=tmp_path).returncode == 0
    assert {line["_outcome"] for line in report("j", "--only", "accepted", cwd=tmp_path)} == {"accepted"}
    assert report("j", "--only", "failed", cwd=tmp_path) == []


def test_a_sandbox_is_new_each_time_and_so_is_its_journal(tmp_path: Path) -> None:
    write(tmp_path, *GOOD)
    for _ in range(2):
        told = batch("changes.jsonl", "--sandbox", cwd=tmp_path)
        assert (told["code"], told["ended"]) == (0, 3)


def test_a_dry_run_checks_every_line_and_sends_nothing(tmp_path: Path) -> None:
    write(tmp_path, *GOOD, *(["{oops"] * 30))
    nowhere = {"NORCE_BASE_URL": "http://127.0.0.1:9"}
    result = call("batch", "run", "changes.jsonl", "--dry-run", cwd=tmp_path, env=nowhere)
    assert result.returncode == 1
    assert "33 changes, nothing sent" in result.stdout
    assert "1  patch_attributes" in result.stdout
    assert "line 4: not JSON" in result.stdout
    assert "and 20 more" in result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changes.jsonl"]
    write(tmp_path, *GOOD)
    told = batch("changes.jsonl", "--dry-run", cwd=tmp_path)
    assert (told["code"], told["total"], told["bad"]) == (0, 3, 0)


def test_a_dry_run_finds_what_cannot_be_sent_just_as_a_run_does(tmp_path: Path) -> None:
    deep: dict[str, Any] = {}
    for _ in range(70):
        deep = {"a": deep}
    bad = ({"a": "x" * 2**20}, deep, {"a": "\ud800"})
    write(tmp_path, GOOD[1], *({**GOOD[1], "attributes": attributes} for attributes in bad))
    checked = batch("changes.jsonl", "--dry-run", cwd=tmp_path)
    assert (checked["code"], checked["total"], checked["bad"], checked["operations"]) == (
        1,
        4,
        3,
        {"patch_attributes": 1},
    )
    assert batch("changes.jsonl", "--sandbox", cwd=tmp_path)["outcomes"]["not_sent"] == 3
    said = {f"line {line['_line']}": line["_message"] for line in report(JOURNAL, "--only", "failed", cwd=tmp_path)}
    assert {problem["place"]: problem["message"] for problem in checked["problems"]} == said


@pytest.mark.parametrize("flag", ["--report", "--html"])
def test_a_folder_that_cannot_be_written_is_told_before_anything_is_sent(tmp_path: Path, flag: str) -> None:
    write(tmp_path, *GOOD)
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write everywhere")
    result = call("batch", "run", "changes.jsonl", "--sandbox", flag, "folder/file", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (3, "")
    assert f"{flag} 'folder/file': its folder cannot be written" in result.stderr
    assert not (tmp_path / JOURNAL).exists()


@pytest.mark.parametrize("flag", ["--report", "--html"])
def test_a_batch_is_accounted_for_also_when_its_report_cannot_be_written(tmp_path: Path, flag: str) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs a device that is always full")
    write(tmp_path, *GOOD)
    result = call("batch", "run", "changes.jsonl", "--sandbox", flag, "/dev/full", "--output", "json", cwd=tmp_path)
    assert json.loads(result.stdout)["done"] == 3
    assert "/dev/full cannot be written: No space left on device" in result.stderr
    assert result.returncode == 1


def test_status_of_a_batch_that_runs_does_not_tell_to_start_it_again(tmp_path: Path) -> None:
    write(tmp_path, *many(2000))
    slow = ("--concurrency", "4", "--fault", "latency:0.05")
    process = start_batch("--sandbox", *slow, "--journal", "my.journal", cwd=tmp_path)
    until_some_are_done(process, tmp_path / "my.journal")
    says = call("batch", "status", "my.journal", cwd=tmp_path)
    process.kill()
    process.communicate()
    assert "The same command goes on" in call("batch", "status", "my.journal", cwd=tmp_path).stdout
    assert "Running since" in says.stdout
    assert "left" in says.stdout
    assert "same command" not in says.stdout


def test_it_stops_after_so_many_failures_and_goes_on_later(sandbox: dict[str, str], tmp_path: Path) -> None:
    bad = [{**GOOD[0], "order_id": f"absent_{n}"} for n in range(30)]
    write(tmp_path, *bad, *many(30))
    arguments = ["changes.jsonl", "--concurrency", "1"]
    told = batch(*arguments, "--max-failures", "7", cwd=tmp_path, env=sandbox)
    assert (told["code"], told["failed"], told["stopped"], told["left"]) == (1, 7, "7 changes failed", 53)
    told = batch(*arguments, cwd=tmp_path, env=sandbox)
    assert (told["code"], told["failed"], told["done"], told["left"]) == (1, 30, 30, 0)


@pytest.mark.parametrize(
    ("flag", "name"), [("--report", "changes.jsonl"), ("--html", "sub/../changes.jsonl"), ("--journal", "link.jsonl")]
)
def test_the_input_is_never_overwritten(tmp_path: Path, flag: str, name: str) -> None:
    path = write(tmp_path, *GOOD)
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.jsonl").symlink_to(path)
    before = path.read_text()
    result = call("batch", "run", "changes.jsonl", "--sandbox", flag, name, cwd=tmp_path)
    assert result.returncode == 3
    assert "is the input" in result.stderr
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        ("--report", ""),
        ("--html", "."),
        ("--journal", "x" * 300),
        ("--report", "absent/file"),
        ("--report", "r.csv.gz"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_is_sent(tmp_path: Path, flag: str, name: str) -> None:
    write(tmp_path, *GOOD)
    result = call("batch", "run", "changes.jsonl", "--sandbox", flag, name, cwd=tmp_path)
    assert result.returncode in (2, 3)
    assert "Traceback" not in result.stderr
    assert "norce-order" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"NORCE_BASE_URL": "http://127.0.0.1:9"}, "ConnectError"), ({"NORCE_TOKEN": "wrong"}, "AuthenticationError")],
)
def test_a_batch_that_cannot_work_stops_early_and_can_be_continued(
    sandbox: dict[str, str], tmp_path: Path, settings: dict[str, str], says: str
) -> None:
    write(tmp_path, *many(100))
    arguments = ["batch", "run", "changes.jsonl", "--concurrency", "4", "--timeout", "5"]
    result = call(*arguments, env=sandbox | settings, cwd=tmp_path)
    assert result.returncode == 3
    assert "verything fails alike" in result.stdout
    assert "check" in result.stdout
    told = status("changes.jsonl.journal", cwd=tmp_path)
    assert told["done"] == 0
    assert told["requests"] < 50
    assert told["left"] > 80
    if says == "AuthenticationError":
        told = batch(*arguments[2:], env=sandbox, cwd=tmp_path)
        assert (told["code"], told["done"], told["left"]) == (0, 100, 0)


def test_a_batch_that_only_ever_meets_web_pages_does_not_start(tmp_path: Path) -> None:
    page = response_bytes(200, b"<!DOCTYPE html><title>Welcome</title>", content_type="text/html")
    write(tmp_path, *many(100))
    with in_a_thread(RawOrigin(responding(page))) as origin:
        result = call("batch", "run", "changes.jsonl", env=sandbox_settings(origin.url), cwd=tmp_path)
    assert result.returncode == 3, result.stdout
    assert "verything fails alike" in result.stdout
    assert "Something else answered than the API: check --base-url" in result.stdout
    told = status("changes.jsonl.journal", cwd=tmp_path)
    assert (told["done"], told["requests"] < 50) == (0, True)


def test_ctrl_c_ends_a_batch_whose_reader_stands_still(tmp_path: Path) -> None:
    write(tmp_path, *many(3000))
    process = start_batch("--sandbox", "--journal", "j", "--output", "jsonl", cwd=tmp_path)
    until_some_are_done(process, tmp_path / "j")
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.7)  # the pipe is full by then, and presses that come together are one
        process.send_signal(signal.SIGINT)
    is_ended = process.poll() is not None
    process.kill()
    out, _ = process.communicate()
    assert (is_ended, len(out) > 10_000) == (True, True)
    # The latter for a press that comes while Python ends; to a shell it is 130, too.
    assert process.returncode in (130, -signal.SIGINT)
    told = batch("changes.jsonl", "--sandbox", "--journal", "j", cwd=tmp_path)
    assert (told["code"], told["done"], told["left"]) == (0, 3000, 0)


@pytest.mark.parametrize(
    ("presses", "press", "together"),
    [(1, signal.SIGINT, 1), (2, signal.SIGINT, 1), (1, signal.SIGTERM, 1), (1, signal.SIGTERM, 2)],
)
def test_ctrl_c_leaves_a_batch_that_can_be_continued(
    tmp_path: Path, presses: int, press: signal.Signals, together: int
) -> None:
    stuck = [{**GOOD[1], "order_id": f"o_{n}"} for n in range(4)]
    write(tmp_path, *many(20), *stuck, *many(576))
    latency = 0.5 if together == 2 else 0.1  # seconds; the second signal comes while something is in flight
    slow = "latency:60:operation=PatchCheckoutOrderAttributes" if presses == 2 else f"latency:{latency}"
    process = start_batch("--sandbox", "--journal", "j", "--concurrency", "4", "--fault", slow, cwd=tmp_path)
    until_some_are_done(process, tmp_path / "j")
    process.send_signal(press)
    if together == 2:
        time.sleep(0.05)  # so that they are two
        process.send_signal(press)
    assert process.stderr is not None
    while "press Ctrl-C again" not in process.stderr.readline():
        assert process.poll() is None
    if presses == 2:
        time.sleep(0.5)
        process.send_signal(press)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    told = json.loads(out)
    assert (told["total"], told["stopped"]) == (600, "interrupted")
    assert told["done"] + told["failed"] + told["left"] == 600
    assert told["outcomes"]["not_sent"] == 0
    assert told["outcomes"]["unknown"] == (4 if presses == 2 else 0)
    told = batch("changes.jsonl", "--sandbox", "--journal", "j", cwd=tmp_path)
    assert (told["code"], told["done"], told["left"]) == (0, 600, 0)


def test_a_killed_batch_is_continued(norce_sandbox: Sandbox, sandbox: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path, *many(400))
    norce_sandbox.faults.add("latency:0.05")
    process = start_batch("--concurrency", "4", cwd=tmp_path, env=sandbox)
    until_some_are_done(process, tmp_path / "changes.jsonl.journal")
    process.kill()
    process.communicate()
    norce_sandbox.faults.clear()
    told = status("changes.jsonl.journal", cwd=tmp_path)
    assert "was killed" in told["state"]
    assert told["done"] < 400
    closed = {line["_line"] for line in report("changes.jsonl.journal", "--only", "applied", cwd=tmp_path)}
    assert len(closed) == told["done"]
    told = batch("changes.jsonl", cwd=tmp_path, env=sandbox)
    assert (told["code"], told["done"], told["ended"]) == (0, 400, 400 - len(closed))


def test_a_page_of_it(tmp_path: Path) -> None:
    write(tmp_path, *GOOD, "{oops")
    told = batch("changes.jsonl", "--sandbox", "--html", "page.html", cwd=tmp_path)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    (tmp_path / "page.html").unlink()
    assert call("batch", "report", told["journal"], "--html", "page.html", cwd=tmp_path).returncode == 0
    assert (tmp_path / "page.html").exists()


@pytest.mark.parametrize("command", ["status", "report"])
def test_what_is_no_journal_is_told(tmp_path: Path, command: str) -> None:
    write(tmp_path, *GOOD)
    for name, says in (("absent", "there is no journal"), ("changes.jsonl", "is not a journal")):
        result = call("batch", command, name, cwd=tmp_path)
        assert (result.returncode, result.stdout) == (3, "")
        assert says in result.stderr


def test_without_the_extras_it_says_what_to_install(tmp_path: Path) -> None:
    """As on a machine where jsonschema, rich and distributed are absent."""
    write(tmp_path, *GOOD)
    for name in ("jsonschema", "rich", "distributed"):
        (tmp_path / "absent" / name).mkdir(parents=True)
        (tmp_path / "absent" / name / "__init__.py").write_text(f"raise ImportError('{name}')\n")
    env = {"PYTHONPATH": str(tmp_path / "absent")}
    result = run("batch", "run", "changes.jsonl", "--sandbox", env=env, cwd=tmp_path)
    assert result.returncode == 3
    assert 'pip install "norce-order-async[sandbox]"' in result.stderr
    env |= sandbox_settings("http://127.0.0.1:9")
    result = run("batch", "run", "changes.jsonl", "--workers", "2", env=env, cwd=tmp_path)
    assert result.returncode == 3
    assert 'pip install "norce-order-async[dask]"' in result.stderr


def test_progress_that_nobody_reads_does_not_end_a_batch(tmp_path: Path) -> None:
    write(tmp_path, *GOOD)
    for redirect in ("2>&-", "2> /dev/full", "2> >(true)"):
        command = " ".join([*CLI, "batch", "run", "changes.jsonl", "--sandbox", redirect])
        result = subprocess.run(["/bin/bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=30)
        assert result.returncode == 0
        assert "3 changes in" in result.stdout


@pytest.mark.parametrize("redirect", [">&-", "> /dev/full"])
def test_output_that_cannot_be_written_is_no_traceback(tmp_path: Path, redirect: str) -> None:
    write(tmp_path, *GOOD)
    for arguments in (["run", "changes.jsonl", "--sandbox"], ["report", JOURNAL]):
        command = " ".join([*CLI, "batch", *arguments, redirect])
        result = subprocess.run(["/bin/bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=30)
        assert "Traceback" not in result.stderr
    assert len(report(JOURNAL, cwd=tmp_path)) == 3


@pytest.mark.parametrize("asked", ["--version", "--help", "order get --help"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_help_that_cannot_be_written_is_no_success(asked: str, unbuffered: str) -> None:
    command = f"{' '.join(CLI)} {asked} > /dev/full"
    env = clean({"PYTHONUNBUFFERED": unbuffered})
    result = subprocess.run(["/bin/bash", "-c", command], env=env, capture_output=True, text=True, timeout=30)
    assert (result.returncode, result.stderr) == (
        1,
        "norce-order: the output cannot be written: No space left on device\n",
    )


def test_a_working_directory_that_is_gone_is_told_of(tmp_path: Path) -> None:
    command = f'rmdir "$PWD"; {" ".join(CLI)} batch run changes.jsonl --sandbox'
    result = subprocess.run(["/bin/bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert (result.returncode, result.stderr) == (1, "norce-order: the working directory is gone\n")


def test_names_that_the_terminal_cannot_show(tmp_path: Path) -> None:
    write(tmp_path, {**GOOD[0], "order_id": "o_å", "checked": "yes"})
    env = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    result = run("batch", "run", "changes.jsonl", "--sandbox", env=env, cwd=tmp_path)
    assert (result.returncode, "Traceback" in result.stderr) == (1, False)


def test_a_large_bad_line_stops_nothing(tmp_path: Path) -> None:
    write(tmp_path, GOOD[0], "x" * 1_500_000, GOOD[1])
    told = batch("changes.jsonl", "--sandbox", cwd=tmp_path)
    assert (told["code"], told["total"], told["done"]) == (1, 3, 2)


def test_nothing_that_is_written_overwrites_the_journal(tmp_path: Path) -> None:
    write(tmp_path, *GOOD)
    for flag in ("--report", "--html"):
        for name, more in (("changes.jsonl.journal", ()), (JOURNAL, ("--sandbox",))):
            result = call("batch", "run", "changes.jsonl", flag, name, *more, cwd=tmp_path)
            assert (result.returncode, result.stderr) == (
                3,
                f"norce-order: {name} is the journal: choose another {flag}\n",
            )
    assert batch("changes.jsonl", "--sandbox", "--journal", "j", cwd=tmp_path)["code"] == 0
    result = call("batch", "report", "j", "--html", "./j", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (3, "norce-order: j is the journal: choose another --html\n")
    result = call("batch", "report", "j", "--html", "j.lock", cwd=tmp_path)
    assert result.stderr == "norce-order: j.lock is a file of the journal: choose another --html\n"
    result = call("batch", "report", "j", "--html", "none/page.html", cwd=tmp_path)
    assert result.stderr == "norce-order: --html 'none/page.html' is not the name of a file in a folder that exists\n"
    assert len(report("j", cwd=tmp_path)) == 3


def test_an_old_report_is_replaced_also_with_a_new_journal(tmp_path: Path) -> None:
    write(tmp_path, *GOOD)
    (tmp_path / "old.csv").write_text("old")
    assert batch("changes.jsonl", "--sandbox", "--journal", "j", "--report", "old.csv", cwd=tmp_path)["code"] == 0
    assert (tmp_path / "old.csv").read_text().startswith("op,")


def test_what_is_unknown_for_good_is_not_said_to_go_on(tmp_path: Path) -> None:
    write(tmp_path, GOOD[0])
    faults = ("--fault", "drop-after", "--patience", "60", "--max-failures", "1", "--timeout", "1")
    call("batch", "run", "changes.jsonl", "--sandbox", "--journal", "j", *faults, cwd=tmp_path)
    told = call("batch", "status", "j", cwd=tmp_path).stdout
    assert " unknown " in told
    assert "To try again:" in told
    assert "goes on" not in told


def test_a_rate_of_less_than_ten_keeps_its_digits(tmp_path: Path) -> None:
    write(tmp_path, *GOOD)
    told = call("batch", "run", "changes.jsonl", "--sandbox", "--rate", "2.5", cwd=tmp_path)
    assert "2.5 requests a second" in told.stdout or "at once" not in told.stdout
    assert " 0/s" not in told.stderr
    assert call("batch", "run", "changes.jsonl", "--sandbox", "--rate", "inf", cwd=tmp_path).returncode == 2


@pytest.mark.parametrize(("asked", "name"), [("auto", "HttptoolsTransport"), ("aiohttp", "AiohttpTransport")])
def test_it_says_what_carries_the_requests(tmp_path: Path, asked: str, name: str) -> None:
    write(tmp_path, *GOOD)
    result = call("batch", "run", "changes.jsonl", "--sandbox", "--transport", asked, "--verbose", cwd=tmp_path)
    assert (result.returncode, f"Requests go over {name}." in result.stderr) == (0, True)
