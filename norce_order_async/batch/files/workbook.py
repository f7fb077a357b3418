"""An Excel workbook: its first sheet, row by row. Its shared strings are held in memory."""

import warnings
from importlib import import_module
from typing import Any, BinaryIO

from norce_order_async.batch.files.typed_table import Rows
from norce_order_async.core.errors import ConfigurationError


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
        yield from enumerate(sheet.iter_rows(values_only=True), 1)
    except Exception as error:
        raise OSError(f"its sheet is damaged ({type(error).__name__}: {error})") from None
    finally:
        book.close()
