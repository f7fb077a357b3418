"""The cells of a table: the members that they are, and values that a spreadsheet has spoilt."""

import re
from collections.abc import Mapping, Sequence
from typing import Self

from norce_order_async.batch.columns import IDS, JSON_CELLS
from norce_order_async.batch.files.entry import Meaning, record_meaning
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.wire.json import JSON
from norce_order_async.wire.strict import decode_unique

TEXTS = frozenset({"op", *IDS, "status", "reference", "merchant", "channel"})
"""Members that stand in a cell as they are."""

_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_IDS = frozenset(IDS)
_NAMES = frozenset({*IDS, "merchant", "channel"})
_FORMULA = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"  # the last four are = + - @ in full width
_AFTER_A_DELIMITER = re.compile(rf"([;,\t|]\s*)(?=[{re.escape(_FORMULA)}])")
_IN_JSON = re.compile(rf"[;|](?=\s*[{re.escape(_FORMULA)}])")
_SPOILT = (
    (re.compile(r"-?\d([.,]\d+)?E[+-]\d{2,3}"), "a number whose digits a spreadsheet has lost"),
    (re.compile(r"-?\d+[.,]0+"), "a number with a decimal point that a spreadsheet or a program has added"),
    (re.compile(r"=.*", re.DOTALL), "a formula of a spreadsheet"),
    (re.compile(r"null|nan|none|\\n|#n/a|#[a-z0/]+[!?]", re.IGNORECASE), "what stands for no value"),
)

_SPOILT_BEGINNINGS = frozenset("-0123456789=nN\\#")


class DoubtfulInt(int):
    """A whole number that need not be what is meant.

    Attributes:
        reason: Why.
    """

    reason: str

    def __new__(cls, number: int, reason: str) -> Self:
        """The number with the reason."""
        made = super().__new__(cls, number)
        made.reason = reason
        return made


def _spoilt(name: str, text: str) -> str | None:
    """Why a text cannot be meant as this id, merchant or channel; None for most."""
    if name in _IDS and text != text.strip(" "):
        return "has spaces around it"  # a padded column
    if text[0] in _SPOILT_BEGINNINGS:
        for pattern, reason in _SPOILT:
            if pattern.fullmatch(text):
                return f"is {reason}: write it as text"
    return None


def text_cell(name: str, text: str) -> str:
    """A text as the cell of a member that :func:`value_of` reads as just that."""
    return f"'{text}" if _needs_mark(text) or _is_taken_for_spoilt(name, text) else text


def _is_taken_for_spoilt(name: str, text: str) -> bool:
    """Whether a text that may be meant would be refused without an apostrophe before it."""
    bare = text.lstrip("'")
    return name in _NAMES and bare != "" and _spoilt(name, bare) is not None


def marked_note(text: str) -> str:
    """A text that is not read again, with apostrophes where a spreadsheet, whatever its delimiter, would compute it.

    Source: OWASP, CSV Injection.
    """
    return _AFTER_A_DELIMITER.sub(r"\1'", f"'{text}" if _needs_mark(text) else text)


def marked_json(text: str) -> str:
    """JSON that means the same, and has no formula where a spreadsheet takes another delimiter."""
    return _IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _needs_mark(text: str) -> bool:
    bare = text.lstrip("'")
    return bare[:1] != "" and bare[0] in _FORMULA


def row_meaning(
    columns: Sequence[str | None], row: Sequence[object], source: JSON, fill: Mapping[str, JSON]
) -> Meaning:
    """What a row means.

    Args:
        columns: The member of each column; ``""`` for one that is passed over, None for one without a name.
        row: Its cells; an empty one is ``""`` or None.
        source: What was read, where the row has not the form of the table.
        fill: Members that every row gets.
    """
    record: dict[str, JSON] = dict(fill)
    problem: str | None = None
    for name, cell in zip(columns, row, strict=True):
        if cell is None or cell == "" or name == "":
            continue
        if name is None:
            return None, f"{str(cell)[:64]!r} stands in a column without a name", source
        try:
            record[name] = value_of(name, cell)
        except InvalidRequestError as error:
            record[name] = str(cell)
            problem = problem or str(error)
    if problem is None:
        return record_meaning(record)
    # What is reported is input again, and must not be another change there.
    return None, problem, record if record_meaning(record)[0] is None else source


def value_of(name: str, cell: object) -> JSON:
    """The value of a cell.

    Raises:
        InvalidRequestError: It cannot be meant.
    """
    if not isinstance(cell, str):
        return str(cell) if name[0] == "_" else _typed(name, cell)
    if name[0] == "_":
        return cell
    if name == "checked" and not cell.lstrip().startswith("{"):
        return _BOOLEANS.get(cell.strip().lower(), cell)
    if name in JSON_CELLS:
        try:
            return decode_unique(cell.encode("utf-8", "surrogateescape"))
        except InvalidRequestError as error:
            raise InvalidRequestError(f"{name}: {error}") from None
    if cell.startswith("'") and (_needs_mark(cell) or _is_taken_for_spoilt(name, cell)):
        return cell[1:]
    if name in _NAMES and (reason := _spoilt(name, cell)) is not None:
        raise InvalidRequestError(f"{name} {cell[:64]!r} {reason}")
    return cell


def _typed(name: str, cell: object) -> JSON:
    """The value of a cell that is no text.

    Raises:
        InvalidRequestError: It cannot be meant.
    """
    if name == "checked":
        if isinstance(cell, bool):
            return cell
        return _BOOLEANS.get(str(cell), str(cell))
    if name in JSON_CELLS:
        kind = int if isinstance(cell, DoubtfulInt) else type(cell)
        raise InvalidRequestError(f"{name} must be JSON as text, and not of type {kind.__name__}")
    if type(cell) is int:
        return str(cell)
    reason = cell.reason if isinstance(cell, DoubtfulInt) else f"is no text, but of type {type(cell).__name__}"
    raise InvalidRequestError(f"{name} {str(cell)[:64]!r} {reason}: write it as text")
