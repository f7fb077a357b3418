"""The formats of batch files, each in its own module, and which one a file has."""

import codecs
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol

from norce_order_async.batch.files import csv_table, id_list, json_array, json_lines, parquet, workbook
from norce_order_async.batch.files.entry import Format, InputLine
from norce_order_async.batch.files.layout import PLAIN, InputLayout
from norce_order_async.batch.files.opening import is_stream, open_file
from norce_order_async.batch.files.source import Source
from norce_order_async.batch.files.typed_table import TypedTable
from norce_order_async.core.checks import check_choice
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.shapes import Shape, check_shape


class FileFormat(Protocol):
    """What a format's module has."""

    def entries(self, source: Source, layout: InputLayout) -> Iterator[InputLine]:
        """The entries; the file is opened when the first one is asked for."""
        ...

    def numbers(self, stream: BinaryIO, layout: InputLayout) -> Iterator[int]:
        """The number of each line that is an entry, without what it means."""
        ...


FORMATS: Mapping[Format, FileFormat] = {
    "jsonl": json_lines,
    "csv": csv_table,
    "json": json_array,
    "ids": id_list,
    "xlsx": TypedTable(workbook.rows_of),
    "parquet": TypedTable(parquet.rows_of),
}
_ENDINGS: Mapping[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".parquet": "parquet",
}
_LAYOUT = Shape("an InputLayout", (), kind=InputLayout)


def check_reading(format: Format | None, layout: InputLayout) -> None:
    """See that files can be read so.

    Raises:
        ConfigurationError: There is no such format, or ``layout`` is none.
    """
    if format is not None:
        check_choice("format", format, FORMATS)
    check_shape("layout", layout, _LAYOUT)


def format_of(path: Path | str, layout: InputLayout = PLAIN) -> Format:
    """The format that a file's name says, gzip aside: CSV, a workbook, Parquet, and JSON Lines for any other.

    ``*.json`` is one array where it begins with a bracket. ``*.txt`` is a list of ids where the layout says what to do
    with them.
    """
    name = os.fspath(path)
    ending = Path(name.lower().removesuffix(".gz")).suffix
    if ending == ".txt" and "op" in layout.fill and not layout.columns:
        return "ids"
    if ending == ".json" and _begins_an_array(name):
        return "json"
    return _ENDINGS.get(ending, "jsonl")


def _begins_an_array(path: str) -> bool:
    """Whether the first character of a file is a bracket; what cannot be read is told by whoever reads it."""
    try:
        if is_stream(path):
            return False
        with open_file(path) as stream:
            return stream.read(64).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[")
    except (OSError, ConfigurationError):
        return False
