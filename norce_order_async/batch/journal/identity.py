"""Which batch a journal belongs to: one input, by its content, and one target."""

from collections.abc import Sequence
from datetime import UTC, datetime

from norce_order_async.batch.inputs import InputFile, total_of
from norce_order_async.batch.journal.account import JournalAccount
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.wording import counted, listed


def check_identity(known: JournalAccount, inputs: Sequence[InputFile], target: str) -> None:
    """See that a journal belongs to this batch.

    Raises:
        ConfigurationError: It belongs to another one.
    """
    is_same_content = [file.digest for file in known.inputs] == [file.digest for file in inputs]
    # The digest of a file that is read without options leaves its format out.
    is_read_otherwise = _changes_of(known.inputs) != _changes_of(inputs)
    if known.target == target and is_same_content and not is_read_otherwise:
        return
    begun = datetime.fromtimestamp(known.begun, UTC)
    before, now = f"{_named(known.inputs)} for {known.target}", f"{_named(inputs)} for {target}"
    this = (
        "that input has changed since, or was read in another way (--format, --set, --column)"
        if before == now
        else f"this one is {now}"
    )
    if is_same_content and is_read_otherwise:
        this += ", the same content read in another way (--format)"
    raise ConfigurationError(
        f"the journal {known.path} belongs to another batch: {before}, begun {begun:%Y-%m-%d %H:%M} UTC; "
        f"{this}. "
        "Choose another journal, or delete that one to begin anew"
    )


def _changes_of(inputs: Sequence[InputFile]) -> list[int | None]:
    return [file.changes for file in inputs if file.digest is not None]


def _named(inputs: Sequence[InputFile]) -> str:
    names = listed([file.name for file in inputs]) or "no file"
    changes = "" if (total := total_of(inputs)) is None else f" ({counted(total, 'change')})"
    return f"{names}{changes}"
