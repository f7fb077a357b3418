"""Batch files: JSON Lines, CSV, a JSON array, a list of ids, workbooks and Parquet."""

from norce_order_async.batch.files.entry import Format, InputLine, Meaning, Unread, check_entry
from norce_order_async.batch.files.formats import check_reading, format_of
from norce_order_async.batch.files.layout import PLAIN, InputLayout
from norce_order_async.batch.files.opening import identity_of, is_stream, shown_name, unreadable
from norce_order_async.batch.files.reading import count_entries, delimiter_of, read_changes, read_file

__all__ = [
    "PLAIN",
    "Format",
    "InputLayout",
    "InputLine",
    "Meaning",
    "Unread",
    "check_entry",
    "check_reading",
    "count_entries",
    "delimiter_of",
    "format_of",
    "identity_of",
    "is_stream",
    "read_changes",
    "read_file",
    "shown_name",
    "unreadable",
]
