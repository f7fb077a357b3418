"""Reports: one format for every line, that a batch can read again."""

import csv
import io
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from journals import bad_line, mark, write

from norce_order_async import ConfigurationError, OutcomeKind
from norce_order_async.batch import DeleteConsent, PatchAttributes, PatchConsent
from norce_order_async.batch.changes import Change
from norce_order_async.batch.files import read_changes
from norce_order_async.batch.journal import Journal
from norce_order_async.batch.kinds import UpdateReference
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.replacing import replacing
from norce_order_async.batch.report import (
    JournalRow,
    ReportFormat,
    report_record,
    save_report,
    write_report,
)

CHANGES: list[Change] = [
    DeleteConsent("o_1", "c"),
    PatchConsent("o_2", "c", checked=False),
    PatchConsent("o_ü", 'c,"1"', checked=True, merchant="other", channel="2"),
    PatchAttributes("o_4", {"email": "a@b.example", "lines": "a\r\nb", "price": 12, "none": None}),
    PatchAttributes("o_5", {"cut": "\ud83d", "deep": [{"a": [True, ""]}]}, channel="3"),
]


def done(number: int) -> Outcome:
    return Outcome(
        number=number, line=number, change=DeleteConsent("o_1", "c"), outcome=OutcomeKind.APPLIED, attempts=2,
        started=1_768_212_000.25, elapsed=0.12345678, status=200, request_id="r",
    )  # fmt: skip


def refused(number: int, change: Change | None = None, message: str = "HTTP 404") -> Outcome:
    return Outcome(
        number=number, line=number, file="a.jsonl", change=change or CHANGES[3], outcome=OutcomeKind.REJECTED,
        attempts=1, started=1e9, elapsed=0.1, status=404, request_id="r", error="NotFoundError", message=message,
    )  # fmt: skip


def from_journal(folder: Path, outcomes: list[Outcome]) -> list[JournalRow]:
    with Journal.open(folder / "batch.journal", inputs=[], target="t") as journal:
        for outcome in outcomes:
            told = {name: getattr(outcome, name) for name in ("line", "file", "request_id")}
            change = outcome.change
            marks = [] if change is None else [mark(outcome.number, change, started=outcome.started or 0, **told)]
            write(journal, marks, [outcome])
        return list(journal.rows())


def test_a_line_is_the_change_and_what_became_of_it() -> None:
    assert report_record(done(3)) == {
        "op": "delete_consent", "order_id": "o_1", "consent_id": "c", "_line": 3, "_outcome": "applied",
        "_attempts": 2, "_status": 200, "_request_id": "r", "_started": "2026-01-12T10:00:00.250+00:00",
        "_elapsed": 0.123457,
    }  # fmt: skip
    line = report_record(refused(1))
    assert (line["_file"], line["_error"], line["_message"]) == ("a.jsonl", "NotFoundError", "HTTP 404")


def test_a_bad_line_is_told_as_it_was_read() -> None:
    source = {"op": "delete_consent", "order": 5, "_line": 99, "_note": "x"}
    notes = {
        "_line": 7,
        "_outcome": "not_sent",
        "_attempts": 0,
        "_error": "InvalidRequestError",
        "_message": "not JSON",
    }
    assert report_record(bad_line(7, source)) == {"op": "delete_consent", "order": 5, **notes}
    assert report_record(bad_line(7, {"_raw": "{"})) == {**notes, "_raw": "{"}
    assert report_record(bad_line(7, [1])) == {**notes, "_raw": [1]}
    assert report_record(bad_line(7, None)) == notes


def test_a_journal_tells_the_same_as_the_outcomes(tmp_path: Path) -> None:
    outcomes = [done(1), refused(2), bad_line(3, {"op": "x", "n": 1}), bad_line(4, {"_raw": "{"}), bad_line(5, None)]
    assert list(map(report_record, from_journal(tmp_path, outcomes))) == list(map(report_record, outcomes))


