"""Files as people have them: what ``batch run`` makes of each; the table of the docs is made of this one."""

import gzip
import io
import json
from collections.abc import Sequence
from datetime import date
from importlib import import_module
from typing import Any

import attrs
from workbooks import write_workbook

IDS = ("o_1", "o_2", "o_3")
SET = ("--set", "op=delete_consent", "--set", "consent_id=ci_a")
FROM_NO = ("--column", "order_id=OrderNo", "--ignore-columns", *SET)
HEAD = ("op", "order_id", "consent_id")
ROWS = [("delete_consent", order_id, "ci_a") for order_id in IDS]


def table(delimiter: str = ",", head: Sequence[str] = HEAD, rows: Sequence[Sequence[str]] = ROWS) -> str:
    """A table as text."""
    return "".join(delimiter.join(row) + "\r\n" for row in (head, *rows))


def row(*cells: str, head: Sequence[str] = HEAD) -> str:
    """A table with one row."""
    return table(head=head, rows=[cells])


def lines(*records: Any) -> str:
    """JSON Lines."""
    return "".join(json.dumps(record) + "\n" for record in records)


def records(**more: Any) -> list[dict[str, Any]]:
    """The three changes as objects."""
    return [dict(zip(HEAD, values, strict=True)) | more for values in ROWS]


def workbook(*rows: Sequence[Any], format: str = "General") -> bytes:
    """An Excel workbook with these rows in its first sheet, all of them with a format of numbers."""
    book = import_module("openpyxl").Workbook(write_only=True)
    sheet = book.create_sheet()
    for values in rows:
        cells = [import_module("openpyxl.cell").WriteOnlyCell(sheet, value) for value in values]
        for cell in cells:
            if isinstance(cell.value, int):
                cell.number_format = format
        sheet.append(cells)
    book.create_sheet("notes").append(["not read"])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def excel_workbook(rows: Sequence[Sequence[str]]) -> bytes:
    """An Excel workbook with these rows, as Excel writes it."""
    stream = io.BytesIO()
    write_workbook(stream, rows)
    return stream.getvalue()


def parquet(columns: dict[str, list[Any]]) -> bytes:
    """A Parquet file."""
    stream = io.BytesIO()
    import_module("pyarrow.parquet").write_table(import_module("pyarrow").table(columns), stream)
    return stream.getvalue()


@attrs.frozen
class OddFile:
    """A file, and what is made of it.

    Attributes:
        what: What it is.
        name: Its name.
        content: What stands in it.
        says: What is told of it; None where its three changes are read.
        options: What is typed after its name.
    """

    what: str
    name: str
    content: str | bytes
    says: str | None = None
    options: tuple[str, ...] = ()

    @property
    def bytes(self) -> bytes:
        """What stands in it, in UTF-8 where it is text."""
        return self.content if isinstance(self.content, bytes) else self.content.encode()


_ORDER = {"id": "o_1", "merchant": "m", "channel": "1", "attributes": {"a": 1}, "state": {"currentStatus": "checkout"}}

