"""The command line, as a person or a script meets it: a process with output and an exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CLI = [sys.executable, "-W", "error", "-m", "norce_order_async"]
TOKEN = "sandbox-token"


def run(
    *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command with an environment that has nothing of the tester's."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NORCE_")}
    return subprocess.run(
        [*CLI, *arguments], capture_output=True, text=True, env=clean | (env or {}), cwd=cwd, timeout=60, check=False
    )


@pytest.fixture(scope="module")
def sandbox() -> Iterator[dict[str, str]]:
    """The settings for a sandbox that runs in a process of its own."""
    process = subprocess.Popen([*CLI, "sandbox", "--port", "0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().split()[3]
    yield {"NORCE_BASE_URL": url, "NORCE_MERCHANT": "norce", "NORCE_CHANNEL": "1", "NORCE_TOKEN": TOKEN}
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == 0
    process.stdout.close()


def test_single_changes_from_flag_to_order(sandbox: dict[str, str]) -> None:
    patched = run("consent", "patch", "o_123", "ci_newsletter", "--checked", env=sandbox)
    assert (patched.returncode, patched.stderr) == (0, "")
    assert patched.stdout.startswith("PatchCheckoutOrderConsent: applied (HTTP 200, 1 attempt in 0.")
    deleted = run("consent", "delete", "o_123", "ci_terms", "--output", "json", env=sandbox)
    assert deleted.returncode == 0
    told = json.loads(deleted.stdout)
    assert (told["operation"], told["outcome"], told["attempts"]) == ("RemoveCheckoutOrderConsent", "applied", 1)
    pairs = ["erpId=A-17", "code=007", "exported:=true", "note:=null", "price:=12.50", "eq=a=b"]
    assert run("attributes", "patch", "o_123", *pairs, env=sandbox).returncode == 0
    assert run("attributes", "patch", "o_123", "--json", '{"more": [1]}', env=sandbox).returncode == 0

    order = json.loads(run("order", "get", "o_123", "--output", "json", env=sandbox).stdout)
    assert order["consents"] == [{"id": "ci_newsletter", "checked": True}]
    assert order["attributes"] == {
        "erpId": "A-17", "code": "007", "exported": True, "note": None, "price": 12.5, "eq": "a=b", "more": [1],
    }  # fmt: skip
    text = run("order", "get", "o_123", env=sandbox).stdout
    assert "Order o_123 · checkout · norce/1" in text
    assert "[x] ci_newsletter" in text
    assert "price     12.50" in text


def test_attributes_from_a_file(sandbox: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "attributes.json").write_text('{"fromFile": "å"}', encoding="utf-8")
    assert run("attributes", "patch", "o_123", "--json", "@attributes.json", env=sandbox, cwd=tmp_path).returncode == 0


def test_a_token_from_a_file(sandbox: dict[str, str], tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(f"{TOKEN}\n", encoding="utf-8")
    env = {name: value for name, value in sandbox.items() if name != "NORCE_TOKEN"}
    assert run("order", "get", "o_123", env=env | {"NORCE_TOKEN_FILE": str(secret)}).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "says"),
    [
        (["order", "get", "o_404"], {}, 1, ["order-not-found: Order with id:o_404 not found", "--merchant"]),
        (["order", "get", "o_123"], {"NORCE_TOKEN": "wrong"}, 3, ["401", "token was refused: check NORCE_TOKEN"]),
        (["order", "get", "o_123"], {"NORCE_TOKEN": ""}, 3, ["no token: set NORCE_TOKEN"]),
        (["order", "get", "o_123"], {"NORCE_TOKEN_FILE": "/absent", "NORCE_TOKEN": ""}, 3, ["NORCE_TOKEN_FILE"]),
        (["order", "get", "o_123"], {"NORCE_MERCHANT": ""}, 3, ["set NORCE_MERCHANT"]),
        (["order", "get", "o_123"], {"NORCE_BASE_URL": "http://127.0.0.1:9"}, 3, ["not reached", "not_sent"]),
        (["order", "get", "o_123"], {"NORCE_BASE_URL": "http://example.com"}, 3, ["unencrypted"]),
        (["order", "get", "o_123", "--environment", "prod", "--slug", "a"], {}, 2, ["invalid choice: 'prod'", "stage"]),
        (["order", "get", "o#1"], {}, 2, ["order_id 'o#1' holds '#'"]),
        (["consent", "patch", "o_123", "ci"], {}, 2, ["--checked --unchecked is required"]),
        (["consent", "patch", "o_123", "ci_absent", "--checked"], {}, 1, ["consent-not-found"]),
        (["attributes", "patch", "o_123"], {}, 2, ["KEY=TEXT"]),
        (["attributes", "patch", "o_123", "novalue"], {}, 2, ["'novalue' is neither KEY=TEXT nor KEY:=JSON"]),
        (["attributes", "patch", "o_123", "a:=b"], {}, 2, ["a: not JSON"]),
        (["attributes", "patch", "o_123", "--json", "[1]"], {}, 2, ["must be a JSON object"]),
        (["attributes", "patch", "o_123", "--json", "@/absent"], {}, 2, ["/absent cannot be read"]),
        (["order", "get", "o_123", "--timeout", "0"], {}, 2, ["above 0"]),
        (["order"], {}, 2, ["COMMAND"]),
        ([], {}, 2, ["COMMAND"]),
        (["refund"], {}, 2, ["refund"]),
        (["order", "get", "o_123", "--timeout", "soon"], {}, 2, ["number of seconds above 0, not 'soon'"]),
        (["sandbox", "--port", "0", "--fault", "oops"], {}, 2, ["'oops' is none of latency"]),
        (["sandbox", "--port", "0", "--fault", "slow:1:operation=Nope"], {}, 3, ["no operation 'Nope'"]),
        (["batch", "run", "x", "--sandbox", "--concurrency", "many"], {}, 2, ["whole number of at least 1"]),
        (["batch", "run", "x", "--fault", "truncate"], {}, 2, ["--fault goes with --sandbox"]),
        (["batch", "run", "absent.jsonl"], {}, 3, ["absent.jsonl cannot be read"]),
    ],
    ids=range(26),
)
def test_what_goes_wrong_is_told_with_what_to_do(
    sandbox: dict[str, str], arguments: list[str], settings: dict[str, str], code: int, says: list[str], tmp_path: Path
) -> None:
    result = run(*arguments, env=sandbox | settings, cwd=tmp_path)
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    for text in says:
        assert text in result.stderr
    assert TOKEN not in result.stderr


def test_a_port_in_use_is_told(sandbox: dict[str, str]) -> None:
    port = sandbox["NORCE_BASE_URL"].split(":")[2].split("/")[0]
    result = run("sandbox", "--port", port)
    assert result.returncode == 3
    assert "Address already in use (port 0 takes a free one)" in result.stderr


@pytest.mark.parametrize(
    "arguments", [[], ["order", "get"], ["consent", "patch"], ["attributes", "patch"], ["batch", "run"], ["sandbox"]]
)
def test_help_tells_the_exit_codes(arguments: list[str]) -> None:
    result = run(*arguments, "--help")
    assert result.returncode == 0
    assert "3 could not start" in result.stdout


def test_version() -> None:
    assert run("--version").stdout == "norce-order 0.1.0\n"


GOOD: list[dict[str, Any]] = [
    {"op": "patch_consent", "order_id": "o_1", "consent_id": "ci", "checked": True},
    {"op": "patch_attributes", "order_id": "o_2", "attributes": {"erpId": "A-17", "note": None}},
    {"op": "delete_consent", "order_id": "o_1", "consent_id": "ci"},
]


def write(folder: Path, *lines: Any) -> Path:
    path = folder / "changes.jsonl"
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(text) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_batch_with_bad_lines(tmp_path: Path) -> None:
    write(tmp_path, GOOD[0], "{oops", GOOD[1], "", {"op": "refund"}, GOOD[2], GOOD[2])
    result = run("batch", "run", "changes.jsonl", "--sandbox", cwd=tmp_path)
    assert result.returncode == 1, result.stderr
    assert "6 changes in" in result.stdout
    assert "InvalidRequestError, first in line 2:" in result.stdout
    assert "consent-not-found" in result.stdout
    assert "6 of 6: 3 done, 3 failed, 0 retried, 0 left" in result.stderr
    outcomes = {line["line"]: line["outcome"] for line in read(tmp_path / "changes.report.jsonl")}
    assert outcomes == {1: "applied", 2: "not_sent", 3: "applied", 5: "not_sent", 6: "applied", 7: "rejected"}

    failed = tmp_path / "changes.report.failed.jsonl"
    assert {line["_line"] for line in read(failed)} == {2, 5, 7}
    again = run("batch", "run", failed.name, "--sandbox", "--output", "json", cwd=tmp_path)
    assert again.returncode == 1
    told = json.loads(again.stdout)
    assert (told["done"], told["failed"], told["outcomes"]["applied"]) == (1, 2, 1)


def test_a_batch_that_goes_well(tmp_path: Path) -> None:
    write(tmp_path, *GOOD)
    result = run("batch", "run", "changes.jsonl", "--sandbox", "--report", "out.jsonl", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert not (tmp_path / "out.failed.jsonl").exists()
    assert "What is left" not in result.stdout


def test_a_csv_batch(tmp_path: Path) -> None:
    (tmp_path / "changes.csv").write_text("op,order_id,consent_id\ndelete_consent,o_1,ci\ndelete_consent,o_2,ci\n")
    result = run("batch", "run", "changes.csv", "--sandbox", "--output", "json", cwd=tmp_path)
    assert result.returncode == 0
    assert json.loads(result.stdout)["done"] == 2


def test_a_batch_through_faults_says_what_it_took(tmp_path: Path) -> None:
    write(tmp_path, *({**GOOD[0], "order_id": f"o_{n}"} for n in range(100)))
    faults = ["--fault", "drop-after:times=5", "--fault", "status:503:times=5"]
    result = run("batch", "run", "changes.jsonl", "--sandbox", "--output", "json", *faults, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert (told["done"], told["requests"]) == (100, 110)
    assert 2 <= told["retried"] <= 10


def test_reports_are_not_overwritten_unless_named(tmp_path: Path) -> None:
    write(tmp_path, *GOOD)
    for _ in range(3):
        assert run("batch", "run", "changes.jsonl", "--sandbox", cwd=tmp_path).returncode == 0
    assert sorted(path.name for path in tmp_path.glob("*.report*")) == [
        "changes.report-2.jsonl",
        "changes.report-3.jsonl",
        "changes.report.jsonl",
    ]


@pytest.mark.parametrize("report", ["changes.jsonl", "sub/../changes.jsonl"])
def test_the_input_is_never_overwritten(tmp_path: Path, report: str) -> None:
    path = write(tmp_path, *GOOD)
    (tmp_path / "sub").mkdir()
    before = path.read_text()
    result = run("batch", "run", "changes.jsonl", "--sandbox", "--report", report, cwd=tmp_path)
    assert result.returncode == 3
    assert "it is the input" in result.stderr
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("settings", "says"),
    [({"NORCE_BASE_URL": "http://127.0.0.1:9"}, "ConnectError"), ({"NORCE_TOKEN": "wrong"}, "AuthenticationError")],
)
def test_a_batch_that_cannot_work_stops_early_and_accounts_for_every_line(
    sandbox: dict[str, str], tmp_path: Path, settings: dict[str, str], says: str
) -> None:
    write(tmp_path, *({**GOOD[0], "order_id": f"o_{n}"} for n in range(500)))
    result = run(
        "batch", "run", "changes.jsonl", "--concurrency", "4", "--timeout", "5", env=sandbox | settings, cwd=tmp_path
    )
    assert result.returncode == 3
    assert "everything failed alike" in result.stdout
    assert says in result.stdout
    assert "of 500 changes tried" in result.stdout
    assert "check" in result.stdout
    outcomes = read(tmp_path / "changes.report.jsonl")
    assert sorted(line["line"] for line in outcomes) == list(range(1, 501))
    assert sum(line.get("attempts", 0) > 0 for line in outcomes) < 50
    assert len(read(tmp_path / "changes.report.failed.jsonl")) == 500


@pytest.mark.parametrize(("presses", "press"), [(1, signal.SIGINT), (2, signal.SIGINT), (1, signal.SIGTERM)])
def test_ctrl_c_ends_with_an_account_of_every_line(tmp_path: Path, presses: int, press: signal.Signals) -> None:
    write(tmp_path, *({**GOOD[0], "order_id": f"o_{n}"} for n in range(2000)))
    command = [*CLI, "batch", "run", "changes.jsonl", "--sandbox", "--concurrency", "4", "--output", "json"]
    faults = ["--fault", "latency:0.1:times=300"] if presses == 1 else ["--fault", "latency:60"]
    process = subprocess.Popen(
        [*command, *faults], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    report = tmp_path / "changes.report.jsonl"
    while not report.exists():
        time.sleep(0.01)
    time.sleep(0.5)
    process.send_signal(press)
    assert process.stderr is not None
    assert "press Ctrl-C again" in process.stderr.readline()
    if presses == 2:
        process.send_signal(press)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    told = json.loads(out)
    assert (told["total"], told["stopped"]) == (2000, "interrupted")
    assert told["outcomes"]["unknown"] == (4 if presses == 2 else 0)
    lines = read(report)
    assert sorted(line["line"] for line in lines) == list(range(1, 2001))
    left = [json.loads(line)["_line"] for line in (tmp_path / "changes.report.failed.jsonl").read_text().splitlines()]
    assert sorted(left) == [
        line["line"] for line in sorted(lines, key=lambda line: line["line"]) if line["outcome"] != "applied"
    ]


def test_output_into_a_closed_pipe_is_no_traceback(sandbox: dict[str, str]) -> None:
    command = " ".join([*CLI, "order", "get", "o_123", "|", "true"])
    result = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, env=os.environ | sandbox, timeout=30, check=False
    )
    assert "Traceback" not in result.stderr
    assert "BrokenPipe" not in result.stderr


def test_without_the_extras_it_says_what_to_install(tmp_path: Path) -> None:
    """As on a machine where jsonschema and rich are absent."""
    write(tmp_path, *GOOD)
    for name in ("jsonschema", "rich"):
        (tmp_path / "absent" / name).mkdir(parents=True)
        (tmp_path / "absent" / name / "__init__.py").write_text(f"raise ImportError('{name}')\n")
    env = {"PYTHONPATH": str(tmp_path / "absent")}
    result = run("batch", "run", "changes.jsonl", "--sandbox", env=env, cwd=tmp_path)
    assert result.returncode == 3
    assert 'pip install "norce-order-async[sandbox]"' in result.stderr


def test_memory_does_not_grow_with_the_number_of_changes() -> None:
    script = Path(__file__).parent.parent / "benchmarks" / "batch_memory.py"
    peaks: list[float] = []
    for count in (1_000, 20_000):
        result = subprocess.run([sys.executable, str(script), str(count)], capture_output=True, text=True, check=True)
        told = json.loads(result.stdout)
        assert told["outcomes"] == count
        peaks.append(told["peak_mib"])
    assert peaks[1] < peaks[0] + 30


def test_progress_that_nobody_reads_does_not_end_a_batch(tmp_path: Path) -> None:
    write(tmp_path, *GOOD)
    for number, redirect in enumerate(("2>&-", "2> /dev/full", "2> >(true)")):
        command = " ".join(
            [*CLI, "batch", "run", "changes.jsonl", "--sandbox", "--report", f"{number}.jsonl", redirect]
        )
        result = subprocess.run(["/bin/bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=30)
        assert result.returncode == 0
        assert "3 changes in" in result.stdout
        assert len(read(tmp_path / f"{number}.jsonl")) == 3


@pytest.mark.parametrize("redirect", [">&-", "> /dev/full"])
def test_output_that_cannot_be_written_is_no_traceback(tmp_path: Path, redirect: str) -> None:
    write(tmp_path, *GOOD)
    command = " ".join([*CLI, "batch", "run", "changes.jsonl", "--sandbox", redirect])
    result = subprocess.run(["/bin/bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert "Traceback" not in result.stderr
    assert len(read(tmp_path / "changes.report.jsonl")) == 3


def test_names_that_the_terminal_cannot_show(sandbox: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path, {**GOOD[0], "order_id": "o_å", "checked": "yes"})
    env = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    result = run("batch", "run", "changes.jsonl", "--sandbox", env=env, cwd=tmp_path)
    assert (result.returncode, "Traceback" in result.stderr) == (1, False)
    assert run("order", "get", "o_123", env=sandbox | env).returncode == 0


@pytest.mark.parametrize("report", ["", ".", "x" * 300, "absent/report.jsonl"])
def test_a_report_that_cannot_be_written_is_told(tmp_path: Path, report: str) -> None:
    write(tmp_path, *GOOD)
    result = run("batch", "run", "changes.jsonl", "--sandbox", "--report", report, cwd=tmp_path)
    assert result.returncode in (2, 3)
    assert "Traceback" not in result.stderr
    assert "norce-order" in result.stderr


def test_a_large_bad_line_stops_nothing(tmp_path: Path) -> None:
    write(tmp_path, GOOD[0], "x" * 1_500_000, GOOD[1])
    result = run("batch", "run", "changes.jsonl", "--sandbox", "--output", "json", cwd=tmp_path)
    assert result.returncode == 1
    assert (json.loads(result.stdout)["total"], json.loads(result.stdout)["done"]) == (3, 2)
