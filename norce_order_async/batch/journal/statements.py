"""What a run writes to its journal, in SQL."""

from collections.abc import Iterable

from norce_order_async.batch.journal.records import INTERRUPTED, UNTOLD
from norce_order_async.core.outcome import DONE, OutcomeKind
from norce_order_async.endpoints.resolution import Verdict


def ended_so(kinds: Iterable[OutcomeKind]) -> str:
    """Whether a change has one of these outcomes, of when it ended last."""
    values = ", ".join(f"'{kind.value}'" for kind in kinds)
    return f"outcome IN ({values})"


IS_DONE = ended_so(DONE)
"""Whether a change was done when it ended last."""
IS_OPEN = "open & 1"
"""Whether a change is marked, and its outcome is still to come."""
IS_REOPENED = "open & 2"
"""Whether a change was done and is to be made once more; it stands as it ended until it is marked for that."""
OF_NOW = f"CASE WHEN {IS_OPEN} AND outcome IS NOT NULL THEN NULL ELSE {{}} END"
"""A column of a change without what is left of its last end while it is made again."""
NO_FILE, NO_DIGEST = "\0", -(2**63)
"""For NULL, as no file has that name and no checksum is below zero. (sqlite3 looks for an adapter of every None, which
takes as long as the rest of a row.)"""
OUTCOMES = {kind: kind.value for kind in OutcomeKind}
"""Outcomes as text: an attribute of an enumeration's member takes three times as long."""
MARK_NEW = f"""
    INSERT INTO changes (number, open, line, file, digest, op, once, request_id, started, resource, record)
    VALUES (?, 1, ?, nullif(?, char(0)), nullif(?, {NO_DIGEST}), ?, ?, ?, ?, ?, ?)
"""
MARK = f"""{MARK_NEW}
    ON CONFLICT DO UPDATE SET open = open | 1, line = excluded.line, file = excluded.file, digest = excluded.digest,
        op = excluded.op, once = excluded.once, request_id = excluded.request_id, started = excluded.started,
        resource = excluded.resource, record = excluded.record,
        error = CASE WHEN outcome IS NULL THEN NULL ELSE error END
"""
# Without an outcome, an error is how a change stands that is to be continued.
LEAVE_OPEN = f"""
    UPDATE changes SET attempts = attempts + ?, started = ?, elapsed = ?, status = ?, request_id = ?, error = ?,
        message = ?, outcome = CASE WHEN {IS_DONE} THEN outcome END
    WHERE number = ? AND open
"""
CLOSE_DONE = """
    UPDATE changes SET open = 0, outcome = ?, attempts = attempts + ?, started = ?, elapsed = ?, status = ?,
        request_id = ?, error = NULL, message = NULL, attributes = NULL
    WHERE number = ?
"""
CLOSE_FAILED = """
    UPDATE changes SET open = 0, outcome = ?, attempts = attempts + ?, started = ?, elapsed = ?, status = ?,
        request_id = ?, error = ?, message = ?, attributes = ?
    WHERE number = ?
"""
CLOSE = """
    INSERT INTO changes (number, open, line, file, op, outcome, attempts, started, elapsed, status, request_id,
        resource, error, message, record, attributes)
    VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET open = 0, outcome = excluded.outcome, attempts = attempts + excluded.attempts,
        started = excluded.started, elapsed = excluded.elapsed, status = excluded.status,
        request_id = excluded.request_id, resource = excluded.resource, error = excluded.error,
        message = excluded.message, record = excluded.record, attributes = excluded.attributes
"""
# What was under way when a run was killed may have been applied, however it had ended before.
CLOSE_ONCE = f"""
    UPDATE changes SET open = 0, outcome = 'unknown', elapsed = {OF_NOW.format("elapsed")},
        error = coalesce({OF_NOW.format("error")}, ?), message = coalesce({OF_NOW.format("message")}, ?)
    WHERE open AND once
"""
# What takes a change back is on the disk before the change goes out, so these never went out.
_UNSENT = """
    open AND once AND outcome IS NULL AND attempts = 0 AND number NOT IN (SELECT number FROM undo)
"""
WITHDRAW_UNSENT = f"DELETE FROM changes WHERE {_UNSENT}"
BEGUN = f"(SELECT * FROM changes WHERE NOT ({_UNSENT})) AS changes"
"""The changes of a journal that keeps what was there before, without the marks that its killed run left unsent."""
RESOLVE = f"""
    UPDATE changes SET open = 0, outcome = :outcome, evidence = :evidence,
        error = CASE WHEN :done THEN NULL ELSE coalesce({OF_NOW.format("error")}, '{INTERRUPTED}') END,
        message = CASE WHEN :done THEN NULL
            WHEN :outcome = 'not_sent' THEN coalesce(nullif({OF_NOW.format("message")}, '{UNTOLD}'), :evidence)
            ELSE coalesce({OF_NOW.format("message")}, '{UNTOLD}') END,
        attributes = CASE WHEN :done THEN NULL ELSE attributes END
    WHERE number = :number AND ({IS_OPEN} OR outcome = 'unknown')
"""
NOT_APPLIED = (
    f"{ended_so([OutcomeKind.NOT_SENT])} AND evidence GLOB '{Verdict.NOT_APPLIED}: *' AND NOT open AND NOT once"
)
"""Whether a change was found not to be applied, is safe to repeat, and was not made again."""
WAIT = "INSERT OR REPLACE INTO waits VALUES (?, ?)"
