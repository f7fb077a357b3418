"""Lines of batch files as reprs may show them."""

from collections.abc import Mapping
from itertools import islice

from norce_order_async.core.shown import SHORT, shown_names
from norce_order_async.core.wording import counted
from norce_order_async.wire.json import JSON
from norce_order_async.wire.table import ROWS

_SHOWN = frozenset({"op", "merchant", "channel", *(name for row in ROWS.values() for name in row.ids)})
_MOST = 20


def shown_record(record: JSON) -> str:
    """A line of a batch file: what is done to what, and of all else names and sizes, as values may be personal data."""
    if not isinstance(record, Mapping):
        return _size(record)
    shown = [
        f"{SHORT.repr(name)}: {SHORT.repr(value) if name in _SHOWN and isinstance(value, str) else _size(value)}"
        for name, value in islice(record.items(), _MOST)
    ]
    return f"{{{', '.join([*shown, '...'] if len(record) > _MOST else shown)}}}"


def _size(value: JSON) -> str:
    match value:
        case None | bool():
            return repr(value)
        case str():
            return f"<{counted(len(value), 'character')}>"
        case list() | tuple():
            return f"<{counted(len(value), 'element')}>"
        case Mapping():
            return shown_names(value)
        case _:
            return "..."
