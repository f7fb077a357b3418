"""401 and 403 in a batch: what is about the token, and what is about an order."""

from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from soak_batch.servers import Latency, Limiter, Penal, Server
from timeline import Answer, Origin, Sent, deletes, on_a_timeline, outcomes_of, refused

from norce_order_async import OutcomeKind, RetryPolicy
from norce_order_async.batch import CreateOrder, DeleteConsent, Journal
from norce_order_async.batch.engine import breaker, feeding
from norce_order_async.batch.run import Batch
from norce_order_async.core.errors import TLSError
from norce_order_async.models import Cart, Order
from norce_order_async.testing.conformance.base import settle


def number_of(sent: Sent) -> int:
    return int(sent.order[2:])


async def run(
    path: Path, answer: Callable[[Sent], Answer], count: int = 500, orders: int = 500, **members: str
) -> tuple[dict[str, int], str | None, Origin]:
    client, origin, _ = on_a_timeline(answer)
    changes = [DeleteConsent(f"o_{n % orders}", f"c_{n}", **members) for n in range(count)]
    with Journal.open(path, inputs=[], target="here") as journal:
        batch = Batch(client, changes, concurrency=4, journal=journal)
        await outcomes_of(batch)
        journal.end()
        return {str(kind): n for kind, n in journal.summary().outcomes.items()}, batch.stopped, origin


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (401, "5 changes in a row fail alike: HTTP 401"),
        (TLSError("expired", sent=False), "5 changes in a row fail alike: expired"),
        (403, "what is left of norce/1 was not made, because 10 orders in a row were refused: HTTP 403"),
    ],
)
async def test_a_wave_of_refusals_stops_and_the_same_command_takes_them_again(
    tmp_path: Path, refusal: Answer, says: str
) -> None:
    path = tmp_path / "j"
    outcomes, stopped, origin = await run(path, lambda sent: refusal if number_of(sent) >= 100 else 200)
    assert outcomes == {"applied": 100}
    assert stopped == says
    assert len(origin.sent) < 125
    outcomes, stopped, _ = await run(path, lambda sent: 200)
    assert (outcomes, stopped) == ({"applied": 500}, None)


@pytest.mark.parametrize("status", [403, 503])
async def test_each_change_that_makes_an_order_is_of_an_order_of_its_own(tmp_path: Path, status: int) -> None:
    def answer(sent: Sent) -> Answer:
        fails = len(origin.sent) > 50 and (status == 403 or sent.at < 20)
        return status if fails else (201, {}, b'{"id": "o"}')

    client, origin, _ = on_a_timeline(answer)
    changes = [CreateOrder(order=Order(cart=Cart(reference=f"r_{n}"))) for n in range(500)]
    with Journal.open(tmp_path / "j", inputs=[], target="here") as journal:
        batch = Batch(client, changes, concurrency=4, journal=journal, once=True)
        await outcomes_of(batch)
        applied = journal.summary().outcomes[OutcomeKind.APPLIED]
    if status == 403:
        assert applied == 50
        assert len(origin.sent) < 75
        assert "10 orders in a row were refused" in str(batch.stopped)
    else:
        assert applied > 480


async def test_a_yes_to_what_was_under_way_when_the_token_was_refused_tells_nothing(tmp_path: Path) -> None:
    def answer(sent: Sent) -> Answer:
        origin.latency = 0.015 if number_of(sent) == 2 else 0.01
        return 200 if number_of(sent) < 3 else 401

    client, origin, _ = on_a_timeline(answer)
    with Journal.open(tmp_path / "j", inputs=[], target="here") as journal:
        changes = [DeleteConsent(f"o_{n}", "c") for n in range(100)]
        outcomes = await outcomes_of(Batch(client, changes, concurrency=4, journal=journal))
        assert journal.summary().outcomes == {OutcomeKind.APPLIED: 3}
    assert not [outcome for outcome in outcomes if outcome.outcome is OutcomeKind.REJECTED]


async def test_a_trial_that_fails_in_passing_shows_nothing(tmp_path: Path) -> None:
    failed: set[str] = set()

    def answer(sent: Sent) -> Answer:
        if number_of(sent) < 100:
            return 200
        if number_of(sent) < 115 or sent.order in failed:
            return 403
        failed.add(sent.order)
        return 503

    outcomes, stopped, origin = await run(tmp_path / "j", answer)
    assert outcomes == {"applied": 100}
    assert "10 orders in a row were refused" in str(stopped)
    assert len(origin.sent) < 140


