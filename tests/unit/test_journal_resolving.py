"""What a journal keeps of changes that are sent at most once, and of outcomes that were found out afterwards."""

from pathlib import Path

import pytest
from journals import PERSONAL, begin, end, mark, write

from norce_order_async import OutcomeKind
from norce_order_async.batch import Journal, JournalReader
from norce_order_async.batch.journal.old_values import Kept
from norce_order_async.batch.report import report_record


@pytest.mark.parametrize(
    ("outcome", "error"), [(OutcomeKind.APPLIED_INFERRED, None), (OutcomeKind.UNKNOWN, "NotFoundError")]
)
def test_a_resolved_outcome_and_its_evidence_are_kept(path: Path, outcome: OutcomeKind, error: str | None) -> None:
    with begin(path) as journal:
        unknown = [end(1, OutcomeKind.UNKNOWN, PERSONAL), end(3)]
        write(journal, [mark(1, PERSONAL), mark(2), mark(3)], unknown)
        journal.write_resolution(1, outcome, "attributes.email is as it was written \ud83d")
        assert journal.summary().outcomes[outcome] == 1
    with JournalReader.open(path) as reader:
        row, *_ = reader.rows()
        assert (row.outcome, row.error) == (outcome, error)
        told = report_record(row)
        assert told["_evidence"] == "attributes.email is as it was written \\ud83d"
        assert ("attributes" in told) == (not outcome.done)
        assert reader.summary().outcomes == {outcome: 1 + (not outcome.done), OutcomeKind.APPLIED: 1} | (
            {OutcomeKind.UNKNOWN: 1} if outcome.done else {}
        )
    with begin(path) as journal:
        state = journal.states(1, 1)[1]
        assert state.outcome is outcome


def test_only_an_unknown_outcome_can_be_resolved(path: Path) -> None:
    with begin(path) as journal:
        write(journal, [mark(1), mark(2)], [end(1), end(2, OutcomeKind.REJECTED)])
        for number in (1, 2, 3):
            with pytest.raises(ValueError, match=f"change {number} is not unknown"):
                journal.write_resolution(number, OutcomeKind.REJECTED, "seen")
        assert [row.evidence for row in journal.rows()] == [None, None]


def test_a_change_that_a_killed_run_has_sent_can_be_resolved(path: Path) -> None:
    begin_and_leave(path)
    with begin(path) as journal:
        journal.write_resolution(1, OutcomeKind.APPLIED, "the consent is gone")
        assert journal.states(1, 1)[1].outcome is OutcomeKind.APPLIED


@pytest.mark.parametrize(
    ("outcome", "message"),
    [(OutcomeKind.NOT_SENT, "not_applied: seen"), (OutcomeKind.UNKNOWN, "the run ended before its outcome was known")],
)
def test_what_was_interrupted_and_found_not_to_be_applied_says_that(
    path: Path, outcome: OutcomeKind, message: str
) -> None:
    begin_and_leave(path)
    with begin(path) as journal:
        journal.write_resolution(1, outcome, "not_applied: seen")
        assert next(journal.rows()).message == message
        assert journal.summary().problems["Interrupted"].message == message


@pytest.mark.parametrize("outcome", [kind for kind in OutcomeKind if kind is not OutcomeKind.UNKNOWN])
def test_a_change_that_was_being_made_again_when_a_run_was_killed_can_be_resolved(
    path: Path, outcome: OutcomeKind
) -> None:
    with begin(path) as journal:
        write(journal, [mark(1)], [end(1, outcome)])
        write(journal, [mark(1)], [])
    with begin(path) as journal:
        assert [row.number for row in journal.unknown()] == [1]
        journal.write_resolution(1, OutcomeKind.UNKNOWN, "seen")
        (row,) = journal.rows()
        assert (row.outcome, row.error) == (OutcomeKind.UNKNOWN, "Interrupted")


def test_what_is_sent_at_most_once_and_was_being_made_again_is_unknown(path: Path) -> None:
    with begin(path) as journal:
        write(journal, [mark(1)], [end(1, OutcomeKind.NOT_SENT)], once=[1])
        write(journal, [mark(1)], [], once=[1])
    with JournalReader.open(path) as reader:
        summary = reader.summary()
        assert (summary.outcomes, summary.unfinished) == ({OutcomeKind.UNKNOWN: 1}, 0)
    with begin(path) as journal:
        (row,) = journal.rows()
        assert (row.outcome, row.error) == (OutcomeKind.UNKNOWN, "Interrupted")
        state = journal.states(1, 1)[1]
        # Nobody knows when its last request was given up.
        assert (state.outcome, state.once, state.ended) == (OutcomeKind.UNKNOWN, True, None)


def test_what_is_sent_at_most_once_stays_unknown_and_is_not_continued(path: Path) -> None:
    begin_and_leave(path, once=[2])
    with JournalReader.open(path) as reader:
        summary = reader.summary()
        assert (summary.outcomes[OutcomeKind.UNKNOWN], summary.unfinished) == (2, 1)
    for _ in range(2):
        with begin(path) as journal:
            states = journal.states(1, 2)
            assert (states[1].outcome, states[1].once) == (None, False)
            assert (states[2].outcome, states[2].once) == (OutcomeKind.UNKNOWN, True)
            assert journal.summary().problems["Interrupted"].count == 1  # the other is under way


def test_what_is_sent_at_most_once_is_continued_where_it_never_went_out(path: Path) -> None:
    """What takes a change back is written before it goes out."""
    for numbers in ((1, 2), ()):
        with Journal.open(path, inputs=[], target="t", undo=True) as journal:
            write(journal, list(map(mark, numbers)), [], once=numbers)
            if numbers:
                assert journal.undo is not None
                journal.undo.write([Kept(number=1)])
                assert (journal.summary().in_flight, len(list(journal.rows()))) == (2, 2)
        with JournalReader.open(path) as reader:
            assert [(row.number, row.outcome) for row in reader.rows()] == [(1, OutcomeKind.UNKNOWN)]
            assert [row.number for row in reader.rows([OutcomeKind.UNKNOWN])] == [1]
            assert [row.number for row in reader.unknown()] == [1]
            summary = reader.summary()
            assert (summary.outcomes, summary.total) == ({OutcomeKind.UNKNOWN: 1}, 1)
            assert summary.problems["Interrupted"].count == 1


def test_what_was_sent_at_most_once_is_not_made_again_after_an_earlier_change(path: Path) -> None:
    with begin(path) as journal:
        marks = [mark(number, PERSONAL) for number in (1, 2, 3)]
        outcomes = [end(1, OutcomeKind.REJECTED, PERSONAL), end(2, change=PERSONAL), end(3, change=PERSONAL)]
        write(journal, marks, outcomes, once=[2])
        journal.reopen([OutcomeKind.REJECTED], "m", "1", once=False)
        assert [journal.states(1, 3)[number].reopened for number in (1, 2, 3)] == [False, False, True]


def begin_and_leave(path: Path, once: list[int] | None = None) -> None:
    """A run that ends with two changes under way."""
    with begin(path) as journal:
        write(journal, [mark(1), mark(2)], [], once=once or [])
