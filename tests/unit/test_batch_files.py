"""Batch files in, reports out."""

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from norce_order_async import (
    ConfigurationError,
    DeleteConsent,
    Entry,
    Outcome,
    OutcomeKind,
    PatchAttributes,
    PatchConsent,
    Report,
    Summary,
    read_changes,
)
from norce_order_async.batch.files import MAX_LINE, count_changes
from norce_order_async.batch.run import bad_line


def read(folder: Path, name: str, content: str | bytes) -> list[Entry]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_changes(path))


def test_json_lines(tmp_path: Path) -> None:
    entries = read(
        tmp_path,
        "changes.jsonl",
        '\ufeff{"op": "delete_consent", "order_id": "o_1", "consent_id": "c"}\r\n'
        "\n"
        '{"op": "patch_consent", "order_id": "o_1", "consent_id": "c", "checked": false, "_note": "x"}\n'
        '{"op": "patch_attributes", "order_id": "o_1", "attributes": {"price": 12.50, "note": null}}',
    )
    assert [(entry.line, entry.change) for entry in entries[:2]] == [
        (1, DeleteConsent("o_1", "c")),
        (3, PatchConsent("o_1", "c", checked=False)),
    ]
    change = entries[2].change
    assert isinstance(change, PatchAttributes)
    assert str(change.attributes["price"]) == "12.50"
    assert change.attributes["note"] is None


def test_csv(tmp_path: Path) -> None:
    entries = read(
        tmp_path,
        "changes.csv",
        "\ufeffop,order_id,consent_id,checked,attributes,_note\r\n"
        "delete_consent,o_1,c,,,\r\n"
        "patch_consent,o_1,c,TRUE,,x\r\n"
        "\r\n"
        'patch_attributes,o_1,,,"{""a"": [1,\n2]}",\r\n'
        "patch_consent,o_1,c,no,,\r\n",
    )
    assert [(entry.line, entry.change) for entry in entries] == [
        (2, DeleteConsent("o_1", "c")),
        (3, PatchConsent("o_1", "c", checked=True)),
        (5, PatchAttributes("o_1", {"a": [1, 2]})),
        (7, PatchConsent("o_1", "c", checked=False)),
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b'{"op": "delete_consent"', "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b"\xff\xfe{}", "not JSON"),
        (b'{"op": "delete_consent", "order_id": "\\ud800", "consent_id": "c"}', "order_id"),
        (b'{"op": "patch_attributes", "order_id": "o", "attributes": {"a": NaN}}', "not JSON"),
        (b"[" * 100_000, "not JSON: nested too deeply"),
        (b"x" * (MAX_LINE + 1), "longer than"),
        (b'"' + b"x" * (3 * MAX_LINE), "longer than"),
    ],
    ids=range(8),
)
def test_a_bad_line_is_named_and_stops_nothing(tmp_path: Path, line: bytes, says: str) -> None:
    good = b'{"op": "delete_consent", "order_id": "o_1", "consent_id": "c"}'
    before, bad, after = read(tmp_path, "changes.jsonl", b"\n".join([good, line, good]))
    assert (before.line, bad.line, after.line) == (1, 2, 3)
    assert after.change == DeleteConsent("o_1", "c")
    assert bad.change is None
    assert says in (bad.problem or "")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (b"delete_consent,o_1", "2 columns where the first line has 5"),
        (b"patch_consent,o_1,c,maybe,", "true or false"),
        (b"patch_attributes,o_1,,,{a}", "attributes is not JSON"),
        (b"delete_consent,o_\xff,c,,", "order_id"),
        (b'patch_attributes,o_1,,,"' + b"x" * (MAX_LINE + 10) + b'"', "not CSV: the line is longer than"),
    ],
    ids=range(5),
)
def test_a_bad_row_is_named_and_stops_nothing(tmp_path: Path, row: bytes, says: str) -> None:
    head, good = b"op,order_id,consent_id,checked,attributes\n", b"\ndelete_consent,o_1,c,,\n"
    bad, after = read(tmp_path, "changes.csv", head + row + good)
    assert (bad.line, after.line, after.change) == (2, 3, DeleteConsent("o_1", "c"))
    assert says in (bad.problem or "")


def test_a_quote_that_is_out_of_place_changes_no_other_order(tmp_path: Path) -> None:
    content = 'op,order_id,consent_id\ndelete_consent,"o1"x,c\ndelete_consent,o_2,c\ndelete_consent,"o_3,c\na,b,c\n'
    bad, good, unclosed = read(tmp_path, "changes.csv", content)
    assert (bad.line, bad.change) == (2, None)
    assert good.change == DeleteConsent("o_2", "c")
    assert (unclosed.line, unclosed.change) == (4, None)
    assert "lines 4 to 5" in (unclosed.problem or "")


def test_a_long_line_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("norce_order_async.batch.files.MAX_LINE", 100)
    good = '{"op": "delete_consent", "order_id": "o_1", "consent_id": "c"}'
    for name, head, row in (
        ("a.jsonl", "", good),
        ("a.csv", "op,order_id,consent_id\n", "delete_consent,o_1,c"),
    ):
        long, after = read(tmp_path, name, f"{head}{'x' * 1000}\n{row}\n")
        assert "longer than 100" in (long.problem or "")
        assert after.change == DeleteConsent("o_1", "c")


