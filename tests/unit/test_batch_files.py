"""Batch files: every line is a change or a problem."""

import gzip
import pickle
import random
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from odd_files import workbook

from norce_order_async import ConfigurationError
from norce_order_async.batch import (
    CreateOrder,
    DeleteConsent,
    InputLayout,
    InputLine,
    PatchAttributes,
    PatchConsent,
    read_changes,
)
from norce_order_async.batch.changes import Change
from norce_order_async.batch.files import PLAIN, Format, Unread, count_entries, format_of, json_lines
from norce_order_async.batch.files.cells import value_of
from norce_order_async.batch.files.entry import MAX_LINE
from norce_order_async.batch.files.json_object import object_meaning
from norce_order_async.batch.inputs import Input
from norce_order_async.batch.travel import pack, unpack
from norce_order_async.models import Cart, Order

GOOD = b'{"op": "delete_consent", "order_id": "o_1", "consent_id": "c"}'
MADE = DeleteConsent("o_1", "c")
HEAD = b"op,order_id,consent_id,checked,attributes,merchant,channel\n"


def read(folder: Path, name: str, content: str | bytes) -> list[InputLine]:
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


def delete(**members: str) -> bytes:
    members = {"op": '"delete_consent"', "order_id": '"o_1"', "consent_id": '"c"'} | members
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in members.items()) + "}").encode("utf-8", "replace")


def attributes(text: str) -> bytes:
    return f'{{"op": "patch_attributes", "order_id": "o_1", "attributes": {text}}}'.encode()


BAD_LINES: list[tuple[bytes, str]] = [
    # not text
    (b"\xff\xfe{}", "not UTF-8 text: it holds the byte 0xff"),
    (delete().replace(b"o_1", b"o_\xe4"), "not UTF-8 text: it holds the byte 0xe4"),
    (delete().replace(b"o_1", b"o_\xed\xa0\x80"), "not UTF-8 text"),
    (delete().decode().encode("utf-16-be"), "is the file UTF-16, or damaged?"),
    (b"\0" * 100, "is the file UTF-16, or damaged?"),
    (b"x" * (MAX_LINE + 1), f"the line is longer than {MAX_LINE} bytes"),
    (b'"' + b"x" * (3 * MAX_LINE), "longer than"),
    # not JSON
    (b'{"op": "delete_consent"', "at character 24; the object does not end in its line"),
    (b"{", "the object does not end in its line"),
    (delete() + b",", "without brackets around the lines or commas after them"),
    (b"[" + delete() + b",", "without brackets around the lines or commas after them"),
    (b"]", "without brackets around the lines or commas after them"),
    (delete() + b"\r" + delete(), "lines end in LF or CRLF"),
    (b'{"op": "a\tb"}', "not JSON: Invalid control character at character 10"),
    (delete() + delete(), "not JSON: Extra data at character 63"),
    (delete().replace(b'"', b"'"), "not JSON: Expecting property name"),
    (delete().replace(b"}", b",}"), "not JSON"),
    (b'{\xef\xbb\xbf"op": "delete_consent"}', "not JSON"),
    (b"# a comment", "not JSON"),
    (attributes('{"a": NaN}'), "NaN is not a JSON number"),
    (attributes('{"a": -Infinity}'), "-Infinity is not a JSON number"),
    (attributes('{"a": ' + "9" * 5000 + "}"), "not JSON: a number with too many digits"),
    (attributes('{"a": 1e99999999999999999999}'), "not JSON: a number with too large an exponent"),
    (b"[" * 100_000, "not JSON: nested too deeply"),
    (attributes('{"a":' * 50_000), "not JSON: nested too deeply"),
    (delete(consent_id='"c", "consent_id": "d"'), "the member 'consent_id' is there twice"),
    (attributes('{"a": {"b": 1, "b": 1}}'), "the member 'b' is there twice"),
    # not a change
    (b"[" + delete() + b"]", "not a JSON object; each line is one object"),
    (b"1", "not a JSON object"),
    (b"null", "not a JSON object"),
    (b"{}", "no op: one of delete_consent"),
    (delete(op='"delete"'), "op 'delete' is none of delete_hook, delete_order, delete_consent"),
    (delete(op="[]"), "op [] is none of"),
    (b'{"op": "patch_consent", "order_id": "o_1", "consent_id": "c"}', "patch_consent needs checked"),
    (delete(note='"x"'), "does not take 'note'"),
    (delete(attributes="{}"), "does not take 'attributes'"),
    (delete(order_id="1"), "order_id must be a str, got int"),
    (delete(order_id="null"), "order_id must be a str"),
    (delete(order_id='""'), "order_id is empty"),
    (delete(order_id='".."'), "would name another resource"),
    *((delete(order_id=f'"o{character}1"'), "which an id cannot hold") for character in ("/", "\\\\", "%")),
    (delete(order_id='"\\ud800"'), "which an id cannot hold"),
    (delete(order_id='"\\u0000"'), "which an id cannot hold"),
    (delete(order_id='"\ufeffo"'), "which an id cannot hold"),
    (delete(order_id=f'"{"o" * 129}"'), "order_id has 129 characters"),
    (delete(op='"patch_consent"', checked='"true"'), "checked must be true or false without quotes, got 'true'"),
    (delete(op='"patch_consent"', checked="1"), "checked must be true or false, got 1"),
    (attributes("{}"), "attributes must be an object with at least one member"),
    (attributes("[1]"), "attributes must be an object"),
    (attributes('"{}"'), "attributes must be an object"),
    (attributes("null"), "attributes must be an object"),
    (delete(merchant='""'), "merchant is empty"),
    (delete(merchant='"a\\nb"'), "merchant holds a character"),
    (delete(merchant='"ö"'), "merchant holds a character"),
    (delete(channel="1"), "channel must be a str"),
]


