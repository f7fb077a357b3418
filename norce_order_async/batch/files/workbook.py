"""An Excel workbook: its first sheet, row by row. Its shared strings are held in memory."""

import re
import warnings
from contextlib import suppress
from functools import lru_cache, partial
from importlib import import_module
from typing import Any, BinaryIO, Final

from norce_order_async.batch.files.cells import DoubtfulInt
from norce_order_async.batch.files.typed_table import Rows
from norce_order_async.core.errors import ConfigurationError

_MOST_DIGITS = 15  # a spreadsheet keeps no more of a number
_UNSEEN: Final = re.compile(
    r"\[(black|blue|cyan|green|magenta|red|white|yellow|color ?\d+|\$-[0-9a-f]{3,4})]|_.|\* |\\?\s", re.IGNORECASE
)
"""What a format has for colours, languages and room, and shows nothing by."""
_PLAIN: Final = re.compile("general|@|(#[#,]*)?[#0]", re.IGNORECASE)
"""The rest of a format that shows each digit of a whole number and no other; a comma that ends one divides by 1,000."""
_ESCAPE = re.compile("_x(005F|00[01][0-9A-F])_", re.IGNORECASE)
"""What a text of a workbook has for a control character, and for the _ of a text that looks like such an escape.

Excel escapes nothing else, and other programs write an id like ``a_x0041_b`` as it is.
"""


def rows_of(stream: BinaryIO) -> Rows:
    """The rows of the first sheet, with the values that were computed when it was saved.

    Raises:
        ConfigurationError: openpyxl is not installed.
        OSError: It is no workbook.
    """
    try:
        openpyxl: Any = import_module("openpyxl")
    except ImportError:
        raise ConfigurationError('a workbook needs openpyxl: pip install "norce-order-async[excel]"') from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about styles and the like, which are not read
            book = _load(openpyxl, stream)
    except Exception as error:
        raise OSError(f"it is not an Excel workbook, or damaged ({type(error).__name__}: {error})") from None
    try:
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what a file says of its size is often wrong
        for number, row in enumerate(sheet.iter_rows(), 1):
            yield number, [_value(cell) for cell in row]
    except Exception as error:
        raise OSError(f"its sheet is damaged ({type(error).__name__}: {error})") from None
    finally:
        book.close()


def _load(openpyxl: Any, stream: BinaryIO) -> Any:
    """The workbook as ``load_workbook`` reads it, but for its shared strings, of which that undoes some escapes."""
    reader: Any = openpyxl.reader.excel.ExcelReader(stream, read_only=True, data_only=True, keep_links=False)
    reader.read_strings = partial(_read_strings, openpyxl, reader)
    reader.read()
    return reader.wb


def _read_strings(openpyxl: Any, reader: Any) -> None:
    """Read the shared strings as they are stored."""
    names, text = openpyxl.xml.constants, openpyxl.cell.text.Text
    if (part := reader.package.find(names.SHARED_STRINGS)) is None:
        return
    with reader.archive.open(part.PartName[1:]) as stream:
        for _, node in openpyxl.xml.functions.iterparse(stream):
            if node.tag == f"{{{names.SHEET_MAIN_NS}}}si":
                reader.shared_strings.append(text.from_tree(node).content)
                node.clear()


def _value(cell: Any) -> object:
    value: object = cell.value
    if type(value) is str:
        return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), value) if "_x" in value else value
    if type(value) is int:
        if len(str(abs(value))) > _MOST_DIGITS:
            return DoubtfulInt(value, "is no text, but of type int")
        if (shown := _format_of(cell)) is not None and not _is_plain(shown, (value > 0) - (value < 0)):
            return DoubtfulInt(value, f"is shown as another text, by the format {shown!r}")
    return value


def _format_of(cell: Any) -> str | None:
    """The format of a number; None where the workbook lacks the style that the cell names."""
    with suppress(IndexError):
        shown: str | None = cell.number_format
        return shown
    return None


@lru_cache
def _is_plain(shown: str, sign: int) -> bool:
    """Whether a format shows each digit of a number of this sign, its minus, and nothing else.

    Its sections are those of positive numbers, of negative ones, and of zero; the first stands for those that lack.
    """
    section, *others = _UNSEEN.sub("", shown).split(";")
    if sign < 0 and others:
        before, _, section = others[0].partition("-")
        return before in {"", "\\"} and _PLAIN.fullmatch(section) is not None
    if sign == 0 and len(others) > 1:
        section = others[1]
    return _PLAIN.fullmatch(section) is not None