@pytest.mark.parametrize("format", ["jsonl", "csv"])
@pytest.mark.parametrize("journalled", [True, False], ids=["journal", "outcomes"])
def test_what_failed_can_be_run_again(tmp_path: Path, format: ReportFormat, journalled: bool) -> None:
    outcomes = [refused(number, change, "cut \ud83d, \r\n\x00 and") for number, change in enumerate(CHANGES, 1)]
    path = tmp_path / f"report.{format}"
    save_report(from_journal(tmp_path, outcomes) if journalled else outcomes, path)
    entries = list(read_changes(path))
    assert [entry.problem for entry in entries] == [None] * len(CHANGES)
    assert [entry.change for entry in entries] == CHANGES


@pytest.mark.parametrize("format", ["jsonl", "csv"])
@pytest.mark.parametrize(
    "source",
    [
        {"op": "delete_consent", "order_id": "o", "consent_id": "c", "foo": 1},
        {"op": "delete_consent", "order_id": 5, "consent_id": "c"},
        {"op": "delete_consent", "order_id": "o", "consent_id": "c", "checked": None},
        {"op": "delete_consent", "order_id": "o", "consent_id": "c", "merchant": ""},
        {"op": "delete_consent", "order_id": "o", "consent_id": "c", "channel": "\udcff"},
        {"op": "patch_consent", "order_id": "o", "consent_id": "c", "checked": "yes"},
        {"op": "patch_attributes", "order_id": "o", "attributes": '{"a": 1}'},
        {"op": "patch_attributes", "order_id": "o"},
        {"_raw": "{"},
        {"_raw": [1, 2]},
        None,
    ],
    ids=range(11),
)
def test_a_bad_line_of_a_report_is_a_bad_line_again(tmp_path: Path, format: ReportFormat, source: Any) -> None:
    path = tmp_path / f"report.{format}"
    save_report([bad_line(1, source)], path)
    (entry,) = read_changes(path)
    assert entry.change is None


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_attributes_that_json_cannot_hold_are_shown(tmp_path: Path, format: ReportFormat) -> None:
    outcome = attrs.evolve(refused(1), change=PatchAttributes("o_1", {"a": float("nan")}))
    path = tmp_path / f"report.{format}"
    save_report([outcome], path)
    assert "nan" in path.read_text()
    assert "NotFoundError" in path.read_text()
    (entry,) = read_changes(path)
    assert entry.change is None


def test_a_report_is_written_as_it_comes() -> None:
    stream = io.BytesIO()

    def outcomes() -> Iterator[Outcome]:
        for number in range(1, 4):
            yield done(number)
            assert stream.getvalue().count(b"\n") == number

    write_report(outcomes(), stream)
    assert [json.loads(line)["_line"] for line in stream.getvalue().splitlines()] == [1, 2, 3]
    stream = io.BytesIO()
    write_report([done(1)], stream, "csv")
    assert not stream.closed
    assert stream.getvalue().startswith(b"op,order_id,consent_id,checked,attributes,merchant,channel,_line,")


