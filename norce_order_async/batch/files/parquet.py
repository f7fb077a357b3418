"""Parquet, a block of rows at a time."""

from importlib import import_module
from typing import Any, BinaryIO

from norce_order_async.batch.files.typed_table import Rows
from norce_order_async.core.errors import ConfigurationError

_BLOCK = 1_000


def rows_of(stream: BinaryIO) -> Rows:
    """The rows of a file, after the names of its columns; the first row is number 1.

    Raises:
        ConfigurationError: pyarrow is not installed.
        OSError: It is not Parquet.
    """
    try:
        pyarrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigurationError('Parquet needs pyarrow: pip install "norce-order-async[parquet]"') from None
    number = 0
    try:
        file: Any = parquet.ParquetFile(stream, pre_buffer=False, buffer_size=1024 * 1024)
        yield 0, file.schema_arrow.names
        for block in file.iter_batches(batch_size=_BLOCK, use_threads=False):
            for row in zip(*(column.to_pylist() for column in block.columns), strict=True):
                number += 1
                yield number, row
    except pyarrow.ArrowException as error:
        raise OSError(f"it is not Parquet, or damaged ({error})") from None