@pytest.mark.parametrize(("line", "says"), BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_bad_line_is_named_and_stops_nothing(tmp_path: Path, line: bytes, says: str) -> None:
    before, bad, after = read(tmp_path, "changes.jsonl", b"\n".join([GOOD, line, GOOD]))
    assert (before.line, bad.line, after.line) == (1, 2, 3)
    assert after.change == MADE
    assert (bad.change, bad.digest) == (None, None)
    assert says in (bad.problem or "")
    assert len(bad.problem or "") < 200
    assert (bad.problem or "").isprintable()


def test_every_bad_line_of_many_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    short = [line for line, _ in BAD_LINES if len(line) < 10_000]
    shuffled = random.Random(5)
    lines = [shuffled.choice([GOOD, b"", *short]) for _ in range(1000)]
    entries = read(tmp_path, "changes.jsonl", b"\r\n".join(lines))
    assert [entry.line for entry in entries] == [number for number, line in enumerate(lines, 1) if line]
    for entry in entries:
        assert entry.change == (MADE if lines[entry.line - 1] == GOOD else None)
        assert (entry.change is None) == bool(entry.problem)
        assert (entry.change is None) == (entry.source is not None)


BAD_ROWS: list[tuple[bytes, str]] = [
    (b"delete_consent,o_1", "2 columns where the first line has 7"),
    (b"delete_consent,o_1,c,,,,,", "8 columns where the first line has 7"),
    (b"delete_consent;o_1;c;;;;", "1 columns where the first line has 7"),
    (b"patch_consent,o_1,c,maybe,,,", "checked must be true or false, got 'maybe'"),
    (b"patch_consent,o_1,c,,,,", "needs checked"),
    (b"delete_consent,,c,,,,", "needs order_id"),
    (b",o_1,c,,,,", "no op"),
    (b"delete,o_1,c,,,,", "op 'delete' is none of"),
    (b"op,order_id,consent_id,checked,attributes,merchant,channel", "the columns are named once more"),
    (b"delete_consent,o_1,c,,{},,", "does not take 'attributes'"),
    (b"delete_consent, o_1,c,,,,", "order_id ' o_1' has spaces around it"),
    (b"delete_consent,o_1,c ,,,,", "consent_id 'c ' has spaces around it"),
    (b"delete_consent,o_\0,c,,,,", "which an id cannot hold"),
    (b"delete_consent,o_\xff,c,,,,", "not UTF-8 text: save the file as UTF-8"),
    (b'patch_attributes,o_1,,,"{""a"": ""\xff""}",,', "attributes: not UTF-8 text"),
    (b"patch_attributes,o_1,,,{a},,", "attributes: not JSON"),
    (b"patch_attributes,o_1,,,{},,", "at least one member"),
    (b"patch_attributes,o_1,,,[],,", "attributes must be an object"),
    (b'patch_attributes,o_1,,,"{""a"": 1, ""a"": 2}",,', "attributes: the member 'a' is there twice"),
    (b"delete_consent,o_1,c,,,a b ,", "merchant is empty or has spaces around it"),
    (b'delete_consent,o_1,c,,,"a\tb",', "merchant holds a character"),
    (b'delete_consent,"o"1,c,,,,', "not CSV: ',' expected after '\"'"),
    (b'patch_attributes,o_1,,,"' + b"x" * (MAX_LINE + 10) + b'",,', "not CSV: the line is longer than"),
]


@pytest.mark.parametrize(("row", "says"), BAD_ROWS, ids=range(len(BAD_ROWS)))
def test_a_bad_row_is_named_and_stops_nothing(tmp_path: Path, row: bytes, says: str) -> None:
    bad, after = read(tmp_path, "changes.csv", HEAD + row + b"\ndelete_consent,o_1,c,,,,\n")
    assert (bad.line, after.line, after.change) == (2, 3, MADE)
    assert bad.change is None
    assert says in (bad.problem or "")


@pytest.mark.parametrize("name", ["order_id", "reference"])
def test_a_number_with_more_digits_than_a_spreadsheet_keeps_is_no_text(tmp_path: Path, name: str) -> None:
    for number, in_workbook in ((123_456_789_012_345, True), (1_234_567_890_123_456, False)):
        row = {"op": "update_reference", "order_id": "o_1", "reference": "r", name: number}
        [entry] = read(tmp_path, "changes.xlsx", workbook(tuple(row), tuple(row.values())))
        assert getattr(entry.change, name, None) == (str(number) if in_workbook else None)
        assert in_workbook or f"{name} '{number}' is no text" in (entry.problem or "")
        assert value_of(name, number) == str(number)  # Parquet keeps it


def test_every_bad_row_of_many_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    short = [row for row, _ in BAD_ROWS if len(row) < 10_000]
    good = b"delete_consent,o_1,c,,,,"
    shuffled = random.Random(6)
    rows = [shuffled.choice([good, b" ", b",,,,,,", *short]) for _ in range(1000)]
    for line_end in (b"\n", b"\r\n", b"\r"):
        entries = read(tmp_path, "changes.csv", HEAD.strip() + line_end + line_end.join(rows))
        assert [entry.line for entry in entries] == [number for number, row in enumerate(rows, 2) if row.strip(b", ")]
        for entry in entries:
            assert entry.change == (MADE if rows[entry.line - 2] == good else None)
            assert (entry.change is None) == (entry.source is not None)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", ["changes.jsonl", "changes.csv"])
def test_a_line_that_another_process_reads_means_the_same(tmp_path: Path, name: str, compressed: bool) -> None:
    if name.endswith(".csv"):
        good = [b"delete_consent,o_1,c,,,,", b'patch_attributes,o_2,,,"{""a"":\n1}",m,2', b"create_hook,,,,,,"]
        content = HEAD + b"\n".join(good + [row for row, _ in BAD_ROWS] + good)
    else:
        good = [GOOD, b"", delete(merchant='"m"', channel="null"), b'{"op": "create_order", "order": {"cart": {}}}']
        content = b"\r\n".join(good + [line for line, _ in BAD_LINES] + good)
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if compressed else content)
    unread = list(cast("Iterator[InputLine]", Input(path).unread()))
    sent = pickle.loads(pickle.dumps(list(map(pack, unread))))
    assert list(map(unpack, sent)) == list(read_changes(path))
    assert sum(isinstance(entry, Unread) for entry in unread) > len(unread) / 3
    for entry in unread:
        change = unpack(pack(entry)).change
        if isinstance(entry, Unread) and change is not None:
            assert entry.order == (change.merchant, change.channel, change.order_id)


