"""Files as people have them, through the command: what is read, what is refused, and the sentence."""

import hashlib
import io
import json
import os
import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import cast
from unittest.mock import Mock
from zipfile import ZipFile

import pytest
from odd_files import ODD_FILES, OddFile, docs_table, lines, parquet, table, workbook

from norce_order_async import ConfigurationError
from norce_order_async.batch import DeleteOrder, Input, InputLayout, InputLine, read_changes
from norce_order_async.batch.columns import COLUMNS
from norce_order_async.batch.files import Format
from norce_order_async.batch.files.entry import MAX_LINE
from norce_order_async.batch.travel import pack, unpack
from norce_order_async.cli import main
from norce_order_async.wire.json import JSON

PAGE = Path(__file__).parents[2] / "docs" / "files.md"


@pytest.mark.parametrize("file", ODD_FILES, ids=lambda file: re.sub(r"\W+", "-", file.what))
def test_an_odd_file_is_read_or_refused_with_a_sentence(
    tmp_path: Path, file: OddFile, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / file.name
    path.write_bytes(file.bytes)
    code = main(["batch", "run", str(path), "--dry-run", "--output", "json", *file.options])
    out, err = capsys.readouterr()
    if file.says is None:
        told = json.loads(out)
        assert (code, told["total"], told["bad"], told["problems"]) == (0, 3, 0, [])
        return
    assert code in (1, 2, 3)
    told = err if code != 1 else json.loads(out)["problems"][0]["message"]
    assert file.says in told
    assert "Traceback" not in err


def test_the_page_tells_the_same() -> None:
    assert docs_table() in PAGE.read_text(encoding="utf-8")


SAME = InputLayout(fill={"op": "patch_consent", "consent_id": "ci_a", "checked": True})


def same_batch(folder: Path, count: int) -> dict[str, Path]:
    """One batch in every format; the ids hold what each of them has to quote."""
    ids = [f"o_{number}; å|'" if number % 7 == 0 else f"o_{number}" for number in range(count)]
    rows = [("patch_consent", one, "ci_a", "true") for one in ids]
    head = ("op", "order_id", "consent_id", "checked")
    records = [{"op": op, "order_id": one, "consent_id": part, "checked": True} for op, one, part, _ in rows]
    contents: dict[str, str | bytes] = {
        "a.jsonl": lines(*records),
        "a.json": json.dumps(records, indent=1),
        "comma.csv": table(",", head, rows),
        "semicolon.csv": table(";", head, [(op, f'"{one}"', *rest) for op, one, *rest in rows]),
        "a.tsv": table("\t", head, rows),
        "a.xlsx": workbook(head, *rows),
        "a.parquet": parquet({name: list(cells) for name, cells in zip(head, zip(*rows, strict=True), strict=True)}),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return {name: folder / name for name in contents}


def test_the_same_batch_in_every_format_has_equal_changes(tmp_path: Path) -> None:
    files = same_batch(tmp_path, 40)
    expected = [entry.change for entry in read_changes(files["a.jsonl"])]
    assert None not in expected
    for name, path in files.items():
        source = Input(path)
        assert (name, [entry.change for entry in source]) == (name, expected)
        dealt = [unpack(pack(entry)).change for entry in cast("Iterator[InputLine]", source.unread())]
        assert (name, dealt) == (name, expected)
        assert source.survey()[0].changes == 40
    (tmp_path / "a.txt").write_text("".join(f"o_{number}\n" for number in range(40)), encoding="utf-8")
    listed = [entry.change for entry in Input(tmp_path / "a.txt", layout=SAME)]
    assert [change for number, change in enumerate(listed) if number % 7] == [
        change for number, change in enumerate(expected) if number % 7
    ]


@pytest.mark.parametrize("name", ["a.json", "semicolon.csv", "a.tsv", "a.xlsx", "a.parquet"])
def test_a_batch_goes_on_with_the_same_command_and_is_another_with_other_options(tmp_path: Path, name: str) -> None:
    path = same_batch(tmp_path, 5)[name]
    (digest,) = {Input(path).survey()[0].digest for _ in range(2)}
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    layouts = [
        InputLayout(ignore=True),
        InputLayout(columns={"order_id": "order_id"}, ignore=True, fill=SAME.fill),
        InputLayout(columns={"order_id": "order_id"}, ignore=True, fill={**SAME.fill, "checked": False}),
        *(InputLayout(ignore=True, fill={"attributes": {"w": value}}) for value in (Decimal("1.50"), "1.50")),
    ]
    digests = {Input(path, layout=layout).survey()[0].digest for layout in layouts}
    assert len({digest, *digests}) == 6
    assert digests == {Input(path, layout=layout).survey()[0].digest for layout in layouts}


@pytest.mark.parametrize("name", ["a.xlsx", "a.parquet"])
def test_a_table_that_changes_while_it_is_read_ends_the_batch(tmp_path: Path, name: str) -> None:
    path = same_batch(tmp_path, 3_000)[name]
    source = Input(path)
    source.survey()
    entries = iter(source)
    next(entries)
    path.touch()
    os.utime(path, (1, 1))
    with pytest.raises(ConfigurationError, match="was changed while the batch read it"):
        list(entries)


@pytest.mark.parametrize("cell", [0, False, "x"])
def test_a_cell_beyond_the_header_is_told_whatever_stands_in_it(tmp_path: Path, cell: object) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook(("op", "order_id"), ("delete_order", "o_1"), ("delete_order", "o_2", "", cell)))
    assert [entry.problem for entry in Input(path)] == [None, "a cell stands beyond the named columns"]


@pytest.mark.parametrize(("name", "extra"), [("a.xlsx", "excel"), ("a.parquet", "parquet")])
def test_a_format_says_which_extra_it_needs(
    tmp_path: Path, name: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = same_batch(tmp_path, 1)[name]
    for module in ("openpyxl", "pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=rf"pip install \"norce-order-async\[{extra}\]"):
        Input(path).survey()


@pytest.mark.parametrize(
    ("format", "content", "line"),
    [
        ("ids", "o_1\no_", 2),
        ("json", '[{"op": "delete_order", "order_id": "o_1"}, {"op"', 2),
        ("csv", "op,order_id\ndelete_order,o_1\ndelete_order,o_", 3),
        ("csv", 'op,order_id\ndelete_order,o_1\ndelete_order,"o_\n', 3),
    ],
)
def test_a_stream_that_was_cut_makes_nothing_of_its_last_line(
    tmp_path: Path, format: Format, content: str, line: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pipe"
    path.write_text(content, encoding="utf-8")
    always = Mock(return_value=True)
    monkeypatch.setattr("norce_order_async.batch.files.reading.is_stream", always)
    same: dict[str, JSON] = {"op": "delete_order"} if format == "ids" else {}
    found = read_changes(path, format, InputLayout(fill=same))
    first = next(found)
    assert first.change is not None
    assert first.digest is not None
    assert next(read_changes(path, format, InputLayout(fill={**same, "channel": "2"}))).digest != first.digest
    with pytest.raises(ConfigurationError, match=f"ended inside line {line}"):
        next(found)


def test_an_object_that_never_ends_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'[{"a": "' + b"x" * (3 * MAX_LINE) + b'"}]')
    with pytest.raises(ConfigurationError, match="object 1 of the array is longer than"):
        list(read_changes(path))


ACCOUNTING = '_-* #,##0_-;\\-* #,##0_-;_-* "-"_-;_-@_-'
PLAIN = (
    "General", "GENERAL", "@", "0", "#0", "#,###", "# ##0", "#\\ ##0", "0_ ", "0;-0", "0;@", "0_);(0)",
    "#,##0;[Red]-#,##0", "[Color 5]0", "[$-409]0", "0_ ;[Red]\\-0\\ ", "#,##0_);(#,##0)", ACCOUNTING,
)  # fmt: skip
OTHER = (
    "00000", "*0#", "0.00", "#,##0,", "0%", '0"x"', "0.00E+00", "\\#0", ";;;", "[>9]0", "[$€-407]0", "[DBNum1]0",
    "# ?/?", "(0);0",
)  # fmt: skip


@pytest.mark.parametrize(
    ("format", "is_plain"), [*((format, True) for format in PLAIN), *((format, False) for format in OTHER)]
)
def test_a_whole_number_of_a_workbook_is_read_where_each_digit_is_shown(
    tmp_path: Path, format: str, is_plain: bool
) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(workbook(("op", "order_id"), ("delete_order", 12345), format=format))
    [entry] = Input(path)
    refused = f"order_id '12345' is shown as another text, by the format {format!r}: write it as text"
    assert (entry.change or entry.problem) == (DeleteOrder("12345") if is_plain else refused)


def test_a_number_of_a_workbook_may_have_a_style_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    content = io.BytesIO(workbook(("op", "order_id"), ("delete_order", 123), format="00000"))
    with ZipFile(content) as given, ZipFile(path, "w") as made:
        for name in given.namelist():
            part = given.read(name)
            made.writestr(name, part.replace(b's="1"', b's="77"') if "sheet1" in name else part)
    [entry] = Input(path)
    assert (entry.change or entry.problem) == DeleteOrder("123")


def test_names_of_columns_are_told_apart() -> None:
    keys = [name.replace("_", "") for name in COLUMNS]
    assert len(set(keys)) == len(keys)
