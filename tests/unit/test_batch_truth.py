"""What a batch makes of answers that are neither a plain yes nor a plain no, and of what fails after a yes."""

import asyncio
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import attrs
import pytest
from journals import mark, write
from timeline import (
    Answer,
    Doing,
    Sent,
    account,
    deletes,
    journal_at,
    lost,
    on_a_timeline,
    outcomes_at,
    outcomes_of,
    refused,
    until,
    until_it_fails,
)

from norce_order_async import (
    CallError,
    CallOptions,
    DeadlineExceeded,
    OrderClient,
    OutcomeKind,
    Receipt,
    RetryPolicy,
    delete_consent,
)
from norce_order_async.batch import Change, DeleteConsent, JournalRow, Outcome
from norce_order_async.batch.run import Batch
from norce_order_async.core.errors import NotTheApiError
from norce_order_async.middleware import Handler
from norce_order_async.sending.knee import FIRST as FIRST_LIMIT
from norce_order_async.testing import Sandbox
from norce_order_async.transport import Request, Response

WEB_PAGE = (200, {"content-type": "text/html"}, b"<!DOCTYPE html><title>Sign in</title>")
NOT_THE_API = [NotTheApiError("a web page", status=200), WEB_PAGE]


# Something else than the API answers


@pytest.mark.parametrize("page", NOT_THE_API, ids=["error", "answer"])
async def test_a_batch_that_only_ever_meets_web_pages_stops(page: Answer) -> None:
    client, origin, clock = on_a_timeline(lambda sent: page, retry=RetryPolicy.batch())
    batch = Batch(client, deletes(1_000))
    outcomes = await outcomes_of(batch)
    assert not batch.worked
    assert isinstance(batch.error, NotTheApiError)
    assert (batch.stopped or "").startswith("everything fails alike: ")
    assert batch.progress.concurrency == FIRST_LIMIT
    assert len(origin.sent) < 20
    assert clock.now < 1
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.UNKNOWN, OutcomeKind.NOT_SENT}


NO_ROUTE = (404, {"content-type": "text/plain"}, b"404 page not found")


@pytest.mark.parametrize("page", [*((status, *WEB_PAGE[1:]) for status in (301, 400, 404, 405, 501)), NO_ROUTE])
async def test_pages_of_any_status_stop_it_and_reject_nothing(page: Answer) -> None:
    client, origin, clock = on_a_timeline(lambda sent: page)
    batch = Batch(client, deletes(1_000))
    outcomes = await outcomes_of(batch)
    assert (batch.stopped or "").startswith("everything fails alike: ")
    assert len(origin.sent) < 20
    assert clock.now < 1
    tried = [outcome.line for outcome in outcomes if outcome.attempts]
    assert len(tried) == len(origin.sent)


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [((413, *WEB_PAGE[1:]), "rejected"), (NO_ROUTE, "rejected"), (refused(), "not_sent")],
    ids=str,
)
async def test_five_that_fail_alike_at_first_do_not_stop_it_before_those_beside_them_have_ended(
    failure: Answer, outcome: str
) -> None:
    def answer(sent: Sent) -> Answer:
        fails = sent.order in ("o_0", "o_2", "o_4", "o_6", "o_8")
        origin.latency = 0.01 if fails else 1.0
        return failure if fails else good

    good: Answer = 200
    client, origin, clock = on_a_timeline(answer)
    batch = Batch(client, deletes(100))
    assert Counter(str(ended.outcome) for ended in await outcomes_of(batch)) == {"applied": 95, outcome: 5}
    assert batch.stopped is None

    good = failure
    client, origin, clock = on_a_timeline(answer)
    batch = Batch(client, deletes(100))
    await outcomes_of(batch)
    assert (batch.stopped or "").startswith("everything fails alike: ")
    assert len(origin.sent) == 14  # four came after the first four that failed
    assert clock.now < 1.1


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("first", [40, 800])
async def test_web_pages_for_one_merchant_hold_up_no_other(first: int, status: int) -> None:
    def answer(sent: Sent) -> Answer:
        return (status, *WEB_PAGE[1:]) if sent.request.headers["x-merchant"] == "acme" else 200

    client, _, _ = on_a_timeline(answer)
    acme: list[Change] = [DeleteConsent(f"a_{n}", "c", merchant="acme") for n in range(first)]
    batch = Batch(client, [*acme, *deletes(1_000)])
    ended = Counter((outcome.change in acme, str(outcome.outcome)) for outcome in await outcomes_of(batch))
    assert batch.stopped is None
    assert ended == {(False, "applied"): 1_000, (True, "unknown" if status == 200 else "rejected"): first}