def test_whose_order_it_is(tmp_path: Path) -> None:
    expected = [DeleteConsent("o_1", "c", merchant="other"), DeleteConsent("o_1", "c", channel="2"), MADE]
    rows = b"delete_consent,o_1,c,,,other,\ndelete_consent,o_1,c,,,,2\ndelete_consent,o_1,c,,,,\n"
    lines = b"\n".join([delete(merchant='"other"'), delete(channel='"2"'), delete(merchant="null")])
    assert changes(read(tmp_path, "changes.csv", HEAD + rows)) == expected
    assert changes(read(tmp_path, "changes.jsonl", lines)) == expected


def changes(entries: list[InputLine]) -> list[Change | None]:
    return [entry.change for entry in entries]


def test_files_that_were_put_together_keep_their_byte_order_marks(tmp_path: Path) -> None:
    marked = b"\xef\xbb\xbf" + GOOD + b"\n"
    assert changes(read(tmp_path, "changes.jsonl", marked + marked)) == [MADE, MADE]


def test_an_entry_knows_how_long_its_line_is(tmp_path: Path) -> None:
    (entry,) = read(tmp_path, "changes.jsonl", GOOD + b"\r\n")
    (row,) = read(tmp_path, "changes.csv", HEAD + b'patch_attributes,o_1,,,"{""\xc3\xb6"":\n1}",,\n')
    assert (entry.size, entry.file, entry.digest) == (len(GOOD) + 2, None, None)
    assert (row.size, row.change) == (38, PatchAttributes("o_1", {"ö": 1}))