async def test_few_refusals_when_nothing_ever_worked_are_left(tmp_path: Path) -> None:
    outcomes, stopped, _ = await run(tmp_path / "j", lambda sent: 403, count=7, orders=7)
    assert outcomes == {}
    assert stopped == "what is left of norce/1 was not made, because all that were tried were refused: HTTP 403"
    outcomes, stopped, _ = await run(tmp_path / "k", lambda sent: 403, count=1)
    assert (outcomes, stopped) == ({"rejected": 1}, None)


async def test_a_change_that_was_perhaps_applied_before_it_is_refused_stays_open(tmp_path: Path) -> None:
    seen: set[str] = set()

    def answer(sent: Sent) -> Answer:
        if number_of(sent) < 100:
            return 200
        is_new = sent.order not in seen
        seen.add(sent.order)
        return 502 if number_of(sent) == 103 and is_new else 403

    outcomes, stopped, _ = await run(tmp_path / "j", answer)
    assert outcomes == {"applied": 100, "unknown": 1}
    assert "403" in str(stopped)
    outcomes, stopped, _ = await run(tmp_path / "j", lambda sent: 200)
    assert (outcomes, stopped) == ({"applied": 500}, None)


async def test_a_change_that_failed_and_is_held_for_refusals_keeps_its_failure_when_the_batch_stops(
    tmp_path: Path,
) -> None:
    seen: set[str] = set()

    def answer(sent: Sent) -> Answer:
        if number_of(sent) < 20:
            return 200
        if number_of(sent) in (21, 22):
            if sent.order in seen:
                batch.stop("enough")  # as it is tried, the other one is held
            seen.add(sent.order)
            return 502
        return 403

    client, _, _ = on_a_timeline(answer, latency=0.5)
    changes = [*deletes(29), *(DeleteConsent("o_30", f"c_{n}") for n in range(200))]
    with Journal.open(tmp_path / "j", inputs=[], target="here") as journal:
        batch = Batch(client, changes, concurrency=6, journal=journal)
        left = {outcome.number: (str(outcome.outcome), outcome.error) for outcome in await outcomes_of(batch)}
    assert left[22] == left[23] == ("unknown", "ServerError")
    assert left[40] == ("not_sent", "NotTried")
    assert batch.progress.waiting == 0


async def test_some_orders_that_are_refused_stop_nothing(tmp_path: Path) -> None:
    bad = set(range(100, 108))
    outcomes, stopped, _ = await run(tmp_path / "j", lambda sent: 403 if number_of(sent) in bad else 200)
    assert (outcomes, stopped) == ({"applied": 492, "rejected": 8}, None)


async def test_one_order_that_is_refused_is_not_tried_in_its_own_turn(tmp_path: Path) -> None:
    answer: Callable[[Sent], Answer] = lambda sent: 403 if number_of(sent) == 3 else 200  # noqa: E731
    outcomes, stopped, _ = await run(tmp_path / "j", answer, count=100, orders=5)
    assert (outcomes, stopped) == ({"applied": 80, "rejected": 20}, None)


@pytest.mark.parametrize(
    ("refusal", "outcome"), [(401, "rejected"), (403, "rejected"), (TLSError("expired", sent=False), "not_sent")]
)
@pytest.mark.parametrize("numbers", [{497, 498, 499}, {200, 201, 300}], ids=["at the end", "in between"])
async def test_few_refusals_are_outcomes(tmp_path: Path, refusal: Answer, outcome: str, numbers: set[int]) -> None:
    outcomes, stopped, _ = await run(tmp_path / "j", lambda sent: refusal if number_of(sent) in numbers else 200)
    assert (outcomes, stopped) == ({"applied": 497, outcome: 3}, None)


async def test_what_is_left_of_a_merchant_is_let_go_before_the_end(tmp_path: Path) -> None:
    client, _, _ = on_a_timeline(lambda sent: 403 if sent.request.headers["x-merchant"] == "acme" else 200)
    refused = [DeleteConsent(f"o_{n % 5 if n < 200 else n}", f"c_{n}", merchant="acme") for n in range(250)]
    healthy = [DeleteConsent(f"o_{n}", "c") for n in range(600)]
    changes = [change for pair in zip(refused, healthy, strict=False) for change in pair] + healthy[250:]
    with Journal.open(tmp_path / "j", inputs=[], target="here") as journal:
        batch = Batch(client, changes, concurrency=4, journal=journal)
        left = [outcome.error == "NotTried" async for outcome in batch]
        assert journal.summary().outcomes == {OutcomeKind.APPLIED: 600}
        assert not journal.summary().in_flight
    assert left.count(True) == 250
    assert sum(left[:-300]) > 200  # the last changes are made after that
    assert str(batch.stopped).startswith("what is left of acme/1 was not made")