@pytest.mark.parametrize("page", NOT_THE_API, ids=["error", "answer"])
async def test_web_pages_in_between_hold_a_batch_and_cost_no_change(page: Answer) -> None:
    client, origin, _ = on_a_timeline(lambda sent: page if 0.5 <= sent.at < 5.5 else 200)
    batch = Batch(client, deletes(2_000), concurrency=10)
    outcomes = await outcomes_of(batch)
    assert Counter(outcome.outcome for outcome in outcomes) == {OutcomeKind.APPLIED: 2_000}
    assert sum(1 <= sent.at < 5.5 for sent in origin.sent) <= 4
    assert batch.stopped is None


# Gateways that are out of order


@pytest.mark.parametrize("status", [500, 503, 520, 521, 522, 523, 524, 529, 530])
async def test_a_gateway_that_fails_for_two_seconds_leaves_nothing_unknown(status: int) -> None:
    client, origin, _ = on_a_timeline(
        lambda sent: status if 0.2 <= sent.at < 2.4 else 200, retry=RetryPolicy.batch(), latency=0.05
    )
    outcomes = await outcomes_of(Batch(client, deletes(400)))
    assert any(0.2 <= sent.at < 2.4 for sent in origin.sent)
    assert Counter(outcome.outcome for outcome in outcomes) == {OutcomeKind.APPLIED: 400}


# Taken in, not finished


async def _take_in(client: OrderClient, options: CallOptions | None) -> Receipt:
    receipt = await delete_consent(client, "o_1", "c", options=options)
    return attrs.evolve(receipt, outcome=OutcomeKind.ACCEPTED)


async def test_what_is_accepted_has_not_failed_and_is_not_sent_again(path: Path) -> None:
    client, origin, _ = on_a_timeline(lambda sent: 409 if sent.order == "o_2" else 200)
    changes = [*deletes(1), Doing("o_1", what=_take_in), *deletes(1, 2)]
    with journal_at(path) as journal:
        batch = Batch(client, changes, journal=journal, max_failures=2)
        await outcomes_of(batch)
        summary = journal.summary()
    assert batch.stopped is None
    progress = batch.progress
    assert (progress.ended, progress.done, progress.accepted, progress.failed) == (3, 1, 1, 1)
    assert (summary.total, summary.done, summary.accepted, summary.failed) == (3, 1, 1, 1)
    assert account(path) == {1: (0, "applied"), 2: (0, "accepted"), 3: (0, "rejected")}
    origin.sent.clear()
    for only in (None, [kind for kind in OutcomeKind if kind.failed]):
        await outcomes_at(path, client, changes, only=only)
    assert [sent.order for sent in origin.sent] == ["o_2"]


def conflict(sent: Sent) -> Answer:
    return 409


@pytest.mark.parametrize("first", [OutcomeKind.ACCEPTED, OutcomeKind.APPLIED])
async def test_what_is_made_again_may_have_been_applied_before(path: Path, first: OutcomeKind) -> None:
    client, origin, _ = on_a_timeline()
    changes = [Doing("o_1", what=_take_in)] if first is OutcomeKind.ACCEPTED else deletes(1)
    outcomes = await outcomes_at(path, client, changes)
    assert [outcome.outcome for outcome in outcomes] == [first]
    origin.answer = conflict
    outcomes = await outcomes_at(path, client, changes, only=[first])
    assert [outcome.outcome for outcome in outcomes] == [OutcomeKind.UNKNOWN]


