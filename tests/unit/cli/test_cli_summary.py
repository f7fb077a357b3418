"""The account of a batch as the command prints it."""

import os
from pathlib import Path

import pytest

from norce_order_async import OutcomeKind
from norce_order_async.batch import CreateHook
from norce_order_async.batch.engine.work_item import must_be_once
from norce_order_async.batch.report import ErrorSummary, Summary
from norce_order_async.cli.summary import Account, print_account
from norce_order_async.wire.models import Hook


@pytest.mark.parametrize("is_refused", [True, False])
def test_what_was_not_safe_to_repeat_is_tried_again_with_once(
    is_refused: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    change = CreateHook("o_1", hook=Hook(subscribe_to="/state", invoke="https://shop.example"))
    summary = Summary()
    summary.outcomes[OutcomeKind.NOT_SENT] = 1
    message = must_be_once(change) if is_refused else "no op"
    summary.problems["InvalidRequestError"] = ErrorSummary(1, message, count=1)
    account = Account(title="changes.jsonl against here", summary=summary, journal=Path("j"), ended=1)
    print_account(account, as_json=False)
    again = "the same command with --once --only failed" if is_refused else "the same command with --only failed"
    assert again in capsys.readouterr().out


@pytest.mark.parametrize(("rejected", "is_told"), [(0, False), (1, True)])
def test_nothing_is_said_of_trying_again_where_that_would_send_nothing(
    rejected: int, is_told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = Summary(not_again=2)
    summary.outcomes[OutcomeKind.UNKNOWN] = 2
    summary.outcomes[OutcomeKind.REJECTED] = rejected
    print_account(Account(title="t", summary=summary, journal=Path("j"), ended=2), as_json=False)
    told = capsys.readouterr().out
    assert "What failed:" in told
    assert ("To try again:" in told) == is_told


@pytest.mark.skipif(os.name == "nt", reason="its shells quote otherwise")
def test_a_journal_whose_name_begins_like_an_option_can_be_given_back(capsys: pytest.CaptureFixture[str]) -> None:
    summary = Summary()
    summary.outcomes[OutcomeKind.REJECTED] = 1
    print_account(Account(title="t", summary=summary, journal=Path("-x y"), ended=1), as_json=False)
    assert "norce-order batch report './-x y' --only failed\n" in capsys.readouterr().out


def test_the_name_of_a_file_stays_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_account(
        Account(title="t", summary=Summary(), total=1, journal=Path("j"), stopped="pe.jsonl was changed"), as_json=False
    )
    told = capsys.readouterr().out
    assert "Stopped: pe.jsonl was changed" in told
    assert "The same command goes on with what is left, if its input is the same" in told