@pytest.mark.parametrize(
    "head", ["", "op,op,order_id\n", "order_id,consent_id\n", "op,order,consent\n", "op,order_id,chekced\n"]
)
def test_a_csv_file_names_its_columns(tmp_path: Path, head: str) -> None:
    with pytest.raises(ConfigurationError, match="names its columns"):
        read(tmp_path, "changes.csv", head)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.jsonl", tmp_path):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            list(read_changes(path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_lines_with_a_change_or_a_problem(tmp_path: Path, content: bytes) -> None:
    for name in ("any.jsonl", "any.csv"):
        body = b"op,order_id,consent_id\n" + content if name.endswith("csv") else content
        for entry in read(tmp_path, name, body):
            assert (entry.change is None) != (entry.problem is None)
            report_and_read_back(tmp_path, bad_line(entry))
        assert count_changes(tmp_path / name) == len(list(read_changes(tmp_path / name)))


def report_and_read_back(folder: Path, *outcomes: Outcome, name: str = "report.jsonl") -> tuple[list[Any], list[Any]]:
    path = folder / name
    with Report(path) as report:
        for outcome in outcomes:
            report.add(outcome)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    failed = report.failed_path
    return lines, failed.read_text(encoding="utf-8").splitlines() if failed.exists() else []


def done(line: int) -> Outcome:
    return Outcome(
        line=line, change=DeleteConsent("o_1", "c"), outcome=OutcomeKind.APPLIED, attempts=2, status=200, request_id="r"
    )


def refused(line: int) -> Outcome:
    return Outcome(
        line=line,
        change=PatchAttributes("o_1", {"email": "a@b.example"}),
        outcome=OutcomeKind.REJECTED,
        attempts=1,
        status=404,
        request_id="r",
        error="NotFoundError",
        message="HTTP 404",
    )


def test_a_report_has_a_line_for_every_outcome(tmp_path: Path) -> None:
    lines, failed = report_and_read_back(tmp_path, done(1), refused(2), bad_line(Entry(3, problem="not JSON")))
    assert [line["line"] for line in lines] == [1, 2, 3]
    assert lines[0] == {
        "line": 1, "outcome": "applied", "op": "delete_consent", "order_id": "o_1", "consent_id": "c", "attempts": 2,
        "status": 200, "request_id": "r", "elapsed": 0.0,
    }  # fmt: skip
    assert "a@b.example" not in json.dumps(lines)
    assert len(failed) == 2


def test_what_failed_can_be_run_again(tmp_path: Path) -> None:
    report_and_read_back(tmp_path, done(1), refused(2))
    (entry,) = read_changes(tmp_path / "report.failed.jsonl")
    assert entry.change == refused(2).change


def test_without_failures_there_is_no_second_file(tmp_path: Path) -> None:
    report_and_read_back(tmp_path, refused(1))
    _, failed = report_and_read_back(tmp_path, done(1))
    assert failed == []
    assert not (tmp_path / "report.failed.jsonl").exists()


def test_attributes_that_json_cannot_hold_do_not_end_the_report(tmp_path: Path) -> None:
    outcome = Outcome(line=1, change=PatchAttributes("o_1", {"a": float("nan")}), outcome=OutcomeKind.NOT_SENT)
    _, (failed,) = report_and_read_back(tmp_path, outcome)
    assert "nan" in json.loads(failed)["_raw"]


def test_what_the_server_says_may_be_anything(tmp_path: Path) -> None:
    said = attrs.evolve(refused(1), message="cut \ud83d emoji" + "x" * 2_000_000)
    (line,), (failed,) = report_and_read_back(tmp_path, said)
    assert (line["line"], line["outcome"]) == (1, "rejected")
    assert line["message"].startswith("cut \ud83d emoji")
    assert json.loads(failed)["_outcome"] == "rejected"


def test_a_report_on_a_full_disk_says_so() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(ConfigurationError, match="No space left"):
        report_and_read_back(Path("/dev"), done(1), name="full")
    Path("/dev/full.failed.jsonl").unlink()


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    for bad in (Path(), Path("/")):
        with pytest.raises(ConfigurationError, match="not the name of a file"):
            Report(bad)
    with pytest.raises(ConfigurationError, match="cannot be written"):
        Report(tmp_path / "absent" / "report.jsonl")


def test_the_summary_adds_up() -> None:
    summary = Summary()
    for outcome in (done(1), refused(2), refused(3), bad_line(Entry(4, problem="not JSON"))):
        summary.add(outcome)
    assert (summary.total, summary.done, summary.failed, summary.requests, summary.retried) == (4, 1, 3, 4, 1)
    assert summary.problems["NotFoundError"].count == 2
    assert summary.problems["NotFoundError"].line == 2
    assert summary.problems["InvalidRequestError"].message == "not JSON"
