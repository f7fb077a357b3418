"""What the command says of an error, and what to do about it."""

import re

import pytest
from shell import Shell
from support import ScriptedTransport

from norce_order_async import OutcomeKind
from norce_order_async.cli.commands import BY_NAME
from norce_order_async.cli.errors import explain
from norce_order_async.core.errors import (
    CallError,
    ConnectionLost,
    DeadlineExceeded,
    ProxyError,
    RateLimitedError,
    ServerError,
    StatusError,
)
from norce_order_async.testing import Fault
from norce_order_async.wire.models import ValidationError
from norce_order_async.wire.problems import ValidationFailedError
from norce_order_async.wire.table import ROWS, Row

MAYBE = "It may or may not have been applied"


def told_of(error: CallError, row: Row, outcome: OutcomeKind) -> str:
    error.operation, error.outcome = row.name, outcome
    return explain(error)


@pytest.mark.parametrize("error", [ConnectionLost("cut off"), DeadlineExceeded("30 s are over"), ServerError(500)])
@pytest.mark.parametrize("row", ROWS.values(), ids=list(ROWS))
def test_what_is_not_safe_to_repeat_is_looked_at_first(row: Row, error: CallError) -> None:
    told = told_of(error, row, OutcomeKind.UNKNOWN)
    assert ("try again" in told) == (row.repeat == "safe")
    assert (MAYBE in told) == row.changes
    assert ("it may be sent again" in told) == (row.changes and row.repeat == "safe")
    named = re.findall(r"\((\w+ \w+)[^)]*\)", told)
    assert bool(named) == (row.repeat != "safe")
    assert all(not ROWS[BY_NAME[name].operation].changes for name in named)


def test_what_was_not_sent_may_be_tried_again() -> None:
    told = told_of(DeadlineExceeded("30 s are over"), ROWS["ExecutePaymentAction"], OutcomeKind.NOT_SENT)
    assert "try again" in told
    assert MAYBE not in told


@pytest.mark.parametrize("outcome", [OutcomeKind.APPLIED, OutcomeKind.ACCEPTED])
def test_what_the_api_has_said_yes_to_is_not_sent_again(outcome: OutcomeKind) -> None:
    told = told_of(DeadlineExceeded("30 s are over"), ROWS["ExecutePaymentAction"], outcome)
    assert "try again" not in told
    assert "do not send it again" in told


def test_an_action_whose_answer_is_lost_is_told_of_with_what_to_look_at(shell: Shell) -> None:
    shell.sandbox.faults.add(Fault.drop_after())
    assert shell("action", "execute", "o_123", "p_1", "a_1") == (1, "")
    said = "look at the payment's state (payment get) and its transactions (transaction list) before you send it again."
    assert f"  {MAYBE}: {said}\n" in shell.errors
    assert "try again" not in shell.errors


@pytest.mark.parametrize(
    ("content_type", "body", "says"),
    [
        ("text/html", b"<h1>Not Found</h1>", "Something else answered than the API: check --base-url"),
        ("text/plain", b"404 page not found", "Something else answered than the API: check --base-url"),
        ("application/json", b'{"code": "order-not-found", "message": "m"}', "Check the id"),
        ("application/problem+json", b'{"title": "Not Found", "status": 404}', "Check the id"),
        ("application/json", b"", "Check the id"),
    ],
)
def test_a_404_that_is_not_the_apis_is_told_as_such(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, content_type: str, body: bytes, says: str
) -> None:
    transport = ScriptedTransport((404, {"content-type": content_type}, body))
    monkeypatch.setattr("norce_order_async.client.default_transport", lambda: transport)
    assert shell("order", "get", "o_123") == (1, "")
    assert says in shell.errors


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (403, "Something else answered than the API"),
        (501, "Something else answered than the API"),
        (429, "Too many requests"),
        (502, "The service failed"),
        (503, "The service failed"),
    ],
)
def test_a_page_of_a_status_that_passes_is_the_gateways_word_for_the_api(status: int, says: str) -> None:
    error = StatusError.class_for(status)(status, headers={"content-type": "text/html"}, body=b"<h1>Sorry</h1>")
    assert f"\n  {says}" in told_of(error, ROWS["GetCheckoutOrder"], OutcomeKind.REJECTED)


def test_the_problems_of_an_order_are_told_as_in_the_summary() -> None:
    problems = [ValidationError(code="no-stock", adapter_id="erp", extra={"message": "None left"}), ValidationError()]
    told = told_of(ValidationFailedError(problems), ROWS["Validate"], OutcomeKind.REJECTED)
    assert told.splitlines()[1:] == ["  no-stock: None left (erp)"]


@pytest.mark.parametrize(
    ("error", "says", "never"),
    [
        (RateLimitedError(429), "Too many requests: try again later.", "--concurrency"),
        (ProxyError("cannot connect"), "or was not reached: check NORCE_PROXY, or HTTPS_PROXY", "The proxy refused."),
    ],
)
def test_advice_names_only_what_is_there(error: CallError, says: str, never: str) -> None:
    told = told_of(error, ROWS["GetCheckoutOrder"], OutcomeKind.REJECTED)
    assert says in told
    assert never not in told


@pytest.mark.parametrize("words", [["--host", "300.1.1.1"], ["--port", "99999"]])
def test_a_port_is_no_remedy_for_a_host_that_there_is_not(shell: Shell, words: list[str]) -> None:
    assert shell("sandbox", *words) == (3, "")
    assert "cannot listen on " in shell.errors
    assert "port 0" not in shell.errors
