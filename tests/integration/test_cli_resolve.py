"""``norce-order batch run --resolve``: what it tells, and how it ends, where it cannot be through."""

import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command import sandbox_settings, start_batch
from commanded import call
from journals import end, mark, write

from norce_order_async import OutcomeKind
from norce_order_async.batch import Input, Journal, PatchAttributes
from norce_order_async.testing import Fault, Sandbox, SandboxServer

pytest_plugins = ["norce_order_async.testing.plugin"]
COUNT = 30
RESOLVE = ("--resolve", "--settle", "0.1", "--concurrency", "2")


@pytest.fixture
def env(norce_sandbox_server: SandboxServer) -> dict[str, str]:
    return sandbox_settings(norce_sandbox_server.url)


def lose(folder: Path, sandbox: Sandbox, url: str, changes: list[PatchAttributes], *, lost: int) -> None:
    """Write a batch whose first changes are unknown, and none of whose changes is on the server."""
    path = folder / "changes.jsonl"
    path.write_text("".join(json.dumps(change.record()) + "\n" for change in changes))
    for change in changes:
        sandbox.add_order(change.order_id, merchant=change.merchant or "norce")
    target = f"{url} as norce/1"
    with Journal.open(folder / "changes.jsonl.journal", inputs=Input(path).survey(), target=target) as journal:
        marks = [
            mark(number, change, started=time.time() - 60, digest=None)
            for number, change in enumerate(changes[:lost], 1)
        ]
        write(journal, marks, [end(item.number, OutcomeKind.UNKNOWN, item.change) for item in marks])
        journal.end()


@pytest.fixture
def unknown(tmp_path: Path, norce_sandbox: Sandbox, norce_sandbox_server: SandboxServer) -> Path:
    """A folder with a batch of which every change is unknown."""
    changes = [PatchAttributes(f"o_{number}", {"tag": "x"}) for number in range(COUNT)]
    lose(tmp_path, norce_sandbox, norce_sandbox_server.url, changes, lost=COUNT)
    return tmp_path


def run(folder: Path, env: dict[str, str], *arguments: str) -> tuple[int, dict[str, Any], str]:
    ran = call("batch", "run", "changes.jsonl", "--output", "json", *RESOLVE, *arguments, env=env, cwd=folder)
    return ran.returncode, json.loads(ran.stdout), ran.stderr


@pytest.mark.parametrize("operation", ["GetCheckoutOrder", "PatchCheckoutOrderAttributes"])
def test_a_token_that_is_refused_is_told_and_the_same_command_goes_on(
    unknown: Path, env: dict[str, str], norce_sandbox: Sandbox, operation: str
) -> None:
    norce_sandbox.faults.add(Fault.status(401, operation=operation))
    code, told, errors = run(unknown, env)
    are_looks = operation == "GetCheckoutOrder"
    assert (code, told["failed"]) == (3 if are_looks else 1, COUNT)
    what = "everything fails" if are_looks else "5 changes in a row fail"
    assert told["stopped"].startswith(f"{what} alike: HTTP 401")
    assert told["outcomes"]["unknown" if are_looks else "not_sent"] == COUNT
    assert ("; 0 made again." in errors) == (not are_looks)
    assert "The same command goes on with what was not looked at" in errors
    ran = call("batch", "run", "changes.jsonl", *RESOLVE, env=env, cwd=unknown)
    assert "check NORCE_TOKEN" in ran.stdout
    norce_sandbox.faults.clear()
    code, told, errors = run(unknown, env)
    assert (code, told["done"], told["stopped"]) == (0, COUNT, None)
    assert f"; {COUNT} made again." in errors


def test_failures_are_counted_while_changes_are_made_again(
    unknown: Path, env: dict[str, str], norce_sandbox: Sandbox
) -> None:
    norce_sandbox.faults.add(Fault.status(404, operation="PatchCheckoutOrderAttributes"))
    code, told, _ = run(unknown, env, "--max-failures", "3")
    assert (code, told["stopped"]) == (1, "3 changes failed")
    assert told["outcomes"]["not_sent"] >= COUNT - 5


@pytest.mark.parametrize("how", [[], ["--processes", "1"]], ids=["here", "processes"])
def test_a_merchant_that_the_batch_has_left_keeps_no_other_from_being_looked_at(
    tmp_path: Path,
    env: dict[str, str],
    norce_sandbox: Sandbox,
    norce_sandbox_server: SandboxServer,
    how: list[str],
) -> None:
    merchants = ["mine"] * COUNT + ["refused"] * COUNT
    changes = [PatchAttributes(f"o_{n}", {"tag": "x"}, merchant=merchant) for n, merchant in enumerate(merchants)]
    lose(tmp_path, norce_sandbox, norce_sandbox_server.url, changes, lost=COUNT)
    norce_sandbox.faults.add(Fault.status(403, merchant="refused"))
    code, told, errors = run(tmp_path, env, *how)
    assert (code, told["done"], told["left"]) == (1, COUNT, COUNT)
    assert told["stopped"].startswith("what is left of refused/1 was not made, because")
    assert f"; {COUNT} made again." in errors


@pytest.mark.skipif(sys.platform == "win32", reason="signals work differently")
def test_an_interrupt_finishes_what_is_in_flight(unknown: Path, env: dict[str, str], norce_sandbox: Sandbox) -> None:
    norce_sandbox.faults.add(Fault.latency(0.3, operation="PatchCheckoutOrderAttributes"))
    process = start_batch(*RESOLVE, cwd=unknown, env=env)
    while not any(request.method == "PATCH" for request in norce_sandbox.requests):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    told = json.loads(out)
    assert (process.returncode, told["stopped"]) == (130, "interrupted")
    made = sum(request.method == "PATCH" for request in norce_sandbox.requests)
    outcomes = {kind: count for kind, count in told["outcomes"].items() if count}
    assert outcomes == {"applied": made, "not_sent": COUNT - made}
    assert "Finishing what is in flight; press Ctrl-C again to end at once." in errors