async def test_a_202_is_accepted_and_no_outage(path: Path) -> None:
    client, origin, _ = on_a_timeline(lambda sent: 202)
    with journal_at(path) as journal:
        batch = Batch(client, deletes(20), journal=journal)
        outcomes = await outcomes_of(batch)
    assert {(outcome.outcome, outcome.error) for outcome in outcomes} == {(OutcomeKind.ACCEPTED, None)}
    assert (len(origin.sent), batch.worked) == (20, True)


# What fails after the API's yes


@pytest.mark.parametrize("outcome", [OutcomeKind.APPLIED, OutcomeKind.ACCEPTED])
@pytest.mark.parametrize("error", [DeadlineExceeded("too late"), CallError("a middleware's own")])
async def test_an_error_after_the_yes_is_kept_and_nothing_is_sent_again(
    path: Path, error: CallError, outcome: OutcomeKind
) -> None:
    error.outcome = outcome

    async def late(client: OrderClient, options: CallOptions | None) -> Receipt:
        await delete_consent(client, "o_1", "c", options=options)
        raise error

    client, origin, _ = on_a_timeline()
    with journal_at(path) as journal:
        batch = Batch(client, [Doing(f"o_{n}", what=late) for n in range(20)], journal=journal, max_failures=1)
        outcomes = await outcomes_of(batch)
        rows, summary = list(journal.rows()), journal.summary()
    assert len(origin.sent) == 20
    assert (batch.stopped, batch.worked, batch.progress.failed, summary.failed) == (None, True, 0, 0)
    told: list[Outcome | JournalRow] = [*outcomes, *rows]
    for one in told:
        assert (one.outcome, one.error, one.message) == (outcome, type(error).__name__, error.reason)
    assert summary.problems[type(error).__name__].count == 20


