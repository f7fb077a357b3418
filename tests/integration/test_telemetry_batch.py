"""The progress of a batch that the command line runs, as metrics."""

import json
from pathlib import Path

import pytest
from collected import Collected

from norce_order_async.cli import main
from norce_order_async.cli.settings import telemetry_from


@pytest.mark.parametrize("flags", [[], ["--processes", "1"]], ids=["here", "processes"])
def test_the_command_line_tells_how_a_batch_goes(
    flags: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    collected, changes = Collected(), tmp_path / "changes.jsonl"
    line = {"op": "patch_consent", "order_id": "o_secret", "consent_id": "ci", "checked": True}
    changes.write_text(f"{json.dumps(line)}\nnot a change\n{json.dumps(line)}\n", encoding="utf-8")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "otlp")
    monkeypatch.setattr("norce_order_async.cli.settings.Telemetry", collected.telemetry)
    assert main(["batch", "run", str(changes), "--sandbox", *flags]) == 1
    assert "2 done, 1 failed" in capsys.readouterr().err
    counted = {attributes["norce.outcome"]: number for attributes, number in collected.metrics["norce.batch.changes"]}
    assert counted == {"applied": 2, "not_sent": 1}
    assert "o_secret" not in collected.text


def test_without_a_word_of_opentelemetry_in_the_environment_there_is_none() -> None:
    assert telemetry_from({"PATH": "/bin"}) is None
    assert telemetry_from({"OTEL_SERVICE_NAME": "shop"}) is not None
