"""The files of the way back: a batch that brings the old values back, and what cannot be brought back."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import attrs

from norce_order_async.batch.files import format_of
from norce_order_async.batch.journal.account import JournalAccount
from norce_order_async.batch.journal.old_values import OldValues, UndoRow
from norce_order_async.batch.journal.tables import plain
from norce_order_async.batch.replacing import replacing
from norce_order_async.batch.report import NOT_WRITTEN, encode_record, moment_note
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.core.wording import reason_of
from norce_order_async.wire.json import JSON, decode_json, members_of

_UNKNOWN = "whether it was made is unknown, and what takes it back must not be made twice: look at the order"

_REMARKS = 20


@attrs.define
class UndoSummary:
    """What takes a batch back.

    Attributes:
        path: The file with the changes that do.
        left_path: The file with the changes that cannot be taken back.
        changes: How many changes the first has.
        once: How many of them are made with ``once`` only.
        left: How many changes cannot be taken back.
        remarks: How many changes have each remark: what does not come back, or why nothing does. Only the first
            remarks are here, so that it does not grow with the batch.
    """

    path: Path
    left_path: Path
    changes: int = 0
    once: int = 0
    left: int = 0
    remarks: dict[str, int] = attrs.Factory(dict[str, int])


def left_path_of(path: Path) -> Path:
    """Where the changes stand that cannot be taken back: beside the others."""
    return path.with_name(f"{path.stem}.left{path.suffix}")


def check_undo_name(path: Path) -> None:
    """See that a file can be a batch, as JSON Lines.

    Raises:
        ConfigurationError: Its name promises another format, or it is a pipe, say.
    """
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"{path} is no file, and cannot be replaced")
    if path.suffix.lower() in NOT_WRITTEN or format_of(str(path)) != "jsonl":
        raise ConfigurationError(f"the changes that take a batch back are JSON Lines: name {path} *.jsonl")


def is_undo_of(values: OldValues, path: Path) -> bool:
    """Whether a file may be replaced by what takes a batch back: it is not there, is empty, or holds just that.

    The file of what cannot be taken back is looked at, too.

    Raises:
        ConfigurationError: A file or the journal cannot be read.
    """
    for each in (path, left_path_of(path)):
        try:
            if each.exists():
                with each.open("rb") as lines:
                    if not all(_is_of(values, line) for line in lines):
                        return False
        except OSError as error:
            raise ConfigurationError(f"{each} cannot be read: {reason_of(error)}") from None
    return True


def _is_of(values: OldValues, line: bytes) -> bool:
    """Whether a line is one that these values give."""
    try:
        told = decode_json(line)
    except ValueError:
        return False
    if not isinstance(told, Mapping) or not isinstance(number := told.get("_undoes"), int) or not 0 <= number < 2**63:
        return False
    record = {name: value for name, value in told.items() if not name.startswith("_")}
    return values.record_of(number) == (record or told.get("_undo"),)


def save_undo(journal: JournalAccount, path: Path | str) -> UndoSummary:
    """Write the changes that take a batch back, as a file that a batch reads: the last change comes first.

    Only changes that are made, or may be, are taken back. Those that cannot be stand in another file,
    ``undo.left.jsonl`` for ``undo.jsonl``, each with the reason; of that no line is a change. Both files appear
    complete or not at all, and replace older ones. Each line notes the journal and when its batch began.

    Args:
        journal: Of a batch that kept what was there before.
        path: The file.

    Raises:
        ConfigurationError: The journal does not have that, or cannot be read, or a file cannot be written.
    """
    path = Path(path)
    check_undo_name(path)
    if journal.undo is None:
        raise ConfigurationError(f"the journal {journal.path} does not keep what was there before its changes")
    summary = UndoSummary(path, left_path_of(path))
    # So the way back of another batch is another input, and the journal of one that was run does not pass it over.
    of: dict[str, JSON] = {"_of": plain(journal.path.name), "_begun": moment_note(journal.begun)}
    with ExitStack() as stack:
        back = stack.enter_context(replacing(path, "file"))
        left = stack.enter_context(replacing(summary.left_path, "file"))
        for row in journal.undo.rows():
            _write(row, of, back, left, summary)
    if not summary.left:
        summary.left_path.unlink(missing_ok=True)
    return summary


def _write(row: UndoRow, of: Mapping[str, JSON], back: BinaryIO, left: BinaryIO, summary: UndoSummary) -> None:
    notes: dict[str, JSON] = {"_undoes": row.number, "_line": row.line, "_file": row.file, "_outcome": row.outcome}
    remark = row.remark
    is_perhaps_made = row.once and row.outcome is OutcomeKind.UNKNOWN
    made = row.record if isinstance(row.record, Mapping) and not (is_perhaps_made or row.is_doubtful) else None
    if row.record is not None and is_perhaps_made:
        remark = _UNKNOWN
    notes |= {"_remark": remark, **of}
    record: dict[str, JSON] = {}
    if made is not None:
        record = dict(made)
        summary.changes += 1
        summary.once += row.once
    else:
        summary.left += 1
        notes |= {f"_{name}": value for name, value in members_of(row.source).items() if not name.startswith("_")}
        notes |= {"_undo": row.record}
    if remark is not None and (remark in summary.remarks or len(summary.remarks) < _REMARKS):
        summary.remarks[remark] = summary.remarks.get(remark, 0) + 1
    line = record | {name: value for name, value in notes.items() if value is not None}
    (left if made is None else back).write(encode_record(line).encode() + b"\n")