class _Afterwards:
    """A middleware that fails after the answer."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def __call__(self, request: Request, call_next: Handler, /) -> Response:
        await call_next(request)
        raise self.error


@pytest.mark.parametrize("link", ["call_middlewares", "attempt_middlewares"])
@pytest.mark.parametrize(
    "error",
    [CallError("mine"), RuntimeError("a defect"), asyncio.CancelledError()],
    ids=lambda error: type(error).__name__,
)
async def test_a_middleware_that_fails_after_the_yes_leaves_it_applied(
    path: Path, error: BaseException, link: str
) -> None:
    links: dict[str, Any] = {link: [_Afterwards(error)]}
    client, origin, _ = on_a_timeline(**links)
    with journal_at(path) as journal:
        batch = Batch(client, deletes(1), journal=journal)
        if isinstance(error, RuntimeError):
            outcomes, raised = await until_it_fails(batch)
            assert raised is error
        else:
            outcomes = await outcomes_of(batch)
    assert [(one.outcome, one.error) for one in outcomes] == [(OutcomeKind.APPLIED, type(error).__name__)]
    assert account(path) == {1: (0, "applied")}
    assert len(origin.sent) == 1


async def test_a_batch_that_is_aborted_after_the_yes_knows_it(path: Path) -> None:
    answered = asyncio.Event()

    async def lingers(request: Request, call_next: Handler, /) -> Response:
        response = await call_next(request)
        answered.set()
        await asyncio.Event().wait()
        return response

    client, _, _ = on_a_timeline(call_middlewares=[lingers])
    with journal_at(path) as journal:
        async with Batch(client, deletes(1), journal=journal) as batch:
            reading = asyncio.create_task(outcomes_of(batch))
            await answered.wait()
            batch.abort("enough")
            outcomes = await reading
    assert [(one.outcome, one.error) for one in outcomes] == [(OutcomeKind.APPLIED, "CancelledError")]
    assert account(path) == {1: (0, "applied")}


# After a kill


async def test_a_missing_order_tells_nothing_of_a_consent_that_may_have_been_deleted(path: Path) -> None:
    sandbox = Sandbox()
    for n in range(0, 20, 2):
        sandbox.add_order(f"o_{n}", consents=[])
    with journal_at(path) as journal:  # and killed before any outcome is known
        changes = deletes(20)
        write(journal, [mark(n, change) for n, change in enumerate(changes, 1)], [])
    async with sandbox.client(retry=RetryPolicy.batch()) as client:
        outcomes = await outcomes_at(path, client, changes)
    by_order = {outcome.change.order_id: outcome for outcome in outcomes if outcome.change}
    assert {by_order[f"o_{n}"].outcome for n in range(0, 20, 2)} == {OutcomeKind.APPLIED_INFERRED}
    missing = [by_order[f"o_{n}"] for n in range(1, 20, 2)]
    assert {(one.outcome, one.error) for one in missing} == {(OutcomeKind.UNKNOWN, "NotFoundError")}
    assert sandbox.count == 20


async def test_a_missing_order_tells_nothing_after_a_lost_answer() -> None:
    missing = (404, {"content-type": "application/json"}, b'{"code": "order-not-found", "message": "No such order."}')
    client, origin, _ = on_a_timeline(lambda sent: lost() if len(origin.sent) == 1 else missing)
    outcomes = await outcomes_of(Batch(client, deletes(1)))
    assert [(one.outcome, one.attempts) for one in outcomes] == [(OutcomeKind.UNKNOWN, 2)]


# The log


async def test_one_line_in_all_tells_of_what_was_cut(caplog: pytest.LogCaptureFixture, path: Path) -> None:
    caplog.set_level(logging.WARNING, "norce_order_async")
    client, origin, _ = on_a_timeline(latency=1_000.0)
    with journal_at(path) as journal:
        async with Batch(client, deletes(100), concurrency=6, journal=journal) as batch:
            reading = asyncio.create_task(outcomes_of(batch))
            await until(lambda: len(origin.sent) >= 6)
            batch.abort("now")
            outcomes = await reading
    unknown = sum(outcome.outcome is OutcomeKind.UNKNOWN for outcome in outcomes)
    assert unknown >= 6
    (record,) = caplog.records
    assert (record.levelname, record.__dict__["unknown"]) == ("WARNING", unknown)
    assert record.getMessage() == f"a batch ended; changes whose outcome is unknown: {unknown}"


async def test_one_line_in_all_tells_of_answers_that_were_lost(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "norce_order_async")
    client, _, _ = on_a_timeline(lambda sent: lost() if sent.order == "o_0" else 200)
    await outcomes_of(Batch(client, deletes(20), concurrency=1))
    assert [record.getMessage() for record in caplog.records] == ["a batch ended; changes whose outcome is unknown: 1"]


async def test_a_journal_that_is_closed_before_its_batch_is_logged(
    caplog: pytest.LogCaptureFixture, path: Path
) -> None:
    caplog.set_level(logging.WARNING, "norce_order_async")
    client, _, _ = on_a_timeline(latency=0.1)
    with journal_at(path) as journal:
        outcomes = aiter(Batch(client, deletes(100), concurrency=6, journal=journal))
        await anext(outcomes)
    await outcomes.aclose()
    told = "a batch that was closed early, perhaps after its journal, ended with an error: "
    assert caplog.records[-1].getMessage().startswith(f"{told}the journal {path} ")


async def test_a_batch_that_ends_well_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "norce_order_async")
    client, _, _ = on_a_timeline()
    await outcomes_of(Batch(client, deletes(20)))
    assert not caplog.records