@pytest.mark.parametrize(
    ("name", "format"),
    [("a.csv", "csv"), ("a.CSV.gz", "csv"), ("a.jsonl.gz", "jsonl"), ("a.csv.txt", "jsonl"), ("-", "jsonl")],
)
def test_the_name_tells_the_format(name: str, format: Format) -> None:
    assert format_of(name) == format_of(Path(name)) == format


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl", "a"])
def test_gzip_is_known_by_its_content(tmp_path: Path, name: str) -> None:
    one, two = gzip.compress(GOOD + b"\n\n"), gzip.compress(b"\n" + GOOD)
    entries = read(tmp_path, name, one + two + b"\0" * 512)
    assert [(entry.line, entry.change) for entry in entries] == [(1, MADE), (4, MADE)]
    assert changes(read(tmp_path, "a.csv.gz", gzip.compress(HEAD + b"delete_consent,o_1,c,,,,"))) == [MADE]


SPOILED: list[tuple[Callable[[bytes], bytes], str]] = [
    (lambda packed: packed[:-4], "cut off"),
    (lambda packed: packed[: len(packed) * 2 // 3], "cut off"),
    (lambda packed: packed[:12], "cut off"),
    (lambda packed: packed[:-8] + b"12345678", "damaged"),
    (lambda packed: packed + b"more", "damaged"),
]


@pytest.mark.parametrize(("spoil", "says"), SPOILED, ids=range(len(SPOILED)))
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_damaged_gzip_is_an_error_after_what_could_be_read(
    tmp_path: Path, name: str, spoil: Callable[[bytes], bytes], says: str
) -> None:
    head, row = (b"", GOOD) if name == "a.jsonl" else (HEAD, b"delete_consent,o_1,c,,,,")
    notes = random.Random(7).randbytes(20_000).hex().encode()
    body = b"\n".join(row.replace(b"o_1", b"o_" + notes[at : at + 20]) for at in range(0, len(notes) - 20, 20)) + b"\n"
    path = tmp_path / name
    path.write_bytes(spoil(gzip.compress(head + body)))
    entries: list[InputLine] = []
    with pytest.raises(ConfigurationError, match=f"{name} cannot be read.*{says}") as raised:
        entries.extend(read_changes(path))
    assert all(entry.change for entry in entries)
    assert not entries or f"beyond line {entries[-1].line}:" in str(raised.value)
    with pytest.raises(ConfigurationError, match=f"{name} cannot be read.*{says}"):
        count_entries(str(path), None, len)


def test_a_line_that_only_gzip_makes_short_is_not_held_in_memory(tmp_path: Path) -> None:
    pack = zlib.compressobj(wbits=31)
    bomb = b"".join(pack.compress(b"x" * 2**20) for _ in range(50)) + pack.compress(b"\n" + GOOD) + pack.flush()
    tracemalloc.start()
    try:
        long, after = read(tmp_path, "bomb.jsonl", bomb)
        assert tracemalloc.get_traced_memory()[1] < 8 * MAX_LINE
    finally:
        tracemalloc.stop()
    assert "longer than" in (long.problem or "")
    assert after.change == MADE


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (GOOD.decode().encode("utf-32"), "is UTF-32 text: save it as"),
        (b"\0\0\xfe\xff" + GOOD.decode().encode("utf-32-be"), "is UTF-32 text"),
        (b"PK\3\4...", "is a ZIP archive or an Excel workbook"),
        (b"PAR1...", "is Parquet"),
        (b"\xd0\xcf\x11\xe0...", "is an Excel workbook of the old kind"),
        (gzip.compress(GOOD.decode().encode("utf-32")), "is UTF-32 text"),
        (GOOD.decode().encode("utf-16")[:-1], "cannot be read.*its UTF-16 text is cut off"),
    ],
    ids=["utf-32", "utf-32-be", "zip", "parquet", "xls", "gzip", "utf-16-cut"],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_a_file_that_is_something_else(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} {says}"):
        read(tmp_path, name, content)


def test_csv_that_is_read_as_json_lines(tmp_path: Path) -> None:
    assert "is it CSV?" in (read(tmp_path, "changes.txt", HEAD)[0].problem or "")


def test_a_quote_that_is_out_of_place_changes_no_other_order(tmp_path: Path) -> None:
    content = 'op,order_id,consent_id\ndelete_consent,"o1"x,c\ndelete_consent,o_2,c\ndelete_consent,"o_3,c\na,b,c\n'
    bad, good, unclosed = read(tmp_path, "changes.csv", content)
    assert (bad.line, bad.change) == (2, None)
    assert good.change == DeleteConsent("o_2", "c")
    assert (unclosed.line, unclosed.change) == (4, None)
    assert "lines 4 to 5" in (unclosed.problem or "")


def test_a_long_line_is_not_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("norce_order_async.batch.files.json_lines.MAX_LINE", 100)
    monkeypatch.setattr("norce_order_async.batch.files.csv_table.MAX_LINE", 100)
    good = '{"op": "delete_consent", "order_id": "o_1", "consent_id": "c"}'
    for name, head, row in (
        ("a.jsonl", "", good),
        ("a.csv", "op,order_id,consent_id\n", "delete_consent,o_1,c"),
    ):
        long, after = read(tmp_path, name, f"{head}{'x' * 1000}\n{row}\n")
        assert "longer than 100" in (long.problem or "")
        assert after.change == DeleteConsent("o_1", "c")


def test_a_quote_that_is_never_closed_is_bounded(tmp_path: Path) -> None:
    row = b"delete_consent,o_1,c,,,,\n"
    count = MAX_LINE // len(row) + 100
    bad, *entries = read(tmp_path, "changes.csv", HEAD + b'delete_consent,"o_1,c,,,,\n' + row * count)
    assert f"lines 2 to {entries[0].line - 1}: the row is longer than" in (bad.problem or "")
    assert (entries[0].change, entries[-1].line) == (MADE, count + 2)


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ("", "got none"),
        ("op,op,order_id\n", "got op, op, order_id$"),
        ("order_id,consent_id\n", "got order_id, consent_id"),
        ("op,consent,cart\n", "got op, consent"),
        ("op,order_id,chekced\n", "chekced"),
        ("op;order_id;konsent\n", "got op, order_id, konsent"),
        ("op;order_id;orderId\n", "got op, order_id, orderId"),
        ('#TYPE System.Object\n"op","order_id"\n', "leave out the line that begins with #TYPE"),
        ("o-123\no-124\n", "is it a list of ids"),
        ("o_1\no_2\n", r"is it a list of ids \(--format ids\)"),
        ("order_id,consent_id\n", r"each once: there is no column op, so add one, or say it .*--set op=delete_consent"),
        ("op,consent_id\n", r"there is no column order_id, so name the one that has it \(--column order_id=OrderNo"),
        ("op,order_id,City\n", r"no change has the column City, so pass it over \(--ignore-columns\); got op, order"),
        ("op;order_id;orderId\n", "the column order_id is there twice; got op, order_id, orderId$"),
        ('{"op": "delete_consent", "order_id": "o_1", "consent_id": "c"}\n', "is it JSON Lines"),
        ("o\0p\0,\0", "is the file UTF-16"),
        ("op,order_id,\udcff\x1b[2J", r"\\x1b"),
    ],
)
def test_a_csv_file_names_its_columns(tmp_path: Path, head: str, says: str) -> None:
    path = tmp_path / "changes.csv"
    path.write_bytes(head.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigurationError, match=f"names its columns(.|\n)*{says}") as raised:
        list(read_changes(path))
    assert str(raised.value).isprintable()
    with pytest.raises(ConfigurationError, match="names its columns"):
        count_entries(str(path), None, len)


