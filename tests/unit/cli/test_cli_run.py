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
