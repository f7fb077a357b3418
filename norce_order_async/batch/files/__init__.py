"""Batch files: JSON Lines and CSV, compressed or not."""

from norce_order_async.batch.files.entry import Entry, Format, Meaning, Unread
from norce_order_async.batch.files.opening import is_stream, shown_name, unreadable
from norce_order_async.batch.files.reading import count_entries, format_of, read_changes, read_file

__all__ = [
    "Entry",
    "Format",
    "Meaning",
    "Unread",
    "count_entries",
    "format_of",
    "is_stream",
    "read_changes",
    "read_file",
    "shown_name",
    "unreadable",
]