@pytest.mark.parametrize(
    ("bad", "merchant", "retry_after"),
    [(8, None, 2), (20, None, 10), (8, "acme", 2), (20, "acme", 60), (900, "acme", 60)],
)
async def test_who_is_asked_to_wait_holds_up_no_other(bad: int, merchant: str | None, retry_after: int) -> None:
    def answer(sent: Sent) -> Answer:
        is_refused = number_of(sent) < bad and sent.at < 200
        return (429, {"retry-after": str(retry_after)}, b"") if is_refused else 200

    client, origin, _ = on_a_timeline(answer)
    changes = [DeleteConsent(f"o_{n}", "c", merchant=merchant if n < bad else None) for n in range(bad + 2_000)]
    outcomes = await outcomes_of(Batch(client, changes, concurrency=10))
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED}
    assert max(sent.at for sent in origin.sent if number_of(sent) >= bad) < 100
    if merchant is not None:
        assert len(origin.sent) < 2 * bad + 2_000 + 100  # it is not asked again and again


def served_by(server: Server) -> Callable[[Sent], Answer]:
    def answer(sent: Sent) -> Answer:
        status, retry_after, _ = server.answer(sent.at, number_of(sent))
        return status, {} if retry_after is None else {"retry-after": f"{retry_after:g}"}, b""

    return answer


@pytest.mark.parametrize("merchants", [1, 3])
@pytest.mark.parametrize("concurrency", [1, 4, "auto"])
@pytest.mark.parametrize("seconds", [3.0, 10.0, 30.0])
async def test_a_limit_that_begins_anew_when_it_is_asked_too_early_is_waited_for(
    seconds: float, concurrency: Any, merchants: int
) -> None:
    client, _, clock = on_a_timeline(served_by(Penal(10, 5, seconds)), latency=0.02)
    changes = [DeleteConsent(f"o_{n}", "c", merchant=f"m_{n % merchants}") for n in range(200)]
    outcomes = await outcomes_of(Batch(client, changes, concurrency=concurrency))
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED}
    assert clock.now < 40 * seconds


@pytest.mark.parametrize(("rate", "burst"), [(10, 5), (20, 1), (100, 20)])
async def test_a_limit_that_answers_with_503_alone_loses_hardly_a_change(rate: int, burst: int) -> None:
    server = Limiter(rate, Latency(0.02, Random(1)), burst=burst, status=503, retry_after=None)
    client, _, clock = on_a_timeline(served_by(server), latency=0.02, retry=RetryPolicy.batch(), random=Random(1))
    outcomes = await outcomes_of(Batch(client, [DeleteConsent(f"o_{n}", "c") for n in range(400)]))
    assert sum(outcome.outcome is OutcomeKind.APPLIED for outcome in outcomes) >= 0.99 * 400
    assert clock.now < 5 + 2 * 400 / rate


@pytest.mark.parametrize("concurrency", [4, "auto"])
@pytest.mark.parametrize("one_in", [5, 20])
async def test_orders_that_always_answer_503_slow_down_no_others(one_in: int, concurrency: Any) -> None:
    client, origin, clock = on_a_timeline(
        lambda sent: 503 if number_of(sent) % one_in == 0 else 200, latency=0.05, retry=RetryPolicy.batch()
    )
    outcomes = await outcomes_of(
        Batch(client, [DeleteConsent(f"o_{n}", "c") for n in range(1_000)], concurrency=concurrency)
    )
    assert sum(outcome.outcome is OutcomeKind.APPLIED for outcome in outcomes) == 1_000 - 1_000 // one_in
    assert max(sent.at for sent in origin.sent if number_of(sent) % one_in) < 60
    assert clock.now < 120


@pytest.mark.parametrize("seconds", [3.0, 20.0])
@pytest.mark.parametrize("status", [500, 503])
async def test_a_server_that_is_back_is_used_at_once(status: int, seconds: float) -> None:
    client, _, clock = on_a_timeline(
        lambda sent: status if 1 <= sent.at < 1 + seconds else 200, latency=0.05, retry=RetryPolicy.batch()
    )
    outcomes = await outcomes_of(Batch(client, [DeleteConsent(f"o_{n}", "c") for n in range(500)], concurrency=4))
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED}
    assert clock.now < 10 + 2 * seconds


