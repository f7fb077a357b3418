"""An argument of a batch that would fail inside is named, and leaves nothing behind."""

from pathlib import Path
from typing import Any

import pytest
from journals import begin, mark, write
from support import scripted

from norce_order_async import ConfigurationError, OutcomeKind, Telemetry
from norce_order_async.batch import (
    Batch,
    BatchSettings,
    Input,
    InputLayout,
    Journal,
    JournalReader,
    JournalResolver,
    read_changes,
)
from norce_order_async.batch.processes import ProcessBatch

HERE: dict[str, Any] = {"base_url": "https://x.example", "merchant": "norce", "channel": "1", "auth": "t"}


def test_how_changes_ended_may_be_told_as_text() -> None:
    given: Any = ["rejected", OutcomeKind.UNKNOWN]
    assert BatchSettings(only=given).only == frozenset({OutcomeKind.REJECTED, OutcomeKind.UNKNOWN})


@pytest.mark.parametrize("value", ["fast", "8", ""])
def test_how_many_at_once_is_auto_or_a_number(value: Any) -> None:
    with pytest.raises(ConfigurationError, match='concurrency must be "auto" or a whole number of at least 1, got '):
        BatchSettings(concurrency=value)


@pytest.mark.parametrize("only", ["rejected", OutcomeKind.REJECTED, ["failed"], [None], [[]], 5])
def test_how_changes_ended_is_several_of_them(only: Any) -> None:
    says = r"only must be several of applied, .* such as \['rejected', 'not_sent', 'unknown'\] \(what failed\), got "
    with pytest.raises(ConfigurationError, match=says):
        BatchSettings(only=only)


@pytest.mark.parametrize("kind", ["Batch", "ProcessBatch", "JournalResolver", "ClusterBatch"])
@pytest.mark.parametrize("journal", ["x.journal", Path("x.journal"), JournalReader, Journal, 5])
def test_a_journal_is_one_that_is_open(kind: str, journal: Any) -> None:
    def make() -> object:
        if kind == "Batch":
            return Batch(scripted()[0], [], journal=journal)
        if kind == "ProcessBatch":
            return ProcessBatch([], processes=1, settings=HERE, journal=journal)
        if kind == "JournalResolver":
            return JournalResolver(scripted()[0], journal, list)
        pytest.importorskip("distributed")
        from norce_order_async.batch.cluster import ClusterBatch

        return ClusterBatch([], cluster="tcp://x:1", settings={"merchant": "m", "channel": "c"}, journal=journal)

    with pytest.raises(ConfigurationError, match=r"journal must be a Journal \(Journal.open gives one\), got "):
        make()


def test_a_journal_that_is_read_is_none_to_write(tmp_path: Path) -> None:
    path = tmp_path / "batch.journal"
    with begin(path) as journal:
        write(journal, [mark(1)], [])
    with JournalReader.open(path) as reader:
        given: Any = reader
        with pytest.raises(ConfigurationError, match="got JournalReader"):
            Batch(scripted()[0], [], journal=given)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            {"inputs": Input("changes.jsonl")},
            r"sequence of what Input\(...\).survey\(\) gives, got Input",
        ),
        ({"inputs": [Path("changes.jsonl")]}, r"each of inputs must be an InputFile \(.*\), got \w+Path"),
        ({"inputs": "changes.jsonl"}, "got str"),
        ({"inputs": None}, "got NoneType"),
        ({"target": 5}, "target must be a str, got int"),
        ({"undo": "no"}, "undo must be a bool, got str"),
    ],
)
def test_a_journal_is_not_begun_with_another_kind_of_argument(
    tmp_path: Path, arguments: dict[str, Any], says: str
) -> None:
    given: dict[str, Any] = {"inputs": [], "target": "here"}
    with pytest.raises(ConfigurationError, match=says):
        Journal.open(tmp_path / "batch.journal", **given | arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("read", [Input, read_changes])
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"format": "excel"}, "format must be jsonl or csv or json or ids or xlsx or parquet, got 'excel'"),
        ({"format": []}, "format must be "),
        ({"layout": {"order_id": "OrderNo"}}, "layout must be an InputLayout, got dict"),
        ({"layout": None}, "layout must be an InputLayout, got NoneType"),
        ({"layout": InputLayout}, "layout must be an InputLayout, got the class InputLayout"),
    ],
)
def test_how_files_are_read_is_checked_before_they_are(read: Any, arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        read("changes.jsonl", **arguments)


@pytest.mark.parametrize("name", ["columns", "fill"])
@pytest.mark.parametrize("value", [[], b"x", None, [("op", "x")]])
def test_a_layout_maps_members(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be a mapping, got "):
        InputLayout(**{name: value})


@pytest.mark.parametrize(("name", "method"), [("tracer_provider", "get_tracer"), ("meter_provider", "get_meter")])
def test_a_provider_of_telemetry_is_one(name: str, method: str) -> None:
    pytest.importorskip("opentelemetry")
    given: dict[str, Any] = {name: 5}
    with pytest.raises(ConfigurationError, match=rf"{name} must be an object with {method}\(\), got int"):
        Telemetry(**given)
