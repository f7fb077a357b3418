"""What a JSON object of a batch file says, and what is wrong with it."""

from norce_order_async.batch.files.entry import Meaning, record_meaning
from norce_order_async.batch.files.layout import InputLayout
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.wire.strict import decode_unique

_ONE_OBJECT = (
    "each line is one object, without brackets around the lines or commas after them (--format json reads one array)"
)


def object_meaning(layout: InputLayout, number: int, line: bytes) -> Meaning:
    """What an object says, and what is wrong with it."""
    try:
        given = decode_unique(line.rstrip())
    except InvalidRequestError as error:
        text = line.decode("utf-8", "replace").strip()
        return None, f"{error}{_hint(number, text)}", {"_raw": text}
    if not isinstance(given, dict):
        hint = f"; {_ONE_OBJECT}" if isinstance(given, list) else ""
        return None, f"not a JSON object{hint}", {"_raw": given}
    try:
        record = given if layout.is_as_named else layout.record(given)
    except InvalidRequestError as error:
        return None, str(error), given
    return record_meaning(record)


def _hint(number: int, text: str) -> str:
    """What may be wrong with the whole file, when this line of it is not JSON."""
    if "\0" in text:
        hint = "is the file UTF-16, or damaged?"
    elif "\r" in text:
        hint = "lines end in LF or CRLF, not in CR alone"
    elif text.startswith(("[", "]")) or text.endswith(","):
        hint = _ONE_OBJECT
    elif text.startswith("{") and not text.endswith("}"):
        hint = "the object does not end in its line"
    elif number == 1 and "order_id" in text and not text.startswith("{"):
        hint = "is it CSV?"
    else:
        return ""
    return f"; {hint}"