@pytest.mark.parametrize("fill", [{}, {"op": "create_order"}])
def test_orders_that_are_made_need_no_column_of_their_id(tmp_path: Path, fill: dict[str, Any]) -> None:
    path = tmp_path / "changes.csv"
    op, cell = ("", "") if fill else ("op,", "create_order,")
    path.write_text(f'{op}order\n{cell}"{{""cart"":{{""reference"":""c-9""}}}}"\n', encoding="utf-8")
    (line,) = read_changes(path, layout=InputLayout(fill=fill))
    assert line.change == CreateOrder(Order(cart=Cart(reference="c-9")))
    assert count_entries(str(path), None, len, InputLayout(fill=fill)) == 1


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    for path, says in ((tmp_path / "absent.jsonl", "No such file"), (tmp_path, "it is a folder")):
        with pytest.raises(ConfigurationError, match=f"cannot be read: {says}"):
            list(read_changes(path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_are_lines_with_a_change_or_a_problem(tmp_path: Path, content: bytes) -> None:
    for name, head in (("any.jsonl", b"\n"), ("any.csv", HEAD)):
        entries = read(tmp_path, name, head + content)
        for entry in entries:
            assert (entry.change is None) != (entry.problem is None)
        assert count_entries(str(tmp_path / name), None, len) == len(entries)


@pytest.mark.parametrize("order_id", ["o 1", "o?1", "o#1", "ö1"])
def test_an_id_may_have_what_a_path_can_carry(tmp_path: Path, order_id: str) -> None:
    row = f"delete_consent,{order_id},c,,,,".encode()
    for name, text in (("a.jsonl", delete(order_id=f'"{order_id}"')), ("a.csv", HEAD + row)):
        (entry,) = read(tmp_path, name, text)
        assert entry.change == DeleteConsent(order_id, "c")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("length", [*range(70, 110), 170, 199, 200, 201, 202, 300, 301, 302, 1000])
def test_a_bad_line_of_csv_ends_where_its_line_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str, length: int
) -> None:
    monkeypatch.setattr("norce_order_async.batch.files.csv_table.MAX_LINE", 100)
    long = "delete_consent,o_1,".ljust(length, "x")
    rows = ["op,order_id,consent_id", long, "delete_consent,o_1,c", long, 'delete_consent,"o_1"x,c', "", long]
    entries = read(tmp_path, "changes.csv", end.join([*rows, "delete_consent,o_1,c"]))
    is_long = length + len(end) > 100
    assert [entry.line for entry in entries] == [2, 3, 4, 5, 7, 8]
    assert [entry.change for entry in (entries[1], entries[-1])] == [MADE, MADE]
    assert [bool(entry.problem and "longer than 100" in entry.problem) for entry in entries] == [
        is_long, False, is_long, False, is_long, False,
    ]  # fmt: skip


# Most lines are read by a faster reader

STRANGE = [
    b"", b"null", b"[]", b"7", b"{}", b"{", b"\xef\xbb\xbf{}", b"\xff", b'{"a": 1, "a": 1}', b'{"op": NaN}',
    b'{"op": "delete_consent", "order_id": "o", "consent_id": "c"}',
    b'\xef\xbb\xbf{"op": "delete_consent", "order_id": "o", "consent_id": "c"}',
    b'{"op": "delete_consent", "order_id": "o", "consent_id": "c", "consent_id": "d"}',
    b'{"op" : "delete_consent", "order_id" : "o:1", "consent_id":"c", "consent\\u005fid": "d"}',
    b'{"op": "delete_consent", "order_id": "o:1", "consent_id": "c", "_note": "10:30"}',
    b'{"op": "delete_consent", "order_id": "a/b", "consent_id": "c"}',
    b'{"op": "delete_consent", "order_id": "a b", "consent_id": "\xc3\xa9"}',
    b'{"op": "delete_consent", "order_id": "o", "consent_id": "\xe9"}',
    b'{"op": "delete_consent", "order_id": "\\ud800", "consent_id": "c"}',
    b'{"op": "delete_consent", "order_id": "\x01", "consent_id": "c"}',
    b'{"op": "delete_consent", "order_id": 7, "consent_id": null}',
    b'{"op": "delete_consent", "order_id": "o", "checked": true}',
    b'{"op": "patch_consent", "order_id": "o", "consent_id": "c", "checked": true}',
    b'{"checked": false, "order_id": "o", "consent_id": "..", "op": "patch_consent"}',
    b'{"op": "patch_consent", "order_id": "o", "consent_id": "c", "checked": 1}',
    b'{"op": "patch_consent", "order_id": "o", "consent_id": "c", "checked": null}',
    b'{"op": "patch_consent", "order_id": "o", "consent_id": "c", "merchant": "m"}',
    b'{"op": "patch_consent", "order_id": "o", "consent_id": "c", "checked": true, "merchant": "m", "channel": "1"}',
    b'{"op": "patch_consent", "order_id": "o", "consent_id": "c", "checked": 1, "merchant": ""}',
    b'{"op": "patch_attributes", "order_id": "o", "attributes": {"a": {"b": 1.10, "c": [{"d": 1e400}, -0]}}}',
    b'{"op": "patch_attributes", "order_id": "o", "attributes": {"a": 12345678901234567890123}}',
    b'{"op": "patch_attributes", "order_id": "o", "attributes": {"a": {"b": 1, "b": 2}}}',
    b'{"op": "patch_attributes", "order_id": "o", "attributes": {"a": [[{"b": 1, "b": 2}]]}}',
    b'{"op": "patch_attributes", "order_id": "o", "attributes": {"a": ":", "a": ""}}',
    b'{"op": "patch_attributes", "order_id": "o", "attributes": {"a": 1e999999999999999999}}',
    b'{"op": "patch_attributes", "order_id": "o", "attributes": {"a": "\\ud83d\\ude00", "b": "\\udc00"}}',
    b'{"op": "patch_attributes", "order_id": "o", "attributes": {}}',
    b'{"op": "patch_attributes", "order_id": "o", "attributes": ' + b'{"a":' * 600 + b"1" + b"}" * 601,
    b'{"op": "patch_attributes", "order_id": "o", "attributes": ' + b'{"a":' * 3000 + b"1" + b"}" * 3001,
    b'{"op": "patch_attributes", "order_id": "o", "attributes": {"a": ' + b"9" * 5000 + b"}}",
    b'{"op": ["delete_consent"]}', b'{"op": "refund", "order_id": "o"}', b'{"_raw": "x"}', b'{"op": "delete_consent"},',
]  # fmt: skip


def both_meanings(line: bytes) -> tuple[object, object]:
    fast = json_lines._line_meaning(2, line)  # pyright: ignore[reportPrivateUsage]
    checked = object_meaning(PLAIN, 2, line)
    return (*fast, repr(fast)), (*checked, repr(checked))


@pytest.mark.parametrize("line", STRANGE, ids=lambda line: repr(line[:60]))
def test_the_faster_reader_reads_and_refuses_the_same(line: bytes) -> None:
    fast, checked = both_meanings(line)
    assert fast == checked


@pytest.mark.parametrize("seed", range(20))
def test_the_faster_reader_reads_and_refuses_the_same_of_lines_that_are_damaged(seed: int) -> None:
    dice = random.Random(seed)
    good = [line for line in STRANGE if 20 < len(line) < 300]
    for _ in range(200):
        line = bytearray(dice.choice(good))
        for _ in range(dice.randint(1, 3)):
            at = dice.randrange(len(line))
            match dice.randrange(4):
                case 0:
                    line[at] = dice.randrange(256)
                case 1:
                    del line[at : at + dice.randint(1, 8)]
                case 2:
                    line[at:at] = line[at : at + dice.randint(1, 40)]
                case _:
                    line[at:at] = dice.choice([b":", b'"', b',"op":"delete_consent"', b"\\", b" "])
            if not line:
                break
        fast, checked = both_meanings(bytes(line))
        assert fast == checked, bytes(line)
