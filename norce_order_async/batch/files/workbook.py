"""An Excel workbook: its first sheet, row by row. Its shared strings are held in memory."""

import re
import warnings
from contextlib import suppress
from importlib import import_module
from typing import Any, BinaryIO, Final

from norce_order_async.batch.files.cells import DoubtfulInt
from norce_order_async.batch.files.typed_table import Rows
from norce_order_async.core.errors import ConfigurationError

_MOST_DIGITS = 15  # a spreadsheet keeps no more of a number
_PLAIN: Final = frozenset({None, "General", "@", "0", "#", "#,##0"})
"""Formats that show each digit of a whole number and no other."""
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
            book: Any = openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)
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


def _value(cell: Any) -> object:
    value: object = cell.value
    if type(value) is str:
        return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), value) if "_x" in value else value
    if type(value) is int:
        if len(str(abs(value))) > _MOST_DIGITS:
            return DoubtfulInt(value, "is no text, but of type int")
        if (shown := _format_of(cell)) not in _PLAIN:
            return DoubtfulInt(value, f"is shown as another text, by the format {shown!r}")
    return value


def _format_of(cell: Any) -> str | None:
    """The format of a number; None where the workbook lacks the style that the cell names."""
    with suppress(IndexError):
        shown: str | None = cell.number_format
        return shown
    return None