@pytest.mark.parametrize("merchants", [1, 3])
async def test_an_outage_after_all_was_refused_loses_no_change(merchants: int) -> None:
    def answer(sent: Sent) -> Answer:
        if 0.3 <= sent.at < 6:
            return 429, {"retry-after": "3"}, b""
        return 500 if 6.6 <= sent.at < 60 else 200

    client, _, _ = on_a_timeline(answer)
    changes = [DeleteConsent(f"o_{n}", "c", merchant=f"m_{n % merchants}") for n in range(2_000)]
    outcomes = await outcomes_of(Batch(client, changes, concurrency=4))
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED}


@pytest.mark.parametrize("concurrency", [1, "auto"])
@pytest.mark.parametrize("retry_after", [400, 3600])
async def test_a_merchant_that_is_asked_to_wait_for_long_stops_no_other(retry_after: int, concurrency: Any) -> None:
    def answer(sent: Sent) -> Answer:
        return (429, {"retry-after": str(retry_after)}, b"") if number_of(sent) < 100 else 200

    client, origin, clock = on_a_timeline(answer)
    changes = [DeleteConsent(f"o_{n}", "c", merchant=f"m_{n // 100}") for n in range(600)]
    batch = Batch(client, changes, concurrency=concurrency)
    ends = [(outcome.line, outcome.outcome) for outcome in await outcomes_of(batch)]
    assert {line for line, outcome in ends if outcome is OutcomeKind.APPLIED} == {*range(101, 601)}
    assert clock.now < 60
    assert len(origin.sent) < 750


@pytest.mark.parametrize(
    ("failure", "stopped"),
    [(500, "the server asks to wait"), (refused(), "nothing went through for 60 s: refused")],
    ids=["500", "refused"],
)
async def test_a_merchant_that_is_asked_to_wait_for_long_stops_none_that_waits_for_its_next_round(
    failure: Answer, stopped: str
) -> None:
    def answer(sent: Sent) -> Answer:
        if number_of(sent) < 20:
            return 200
        return failure if number_of(sent) % 2 else (429, {"retry-after": "3600"}, b"")

    client, origin, _ = on_a_timeline(answer, retry=RetryPolicy.batch())
    changes = [DeleteConsent(f"o_{n}", "c", merchant=f"m_{n % 2}") for n in range(100)]
    batch = Batch(client, changes, patience=60)
    await outcomes_of(batch)
    assert batch.stopped is not None
    assert stopped in batch.stopped
    assert all(len(origin.times(f"o_{n}")) > 1 for n in range(21, 100, 2))


async def test_a_merchant_whose_token_is_refused_in_a_block_stops_no_other() -> None:
    client, origin, _ = on_a_timeline(lambda sent: 401 if 100 <= number_of(sent) < 200 else 200)
    changes = [DeleteConsent(f"o_{n}", "c", merchant="bad" if 100 <= n < 200 else None) for n in range(400)]
    batch = Batch(client, changes)
    outcomes = await outcomes_of(batch)
    assert batch.stopped is None
    assert Counter(outcome.outcome for outcome in outcomes) == {OutcomeKind.APPLIED: 300, OutcomeKind.REJECTED: 100}
    assert len(origin.sent) == 400


@pytest.mark.parametrize("concurrency", [1, "auto"])
async def test_a_token_that_is_refused_in_the_middle_is_not_sent_on_and_on_for_the_changes_of_few_orders(
    concurrency: Any,
) -> None:
    client, origin, _ = on_a_timeline(lambda sent: 200 if len(origin.sent) <= 100 else 401)
    changes = [DeleteConsent(f"o_{n % 4}", f"c_{n}") for n in range(6_000)]
    batch = Batch(client, changes, concurrency=concurrency)
    await outcomes_of(batch)
    assert batch.stopped == "5 changes in a row fail alike: HTTP 401"
    assert len(origin.sent) < 150


async def test_merchants_are_left_undone_each_for_its_own_reason() -> None:
    answers: dict[int, Answer] = {1: 403, 2: 429, 3: 200}
    client, _, _ = on_a_timeline(lambda sent: answers[number_of(sent) % 3 + 1])
    changes = [DeleteConsent(f"o_{n}", "c", merchant=f"m_{n % 3 + 1}") for n in range(300)]
    batch = Batch(client, changes, patience=60)
    await outcomes_of(batch)
    assert batch.stopped == (
        "what is left of m_1/1 was not made, because 10 orders in a row were refused: HTTP 403, "
        "of m_2/1 was not made, because nothing went through for 60 s: HTTP 429"
    )


