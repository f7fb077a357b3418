"""``batch run``: what is told while it runs, and of changes that it passes over."""

import json
from pathlib import Path

import pytest
from shell import Shell


@pytest.fixture(autouse=True)
def _folder(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("norce_order_async.cli.batch_makers.transport_from", lambda options: None)


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


def test_only_makes_nothing_that_was_never_begun(shell: Shell) -> None:
    lines = [{"op": "delete_consent", "order_id": f"nope_{number}", "consent_id": "c"} for number in range(5)]
    Path("changes.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    run = ("batch", "run", "changes.jsonl")
    assert shell(*run, "--max-failures", "1", "--concurrency", "1")[0] == 1
    requests = shell.sandbox.count
    for only in ("failed", "not_sent"):
        code, out = shell(*run, "--only", only)
        assert (code, "        4  left              not begun\n" in out) == (1, True)
        assert ", 4 left, " in shell.errors
        assert "  The same command without --only goes on with what is left" in out
    assert shell.sandbox.count == requests + 1
    assert "norce-order: nothing was made: --only names no outcome" in shell.errors
    code, out = shell(*run, "--only", "unknown", "--journal", "another")
    assert (code, "no changes were read" in shell.errors, ", 5 left, " in shell.errors) == (1, False, True)
    shell(*run)
    assert shell.sandbox.count == requests + 5


def test_an_empty_address_of_a_cluster_is_refused(shell: Shell) -> None:
    assert shell("batch", "run", "changes.jsonl", "--cluster", "")[0] == 2
    assert "argument --cluster: is empty" in shell.errors