def test_a_report_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "report.jsonl"
    path.write_text("earlier")

    def cut_off() -> Iterator[Outcome]:
        yield done(1)
        assert path.read_text() == "earlier"
        raise ConfigurationError("the journal cannot be read")

    with pytest.raises(ConfigurationError, match="journal"):
        save_report(cut_off(), path)
    assert [file.name for file in tmp_path.iterdir()] == ["report.jsonl"]
    assert path.read_text() == "earlier"
    save_report([done(1)], path)
    assert json.loads(path.read_text())["_outcome"] == "applied"
    assert [file.name for file in tmp_path.iterdir()] == ["report.jsonl"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permissions")
@pytest.mark.parametrize("name", ["report.jsonl", "report.csv", "report.html"])
def test_a_new_report_is_its_owners_alone(tmp_path: Path, name: str) -> None:
    path, before = tmp_path / name, os.umask(0)
    try:
        with replacing(path, "report") as stream:
            (part,) = tmp_path.iterdir()
            assert stat.S_IMODE(part.stat().st_mode) == 0o600
            write_report([done(1)], stream)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o664)
        save_report([done(1)], path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o664
    finally:
        os.umask(before)


def test_a_report_that_cannot_be_written(tmp_path: Path) -> None:
    for bad in (tmp_path, tmp_path / "absent" / "report.jsonl"):
        with pytest.raises(ConfigurationError, match="cannot be written"):
            save_report([done(1)], bad)


def test_a_device_is_written_to_and_not_replaced() -> None:
    device = Path("/dev/full")
    if not device.exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(ConfigurationError, match="No space left"):
        save_report([done(1)], device)
    assert device.is_char_device()


FORMULAS = [
    '=HYPERLINK("x","y")', "+1", "-2+3", "@SUM(A1)", "\uff1d1", "'=1", "''-1", "'", "'a", "1.23E+11", "123.0", "NULL",
]  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula_and_a_report_is_read_as_it_was(tmp_path: Path, text: str, delimiter: str) -> None:
    change = UpdateReference("-o" if text[0] == "=" or text[0].isalnum() else text, text)
    path = tmp_path / "report.csv"
    message = f"{text};{text},{text}"
    save_report([refused(1, change, message)], path, delimiter=delimiter, bom=delimiter == ";")
    assert path.read_bytes().startswith(b"\xef\xbb\xbf") == (delimiter == ";")
    for separator in (",", ";", "\t"):
        for row in csv.reader(path.read_text(encoding="utf-8-sig").splitlines(), delimiter=separator):
            assert not [cell for cell in row if cell[:1] in tuple("=+-@\uff1d") and cell]
    (entry,) = read_changes(path)
    assert (entry.change, entry.problem) == (change, None)


@pytest.mark.parametrize("text", ["1.0", "null", "1E+11", "o_1 ", "'1.0", "'' ", "#REF!"])
def test_an_id_that_a_spreadsheet_could_have_made_is_read_as_it_was(tmp_path: Path, text: str) -> None:
    merchant = text.strip() if text.strip("'") == text.strip() else None
    change = DeleteConsent(text, "c", merchant=merchant)
    save_report([refused(1, change)], tmp_path / "report.csv")
    (entry,) = read_changes(tmp_path / "report.csv")
    assert (entry.change, entry.problem) == (change, None)


def test_a_formula_in_attributes_is_none_with_another_delimiter(tmp_path: Path) -> None:
    change = PatchAttributes("o_1", {"a": "x;=1+1|=2;- 3"})
    path = tmp_path / "report.csv"
    save_report([refused(1, change, "no")], path)
    assert ";=" not in path.read_text()
    assert "|=" not in path.read_text()
    (entry,) = read_changes(path)
    assert entry.change == change


@pytest.mark.parametrize("name", ["report.xlsx", "report.parquet", "report.csv.gz"])
def test_a_report_is_not_named_as_what_it_is_not(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"the report .* would"):
        save_report([done(1)], tmp_path / name)
    save_report([done(1)], tmp_path / "report.tsv")
    assert (tmp_path / "report.tsv").read_text().startswith("op\torder_id\t")


@pytest.mark.parametrize("format", ["jsonl", "csv"])
@pytest.mark.parametrize(
    "row", ["1.23E+11,c,", "123.0,c,", '"=""00123""",c,', "o_1 ,c,", "o_1,c,NULL", "'-1,c,\\N", "o_1,c,x,x"]
)
def test_a_bad_row_of_csv_is_a_bad_line_of_its_report(tmp_path: Path, format: ReportFormat, row: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"op,order_id,consent_id,merchant\ndelete_consent,{row}\n", encoding="utf-8")
    (entry,) = read_changes(path)
    assert entry.change is None
    save_report([bad_line(2, entry.source)], tmp_path / f"report.{format}")
    (again,) = read_changes(tmp_path / f"report.{format}")
    assert again.change is None
