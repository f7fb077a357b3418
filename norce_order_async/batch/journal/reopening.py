"""Making changes again without undoing what was done after them."""

import sqlite3
from collections.abc import Collection

from norce_order_async.batch.journal.statements import IS_DONE, ended_so
from norce_order_async.core.outcome import OutcomeKind

_ORDER = """json_array(coalesce(json_extract(record, '$.merchant'), :merchant),
    coalesce(json_extract(record, '$.channel'), :channel), json_extract(record, '$.order_id'))"""
# Version 1 has no resources, and only of these operations it is known what they are about.
_FILL_IN = """
    UPDATE changes SET resource = CASE op WHEN 'patch_attributes' THEN 'attributes'
        ELSE 'consents/' || json_extract(record, '$.consent_id') END
    WHERE resource IS NULL AND op IN ('patch_consent', 'delete_consent', 'patch_attributes')
"""
# Resources nest: one is the beginning of the other's path, step by step; the order itself is the empty path.
_NESTS = """(again.resource = '' OR changes.resource = ''
    OR substr(changes.resource || '/', 1, length(again.resource) + 1) = again.resource || '/'
    OR substr(again.resource || '/', 1, length(changes.resource) + 1) = changes.resource || '/')"""
_MAY_GO_AGAIN = ended_so([OutcomeKind.REJECTED, OutcomeKind.NOT_SENT])
_REOPEN = f"""
    UPDATE changes SET open = 2
    WHERE NOT open AND NOT once AND {IS_DONE} AND resource IS NOT NULL AND EXISTS (
        SELECT 1 FROM again WHERE again.place = {_ORDER} AND again.number < changes.number AND {_NESTS})
"""


def reopen(
    db: sqlite3.Connection,
    only: Collection[OutcomeKind],
    merchant: str | None,
    channel: str | None,
    *,
    once: bool,
) -> None:
    """Open again what was done after a change of the same resource that ended so; see :meth:`Journal.reopen`."""
    scope: dict[str, object] = {"merchant": merchant, "channel": channel}
    # As is_wanted says it of a change.
    is_allowed = f"NOT once OR {_MAY_GO_AGAIN}" if once else "NOT once"
    wanted = f"(NOT open AND {ended_so(only)} AND ({is_allowed}))"
    if OutcomeKind.UNKNOWN in only:
        wanted += " OR open"
    db.execute(_FILL_IN)
    db.execute("DROP TABLE IF EXISTS temp.again")
    db.execute("CREATE TEMP TABLE again (place TEXT, resource TEXT, number INTEGER, PRIMARY KEY (place, resource))")
    gather = f"""INSERT OR IGNORE INTO again SELECT {_ORDER}, resource, min(number) FROM changes
        WHERE resource IS NOT NULL AND ({{wanted}}) GROUP BY 1, 2"""
    db.execute(gather.format(wanted=wanted), scope)
    # What is opened again may nest with what was done after it in turn.
    while db.execute(_REOPEN, scope).rowcount > 0:
        db.execute(gather.format(wanted=f"open AND {IS_DONE}"), scope)
    db.execute("DROP TABLE again")
