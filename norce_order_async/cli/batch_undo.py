"""``norce-order batch run --undo``: what its options have to be, and what is written and told of at the end."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from norce_order_async.batch.inputs import InputFile
from norce_order_async.batch.journal import Journal
from norce_order_async.batch.journal.account import JournalAccount
from norce_order_async.batch.undo.files import UndoSummary, check_undo_name, is_undo_of, left_path_of, save_undo
from norce_order_async.cli.output import shown_command
from norce_order_async.core.errors import ConfigurationError, InvalidRequestError
from norce_order_async.core.wording import counted, printable
from norce_order_async.wire.json import JSON


def check_undo(options: argparse.Namespace, files: Iterable[InputFile]) -> None:
    """See that the options go with ``--undo``.

    Raises:
        InvalidRequestError: They do not.
        ConfigurationError: The name of the file promises another format.
    """
    if options.undo is None:
        return
    for flag in ("processes", "workers", "cluster"):
        if getattr(options, flag) is not None:
            raise InvalidRequestError(f"--undo reads and writes in one process: it does not go with --{flag}")
    if options.journal is None and any(file.digest is None for file in files):
        raise InvalidRequestError(
            "--undo keeps the old values in the journal: name one (--journal) for what is no file"
        )
    check_undo_name(Path(options.undo))


def undo_outputs(options: argparse.Namespace) -> list[tuple[str, str]]:
    """The files that are written at the end."""
    if options.undo is None:
        return []
    return [("undo", options.undo), ("undo", str(left_path_of(Path(options.undo))))]


def refuse_to_replace(undo: str | None, journal: JournalAccount) -> None:
    """See that a batch does not replace the way back of another.

    Raises:
        ConfigurationError: A file is there that is not this batch's.
    """
    if undo is not None and journal.undo is not None and not is_undo_of(journal.undo, Path(undo)):
        raise ConfigurationError(f"{undo} is there, and may be the way back of another batch: name another file")


def write_undo(
    options: argparse.Namespace, journal: Journal, unwritten: list[ConfigurationError]
) -> UndoSummary | None:
    """Write the files; add to ``unwritten`` why they could not be."""
    if options.undo is None:
        return None
    try:
        return save_undo(journal, Path(options.undo))
    except ConfigurationError as error:
        unwritten.append(error)
        return None


def undo_lines(undo: UndoSummary) -> Iterator[str]:
    """What is told of the files."""
    yield f"Undo: {printable(str(undo.path))}, {counted(undo.changes, 'change')}"
    if undo.changes:
        command: list[str | Path] = ["norce-order", "batch", "run", undo.path, *(["--once"] if undo.once else [])]
        yield f"  To take it all back:  {shown_command(command)}"
    if undo.left:
        yield f"  {counted(undo.left, 'change')} cannot be taken back: {printable(str(undo.left_path))}"
    for remark, count in sorted(undo.remarks.items(), key=lambda item: -item[1]):
        yield f"  {count:>7,}  {printable(remark)}"


def undo_record(undo: UndoSummary) -> dict[str, JSON]:
    """The same for programs."""
    return {
        "file": str(undo.path),
        "changes": undo.changes,
        "once": undo.once,
        "left": undo.left,
        "left_file": str(undo.left_path) if undo.left else None,
        "remarks": dict(undo.remarks),
    }
