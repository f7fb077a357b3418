"""The account of a batch as the command prints it."""

import os
from pathlib import Path
from typing import Any

import attrs
import pytest
from journals import bad_line, begin, end, mark, write

from norce_order_async import OutcomeKind
from norce_order_async.batch import CreateHook
from norce_order_async.batch.engine.endings import must_be_once
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.report import Summary
from norce_order_async.cli.summary import Account, print_account
from norce_order_async.wire.models import Hook

HOOK = CreateHook("o_1", hook=Hook(subscribe_to="/state", invoke="https://shop.example"))
REFUSED = {"change": None, "source": HOOK.record(), "error": "InvalidRequestError", "message": must_be_once(HOOK)}


def told_of(path: Path, capsys: pytest.CaptureFixture[str], *ended: Outcome) -> str:
    """What is printed of a batch whose changes ended so."""
    with begin(path) as journal:
        write(journal, [mark(each.number, each.change) for each in ended if each.change is not None], ended)
        account = Account(title="t", summary=journal.summary(), journal=Path("j"), ended=len(ended))
    print_account(account, as_json=False)
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("members", "options"),
    [
        ({}, "--only failed"),
        ({"change": HOOK}, "--once --only failed"),
        (REFUSED, "--once --only failed"),
        ({"error": "InvalidRequestError", "message": "NaN"}, None),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_how_what_was_not_sent_is_tried_again(
    members: dict[str, Any], options: str | None, is_first: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = attrs.evolve(end(2, OutcomeKind.NOT_SENT), **members)
    told = told_of(tmp_path / "j", capsys, *([one] if is_first else [bad_line(1, "no op"), one]))
    if options is None:
        assert "To try again" not in told
    else:
        assert f"  To try again:   the same command with {options}\n" in told


@pytest.mark.parametrize(
    ("others", "is_looked_at", "expected"),
    [
        (0, False, "may or may not be done; not safe to run again: --resolve looks"),
        (0, True, "may or may not be done; not safe to run again: --resolve could not tell, look yourself"),
        (1, False, "may or may not be done; 1 of them is not safe to run again: --resolve looks"),
    ],
)
def test_what_is_unknown_and_must_not_be_made_twice(
    others: int, is_looked_at: bool, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = [end(1, OutcomeKind.UNKNOWN, HOOK), *(end(2 + number, OutcomeKind.UNKNOWN) for number in range(others))]
    with begin(tmp_path / "j") as journal:
        write(journal, [mark(each.number, each.change) for each in unknown], unknown)
        if is_looked_at:
            journal.write_resolution(1, OutcomeKind.UNKNOWN, "two hooks look alike")
    assert expected + "\n" in told_of(tmp_path / "j", capsys)


def test_an_account_is_printed_also_where_columns_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "0")
    assert told_of(tmp_path / "j", capsys, end(1, OutcomeKind.APPLIED)).startswith("t: 1 changes have an outcome")


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


@pytest.mark.parametrize(
    ("total", "stopped", "is_told"), [(None, "it was cut", True), (None, None, False), (1, "it was cut", False)]
)
def test_a_stream_that_was_cut_is_continued_though_nobody_knows_what_is_left(
    total: int | None, stopped: str | None, is_told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = Summary()
    summary.outcomes[OutcomeKind.APPLIED] = 1
    account = Account(title="t", summary=summary, journal=Path("j"), ended=1, total=total, stopped=stopped)
    print_account(account, as_json=False)
    told = "  The same command goes on with what is left, if its input is the same.\n"
    assert (told in capsys.readouterr().out) == is_told


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