ODD_FILES = [
    OddFile("CSV with semicolons and a byte order mark, as Excel writes it in Sweden", "a.csv", "\ufeff" + table(";")),
    OddFile("CSV with tabs", "a.csv", table("\t")),
    OddFile("CSV with bars", "a.csv", table("|")),
    OddFile("a file named *.tsv", "a.tsv", table("\t")),
    OddFile("CSV with another delimiter", "a.csv", table("^"), None, ("--delimiter", "^")),
    OddFile("CSV with a first line sep=;", "a.csv", "sep=;\r\n" + table(";")),
    OddFile("CSV with a first line sep=^", "a.csv", "\ufeffsep=^\r\n" + table("^")),
    OddFile(
        "a delimiter that is not the file's", "a.csv", table(";"), "got op;order_id;consent_id", ("--delimiter", "|")
    ),
    OddFile("headers in camelCase", "a.csv", table(head=("op", "orderId", "consentId"))),
    OddFile("headers in capitals, with spaces", "a.csv", table(head=("OP", " Order ID ", "Consent Id"))),
    OddFile(
        "a header that is there twice",
        "a.csv",
        row("delete_consent", "o_1", "c", head=("op", "orderId", "order_id")),
        "each once",
    ),
    OddFile(
        "columns without a name, and empty", "a.csv", table(";", (*HEAD, "", ""), [(*cells, "", "") for cells in ROWS])
    ),
    OddFile(
        "a value below no name", "a.csv", row(*ROWS[0], "x", head=(*HEAD, "")), "'x' stands in a column without a name"
    ),
    OddFile(
        "a column more than ours",
        "a.csv",
        table(head=(*HEAD, "City"), rows=[(*cells, "x") for cells in ROWS]),
        "got op, order_id, consent_id, City",
    ),
    OddFile(
        "a column more than ours, passed over",
        "a.csv",
        table(head=(*HEAD, "City"), rows=[(*cells, "x") for cells in ROWS]),
        None,
        ("--ignore-columns",),
    ),
    OddFile(
        "an export with columns of its own",
        "a.csv",
        table(";", ("OrderNo", "City"), [(one, "Umeå") for one in IDS]),
        None,
        FROM_NO,
    ),
    OddFile(
        "a named column that is not there",
        "a.csv",
        table(";", ("Order", "City"), [(one, "x") for one in IDS]),
        "there is no column 'OrderNo'",
        FROM_NO,
    ),
    OddFile(
        "named columns, and others not passed over",
        "a.csv",
        table(";", ("OrderNo", "City"), [(one, "x") for one in IDS]),
        "the columns City are not read",
        ("--column", "order_id=OrderNo", *SET),
    ),
    OddFile(
        "a value for all lines, and a column of it",
        "a.csv",
        table(),
        "consent_id is to be the same for every line, and there is a column of it",
        ("--set", "consent_id=x"),
    ),
    OddFile(
        "a merchant for all lines, and one in each line",
        "a.csv",
        table(head=("OrderNo", "Merchant"), rows=[(one, "m") for one in IDS]),
        "merchant is to be the same for every line, and there is a column of it",
        (*FROM_NO, "--set", "merchant=x"),
    ),
    OddFile(
        "a named column that may be one of two",
        "a.csv",
        table(head=("Order No", "order_no"), rows=[(one, "m") for one in IDS]),
        "each once",
        FROM_NO,
    ),
    OddFile("a member that no change has", "a.csv", table(), "no change has 'colour'", ("--set", "colour=x")),
    OddFile("CSV with ids alone", "a.csv", "order_id\n" + "\n".join(IDS), None, SET),
    OddFile("CSV with ids alone, and nothing to do", "a.csv", "order_id\n" + "\n".join(IDS), "names its columns"),
    OddFile("CSV without a header", "a.csv", "o-1\no-2\n", "is it a list of ids (--format ids)?", SET),
    OddFile("a list of ids", "a.txt", "\n".join(IDS), None, SET),
    OddFile(
        "a list of ids with a header, CRLF and blank lines",
        "a.txt",
        "\ufefforder_id\r\n\r\n" + "\r\n".join(IDS),
        None,
        SET,
    ),
    OddFile("a list of ids in any file", "ids", "\n".join(IDS), None, ("--format", "ids", *SET)),
    OddFile("a list of ids, and nothing to do", "a.txt", "\n".join(IDS), "--set op=", ("--format", "ids")),
    OddFile("a list of ids that is CSV", "a.txt", "o_1,x\n", "',' is no part of an id: is it CSV or JSON Lines?", SET),
    OddFile(
        "a number whose digits are lost",
        "a.csv",
        row("delete_consent", "1.23E+11", "c"),
        "order_id '1.23E+11' is a number whose digits a spreadsheet has lost: write it as text",
    ),
    OddFile(
        "the same with a comma",
        "a.csv",
        table(";", rows=[("delete_consent", "1,23E+11", "c")]),
        "is a number whose digits a spreadsheet has lost",
    ),
    OddFile("an id as a formula", "a.csv", row("delete_consent", '"=""00123"""', "c"), "is a formula of a spreadsheet"),
    OddFile(
        "an id with a decimal point",
        "a.csv",
        row("delete_consent", "123.0", "c"),
        "is a number with a decimal point that a spreadsheet or a program has added",
    ),
    OddFile(
        "NULL as a merchant",
        "a.csv",
        row(*ROWS[0], "NULL", head=(*HEAD, "merchant")),
        "merchant 'NULL' is what stands for no value",
    ),
    OddFile(
        "\\N as a channel",
        "a.csv",
        row(*ROWS[0], r"\N", head=(*HEAD, "channel")),
        r"channel '\\N' is what stands for no value",
    ),
    OddFile(
        "an id that is padded", "a.csv", row("delete_consent", "o_1 ", "c"), "order_id 'o_1 ' has spaces around it"
    ),
    OddFile(
        "CSV of PowerShell", "a.csv", "#TYPE System.Object\r\n" + table(), "leave out the line that begins with #TYPE"
    ),
    OddFile("CSV in UTF-16, as Excel's Unicode text", "a.csv", table("\t").encode("utf-16")),
    OddFile("JSON Lines in UTF-16", "a.jsonl", lines(*records()).encode("utf-16")),
    OddFile("UTF-16 that is cut off", "a.jsonl", lines(*records()).encode("utf-16")[:-1], "its UTF-16 text is cut off"),
    OddFile(
        "text in an older encoding",
        "a.csv",
        row("delete_consent", "o_ö", "c").encode("latin-1"),
        "not UTF-8 text: save the file as UTF-8",
    ),
    OddFile("compressed CSV with semicolons", "a.csv.gz", gzip.compress(table(";").encode())),
    OddFile("an Excel workbook", "a.xlsx", workbook(HEAD, *ROWS)),
    OddFile("a workbook as Excel writes it, with shared strings", "a.xlsx", excel_workbook([HEAD, *ROWS])),
    OddFile(
        "a workbook with columns of its own",
        "a.xlsx",
        workbook(("City", "OrderNo"), *(("x", one) for one in IDS)),
        None,
        FROM_NO,
    ),
    OddFile("a workbook with numbers as ids", "a.xlsx", workbook(("Order ID",), (1001,), (1002,), (1003,)), None, SET),
    OddFile(
        "a workbook with numbers that are rounded",
        "a.xlsx",
        workbook(("Order ID",), (1.23e17,)),
        "order_id '1.23e+17' is no text, but of type float: write it as text",
        SET,
    ),
    OddFile(
        "a workbook with numbers of more than 15 digits",
        "a.xlsx",
        workbook(("Order ID",), (1234567890123456,)),
        "order_id '1234567890123456' is no text, but of type int: write it as text",
        SET,
    ),
    OddFile(
        "a workbook that shows the number 123 as 00123",
        "a.xlsx",
        workbook(("Order ID",), (123,), format="00000"),
        "order_id '123' is shown as another text, by the format '00000': write it as text",
        SET,
    ),
    OddFile(
        "a workbook that shows its numbers with a separator",
        "a.xlsx",
        workbook(("Order ID",), (1001,), (1002,), (1003,), format="#,##0"),
        None,
        SET,
    ),
    OddFile(
        "a workbook with a date as id",
        "a.xlsx",
        workbook(("Order ID",), (date(2026, 1, 2),)),
        "is no text, but of type datetime",
        SET,
    ),
    OddFile(
        "a workbook with a formula that was never computed",
        "a.xlsx",
        workbook(HEAD, ("delete_consent", '=CONCATENATE("o","1")', "c")),
        "delete_consent needs order_id",
    ),
    OddFile(
        "a cell beyond the header", "a.xlsx", workbook(HEAD, (*ROWS[0], "x")), "a cell stands beyond the named columns"
    ),
    OddFile(
        "a workbook under another name",
        "a.csv",
        workbook(HEAD, *ROWS),
        "is a ZIP archive or an Excel workbook: name that *.xlsx",
    ),
    OddFile(
        "a workbook of the old kind",
        "a.csv",
        b"\xd0\xcf\x11\xe0" + bytes(500),
        "an Excel workbook of the old kind: save it as *.xlsx",
    ),
    OddFile("what is no workbook", "a.xlsx", table(), "it is not an Excel workbook, or damaged"),
    OddFile(
        "Parquet",
        "a.parquet",
        parquet({name: list(cells) for name, cells in zip(HEAD, zip(*ROWS, strict=True), strict=True)}),
    ),
    OddFile(
        "Parquet with numbers as ids",
        "a.parquet",
        parquet({"OrderNo": [1, 2, 3], "at": [date(2026, 1, 1)] * 3}),
        None,
        FROM_NO,
    ),
    OddFile(
        "Parquet with numbers of 19 digits as ids",
        "a.parquet",
        parquet({"OrderNo": [1234567890123456789, 2, 3]}),
        None,
        FROM_NO,
    ),
    OddFile(
        "Parquet with ids as floats, as pandas makes them",
        "a.parquet",
        parquet({"OrderNo": [1.0, None]}),
        "order_id '1.0' is no text, but of type float",
        FROM_NO,
    ),
    OddFile("what is no Parquet", "a.parquet", table(), "it is not Parquet, or damaged"),
    OddFile("one JSON array", "a.json", json.dumps(records())),
    OddFile("one JSON array, indented", "a.json", "\ufeff" + json.dumps(records(), indent=2)),
    OddFile("an array in any file", "a.jsonl", json.dumps(records(), indent=1), None, ("--format", "json")),
    OddFile("an array that is read as JSON Lines", "a.jsonl", json.dumps(records()), "--format json reads one array"),
    OddFile("JSON Lines in a file named *.json", "a.json", lines(*records())),
    OddFile("an array that is cut off", "a.json", json.dumps(records())[:-20], "the array ends inside object 3"),
    OddFile("two arrays", "a.json", json.dumps(records()) * 2, "there is more after the end of the JSON array"),
    OddFile("an array with something else in it", "a.json", json.dumps([7]), "not a JSON object"),
    OddFile(
        "JSON Lines with members of their own",
        "a.jsonl",
        lines(*({"OrderNo": one, "City": "x"} for one in IDS)),
        None,
        FROM_NO,
    ),
    OddFile(
        "lines of order list",
        "a.jsonl",
        lines(*(_ORDER | {"id": one} for one in IDS)),
        None,
        ("--column", "order_id=id", "--ignore-columns", "--set", "op=patch_attributes", "--set", 'attributes={"b": 2}'),
    ),
    OddFile(
        "lines of order list whose attributes would be sent",
        "a.jsonl",
        lines(_ORDER),
        "attributes is to be the same for every line, and stands in this one",
        ("--ignore-columns", "--set", "op=patch_attributes", "--set", 'attributes={"b": 2}'),
    ),
    OddFile(
        "a member more than ours in JSON Lines",
        "a.jsonl",
        lines(*records(city="x")),
        "delete_consent does not take 'city'",
    ),
    OddFile("a member more than ours, passed over", "a.jsonl", lines(*records(city="x")), None, ("--ignore-columns",)),
    OddFile(
        "a named member, and others not passed over",
        "a.jsonl",
        lines({"id": "o_1", "city": "x"}),
        "'city' is not read: name it (--column), or --ignore-columns",
        ("--column", "order_id=id", *SET),
    ),
    OddFile(
        "a value that is no JSON",
        "a.txt",
        "\n".join(IDS),
        "attributes: not JSON",
        ("--set", "op=patch_attributes", "--set", "attributes={b}"),
    ),
    OddFile("an empty file of CSV", "a.csv", "", "got none"),
]


def docs_table() -> str:
    """The table of the docs."""
    rows = ["| the file | | |", "| --- | --- | --- |"]
    for file in ODD_FILES:
        said = "read" if file.says is None else f"“{file.says}”"
        options = f"`{' '.join(file.options)}`" if file.options else ""
        rows.append("| " + " | ".join(text.replace("|", "\\|") for text in (file.what, options, said)) + " |")
    return "\n".join(rows) + "\n"