async def test_a_server_that_is_gone_stops_the_batch_also_after_some_merchants_were_refused() -> None:
    def answer(sent: Sent) -> Answer:
        if sent.at > 10:
            return refused()
        return 429 if number_of(sent) % 2 else 200

    client, _, clock = on_a_timeline(answer)
    changes = [DeleteConsent(f"o_{n}", "c", merchant=f"m_{n % 2}") for n in range(300)]
    batch = Batch(client, changes, patience=60)
    await outcomes_of(batch)
    assert batch.stopped == "nothing went through for 60 s: refused"
    assert clock.now < 150


@pytest.mark.parametrize("ending", [429, (429, {"retry-after": "30"}, b""), (503, {"retry-after": "5"}, b"")], ids=str)
async def test_a_merchant_that_is_always_refused_and_fills_what_is_read_ahead_is_left_undone_and_others_go_on(
    ending: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (feeding, breaker):
        monkeypatch.setattr(module, "LOOKAHEAD", 50)
    client, origin, _ = on_a_timeline(lambda sent: ending if number_of(sent) % 2 else 200)
    changes = [DeleteConsent(f"o_{n}", "c", merchant=f"m_{n % 2}") for n in range(300)]
    batch = Batch(client, changes, patience=60)
    outcomes = await outcomes_of(batch)
    assert batch.stopped is not None
    assert batch.stopped.startswith("what is left of m_1/1 was not made, because nothing went through for 60 s: HTTP")
    assert {outcome.number % 2 for outcome in outcomes if outcome.outcome.done} == {1}
    assert len({sent.order for sent in origin.sent if number_of(sent) % 2 == 0}) == 150


async def test_a_probe_is_of_a_merchant_that_is_not_asked_to_wait_also_when_it_has_failed_before() -> None:
    client, origin, _ = on_a_timeline(
        lambda sent: (500 if sent.at < 1 else 200) if number_of(sent) == 0 else (429, {"retry-after": "3600"}, b"")
    )
    changes = [DeleteConsent(f"o_{n}", "c", merchant="acme" if n else None) for n in range(100)]
    batch = Batch(client, changes, concurrency=1)
    outcomes = await outcomes_of(batch)
    assert [outcome.line for outcome in outcomes if outcome.outcome.done] == [1]
    assert max(origin.times("o_0")) < 10


@pytest.mark.parametrize(("bad", "retry_after"), [(6, None), (6, "1"), (6, "30"), (20, None), (20, "1")])
@pytest.mark.parametrize("concurrency", [1, "auto"])
async def test_orders_that_are_always_refused_hold_up_no_other_of_their_merchant(
    concurrency: Any, bad: int, retry_after: str | None
) -> None:
    def answer(sent: Sent) -> Answer:
        headers = {} if retry_after is None else {"retry-after": retry_after}
        return (429, headers, b"") if number_of(sent) < 10 * bad and number_of(sent) % 10 == 0 else 200

    client, _, _ = on_a_timeline(answer)
    changes = [DeleteConsent(f"o_{n}", "c", merchant=f"m_{n % 10}") for n in range(800)]
    outcomes = await outcomes_of(Batch(client, changes, concurrency=concurrency))
    applied = sum(outcome.outcome is OutcomeKind.APPLIED for outcome in outcomes)
    assert applied == 800 - bad


async def test_no_more_than_else_is_marked_of_what_is_made_once_while_all_is_refused(tmp_path: Path) -> None:
    client, origin, _ = on_a_timeline(lambda sent: (429, {"retry-after": "10"}, b"") if len(origin.sent) > 30 else 201)
    changes = [CreateOrder(order=Order(cart=Cart(reference=f"r_{n}"))) for n in range(3_000)]
    with Journal.open(tmp_path / "j", inputs=[], target="here") as journal:
        batch = Batch(client, changes, concurrency=10, journal=journal, once=True, patience=1e6)
        async with aclosing(aiter(batch)) as outcomes:
            assert [(await anext(outcomes)).outcome for _ in range(30)] == [OutcomeKind.APPLIED] * 30
            await settle(2_000)
            assert len(origin.sent) > 50
            assert len(journal.states(1, 3_000)) < 500
