"""The columns of a CSV file: all members that a change can have, and what stands in their cells."""

from norce_order_async.batch.changes import Change, members_of
from norce_order_async.batch.kinds import models_of
from norce_order_async.batch.lines import KINDS

_ALL = tuple(dict.fromkeys(name for kind in KINDS.values() for name in members_of(kind)))

IDS = tuple(name for name in _ALL if name.endswith("_id"))
"""Members that are ids."""


def body_of(kind: type[Change]) -> str | None:
    """The member that holds what is written, as JSON; None for a kind without one."""
    return next((name for name in members_of(kind) if name == "attributes" or name in models_of(kind)), None)


BODIES = {op: body for op, kind in KINDS.items() if (body := body_of(kind)) is not None}
"""That member of each change, by its ``op``."""

JSON_CELLS = frozenset({*BODIES.values(), "checked"})
"""Members that stand in a cell as JSON; ``checked`` only where it is about several consents."""

FREQUENT_COLUMNS = ("op", "order_id", "consent_id", "checked", "attributes", "merchant", "channel")
"""The columns of the frequent changes."""
COLUMNS = (*FREQUENT_COLUMNS, *(name for name in _ALL if name not in FREQUENT_COLUMNS))
"""The names that the first line of a file may have."""
