"""An Excel workbook: its first sheet, row by row. Its shared strings are held in memory."""

import re
import warnings
from contextlib import suppress
from functools import lru_cache
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
    if type(value) is int:
        if len(str(abs(value))) > _MOST_DIGITS:
            return DoubtfulInt(value, "is no text, but of type int")
        if (shown := _format_of(cell)) is not None and not _is_plain(shown):
            return DoubtfulInt(value, f"is shown as another text, by the format {shown!r}")
    return value


def _format_of(cell: Any) -> str | None:
    """The format of a number; None where the workbook lacks the style that the cell names."""
    with suppress(IndexError):
        shown: str | None = cell.number_format
        return shown
    return None


@lru_cache
def _is_plain(shown: str) -> bool:
    """Whether a format shows each digit of a number and nothing else; its first section is that of positive numbers."""
    return _PLAIN.fullmatch(_UNSEEN.sub("", shown).split(";")[0]) is not None
