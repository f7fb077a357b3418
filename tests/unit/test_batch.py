"""Running a batch: every change has one outcome, in turn where it matters, and nothing is held that need not be."""

import gc
import math
import random
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import attrs
import pytest
from support import BASE_URL, ScriptedTransport, scripted
from timeline import until_it_fails

from norce_order_async import (
    CallOptions,
    ClientStateError,
    ConfigurationError,
    InvalidRequestError,
    OrderClient,
    OutcomeKind,
    Receipt,
    RetryPolicy,
    patch_attributes,
)
from norce_order_async.batch import (
    Batch,
    Change,
    CreateHook,
    DeleteConsent,
    InputLine,
    Journal,
    Outcome,
    PatchAttributes,
    PatchConsent,
    run_batch,
)
from norce_order_async.batch.lines import parse_change
from norce_order_async.core.call import Call
from norce_order_async.core.errors import ConnectionLost
from norce_order_async.core.outcome import Attempt
from norce_order_async.testing.conformance.base import settle
from norce_order_async.transport import Request, Response
from norce_order_async.wire.models import Hook


async def outcomes_of(client: OrderClient, changes: Any, **settings: Any) -> list[Outcome]:
    return [outcome async for outcome in run_batch(client, changes, **settings)]


async def test_every_change_has_one_outcome_and_its_place_in_the_input() -> None:
    client, transport, _ = scripted()
    changes = [PatchConsent(f"o_{n}", "ci", checked=True) for n in range(100)]
    outcomes = await outcomes_of(client, changes, concurrency=7)
    assert sorted(outcome.line for outcome in outcomes) == list(range(1, 101))
    assert {outcome.outcome for outcome in outcomes} == {OutcomeKind.APPLIED}
    assert [changes[outcome.line - 1] for outcome in outcomes] == [outcome.change for outcome in outcomes]
    assert len(transport.requests) == 100


async def test_a_failure_stops_nothing_and_is_told_in_full() -> None:
    def answer(request: Request) -> Response:
        status = {"o_1": 404, "o_2": 503}.get(request.url.split("/")[-3], 200)
        body = b"" if status == 200 else b'{"code": "order-not-found", "message": "Not here."}'
        return Response(request, status, body=body)

    client, _, _ = scripted(answer, retry=RetryPolicy.batch())
    changes = [DeleteConsent(f"o_{n}", "ci") for n in range(4)]
    by_line = {outcome.line: outcome for outcome in await outcomes_of(client, changes)}
    assert [by_line[line].outcome for line in (1, 2, 3, 4)] == ["applied", "rejected", "unknown", "applied"]
    missing, failing = by_line[2], by_line[3]
    assert (missing.error, missing.status, missing.attempts) == ("NotFoundError", 404, 1)
    assert "order-not-found" in (missing.message or "")
    assert (failing.error, failing.status, failing.attempts) == ("ServerError", 503, 15)
    assert failing.request_id


async def test_what_cannot_be_sent_is_an_outcome_too() -> None:
    client, transport, _ = scripted()
    changes = [PatchAttributes("o_1", {"a": float("nan")}), InputLine(7, problem="not JSON", source={"_raw": "{"})]
    nan, bad_line = sorted(await outcomes_of(client, changes), key=lambda outcome: outcome.line)
    assert (nan.outcome, nan.error, nan.attempts) == (OutcomeKind.NOT_SENT, "InvalidRequestError", 0)
    assert (bad_line.line, bad_line.change, bad_line.message) == (7, None, "not JSON")
    assert transport.requests == []


async def test_the_input_is_pulled_only_as_there_is_room() -> None:
    pulled = 0

    def endless() -> Iterator[Change]:
        nonlocal pulled
        while True:
            pulled += 1
            yield DeleteConsent(f"o_{pulled}", "ci")

    client, transport, _ = scripted()
    async with aclosing(run_batch(client, endless(), concurrency=4)) as outcomes:
        async for outcome in outcomes:
            if outcome.line >= 50:
                break
            assert pulled <= outcome.line + 20
    sent = len(transport.requests)
    await settle(50)
    assert len(transport.requests) == sent


async def test_a_defect_of_a_change_ends_the_batch_and_loses_no_outcome() -> None:
    @attrs.frozen
    class Broken(DeleteConsent):
        async def apply(self, client: OrderClient, options: CallOptions | None = None) -> Receipt:
            await super().apply(client, options)
            raise LookupError("a defect")

    def changes() -> Iterator[Change]:
        for n in range(1000):
            yield (Broken if n == 50 else DeleteConsent)(f"o_{n}", "ci")

    client, transport, _ = scripted()
    outcomes, error = await until_it_fails(Batch(client, changes(), concurrency=4))
    assert str(error) == "a defect"
    assert len(outcomes) < 100
    assert [outcome.attempts for outcome in outcomes].count(0) == len(outcomes) - len(transport.requests)
    (broken,) = (outcome for outcome in outcomes if outcome.error and outcome.error != "NotTried")
    assert (broken.line, broken.outcome, broken.error) == (51, OutcomeKind.UNKNOWN, "LookupError")


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *(("concurrency", bad) for bad in (0, -1, True, 1.5)),
        *(("rate", bad) for bad in (0, -1, math.nan, math.inf, 10**400, True, "5")),
        *(("max_failures", bad) for bad in (0, 1.5, True, "5")),
        *(("patience", bad) for bad in (0, -1, math.nan, True, "x", None)),
        *(("once", bad) for bad in ("false", 0, None)),
    ],
)
async def test_the_settings_are_checked_before_anything_is_sent(name: str, bad: Any) -> None:
    client, transport, _ = scripted()
    with pytest.raises(ConfigurationError, match=f"{name} must be a"):
        await outcomes_of(client, [CreateHook("o_1", hook=Hook(invoke="https://a.test/h"))], **{name: bad})
    assert transport.requests == []


async def test_a_batch_takes_changes_of_one_s_own() -> None:
    @attrs.frozen
    class Withdraw(Change):
        op = "withdraw"

        @property
        def resource(self) -> str:
            return "consents/ci_newsletter"

        async def apply(self, client: OrderClient, options: CallOptions | None = None) -> Receipt:
            return await PatchConsent(self.order_id, "ci_newsletter", checked=False).apply(client, options)

    client, transport, _ = scripted()
    (outcome,) = await outcomes_of(client, [Withdraw("o_1")])
    assert outcome.outcome is OutcomeKind.APPLIED
    assert transport.requests[0].body == b'{"id":"ci_newsletter","checked":false}'


def change_of(op: str | None, resource: object) -> Change:
    """A change of a class whose ``apply`` returns nothing."""

    async def apply(self: Change, client: OrderClient, options: CallOptions | None = None) -> None:
        await patch_attributes(client, self.order_id, {"a": 1}, options=options)

    members = {"resource": resource, "apply": apply} | ({} if op is None else {"op": op})
    change: Change = attrs.frozen(type("Wrong", (Change,), members))("o_1")
    return change


@pytest.mark.parametrize(
    ("op", "resource", "says", "requests"),
    [
        (None, property(lambda _: ""), "abstract class Wrong .*op", 0),
        ("wrong", str, "resource of Wrong must be a property", 0),
        ("wrong", property(lambda _: None), "resource of Wrong must be a str, got NoneType", 0),
        ("wrong", property(lambda _: ""), "apply of Wrong must return a Receipt, got NoneType", 1),
    ],
    ids=["op", "method", "resource", "receipt"],
)
async def test_what_is_wrong_with_a_class_of_changes_is_said(
    tmp_path: Path, op: str | None, resource: object, says: str, requests: int
) -> None:
    client, transport, _ = scripted()
    with Journal.open(tmp_path / "journal", inputs=[], target="t") as journal, pytest.raises(TypeError, match=says):
        await outcomes_of(client, [change_of(op, resource)], journal=journal)
    assert len(transport.requests) == requests


class Own(Change):
    """One that a batch makes by its ``apply``, as it does what somebody else has written."""

    async def apply(self, client: OrderClient, options: CallOptions | None = None) -> Receipt:
        return await super().apply(client, options)  # type: ignore[safe-super]


class OwnDelete(Own, DeleteConsent): ...


class OwnPatch(Own, PatchConsent): ...


class OwnAttributes(Own, PatchAttributes): ...


LOST = ConnectionLost("the answer was lost", sent=True)
REFUSED = (404, {"content-type": "application/json"}, b'{"code": "consent-not-found", "message": "Not here."}')


@pytest.mark.parametrize(
    ("ours", "own"),
    [
        (DeleteConsent("o_1", "c"), OwnDelete("o_1", "c")),
        (PatchConsent("o_1", "c", checked=True, merchant="m2"), OwnPatch("o_1", "c", checked=True, merchant="m2")),
        (PatchAttributes("o_1", {"a": 1}, channel="2"), OwnAttributes("o_1", {"a": 1}, channel="2")),
        (PatchAttributes("o_1", {"a": {1}}), OwnAttributes("o_1", {"a": {1}})),  # type: ignore[dict-item]
    ],
)
@pytest.mark.parametrize(
    "script", [[200], [202], [REFUSED], [503, 200], [429, REFUSED], [LOST, REFUSED], [LOST], [500]], ids=repr
)
@pytest.mark.parametrize("redelivered", [False, True])
async def test_frequent_changes_are_made_as_all_others_are(
    ours: Change, own: Change, script: list[Any], redelivered: bool
) -> None:
    async def made(change: Change) -> tuple[Any, ...]:
        told: list[Any] = []

        def observe(call: Call, attempt: Attempt) -> None:
            told.append((call.redelivered, attempt.number, attempt.status))

        options = CallOptions(
            headers={"x-trace": "t"},
            adapter_id="a",
            timeout=20,
            retry=RetryPolicy(max_attempts=3),
            on_call=lambda call, error: told.append((call.operation, call.outcome, repr(error))),
            on_response=lambda response: told.append(response.status),
        )
        client, transport, _ = scripted(*script, on_attempt=[observe], random=random.Random(1))
        line = InputLine(1, change, request_id="mine-1", redelivered=redelivered)
        (outcome,) = await outcomes_of(client, [line], options=options, patience=1, settle=0)
        sent = [(request.method, request.url, request.headers, request.body) for request in transport.requests]
        return attrs.evolve(outcome, change=None), sent, transport.timeouts, told, client.stats()

    assert await made(ours) == await made(own)


async def test_a_client_with_an_execute_of_its_own_sees_every_call() -> None:
    class Noting(OrderClient):
        seen: list[tuple[str, str]]

        async def execute(self, *arguments: Any, **named: Any) -> Any:
            self.seen.append((self.merchant, self.channel))
            return await super().execute(*arguments, **named)

    client = Noting(base_url=BASE_URL, merchant="m", channel="1", auth="t", transport=ScriptedTransport())
    client.seen = []
    await outcomes_of(client, [DeleteConsent("o_1", "c"), PatchConsent("o_2", "c", checked=True)], concurrency=1)
    assert client.seen == [("m", "1"), ("m", "1")]
    with pytest.raises(ClientStateError, match="own execute does not see a change that names a merchant"):
        await outcomes_of(client, [PatchConsent("o_2", "c", checked=True, merchant="m2")])


@pytest.mark.parametrize("place", ["client", "class"])
async def test_an_execute_that_was_replaced_is_what_makes_changes(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client, transport, _ = scripted()
    pretend = AsyncMock(return_value=Receipt("none", 200, "", 1, 0.0, OutcomeKind.APPLIED))
    monkeypatch.setattr(client if place == "client" else OrderClient, "execute", pretend)
    (outcome,) = await outcomes_of(client, [DeleteConsent("o_1", "c")])
    assert (outcome.outcome, pretend.await_count, transport.requests) == (OutcomeKind.APPLIED, 1, [])


async def test_an_apply_that_was_replaced_is_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    async def pretend(self: Change, client: OrderClient, options: CallOptions | None = None) -> Receipt:
        return Receipt("none", 200, "", 1, 0.0, OutcomeKind.APPLIED)

    monkeypatch.setattr(DeleteConsent, "apply", pretend)
    client, transport, _ = scripted()
    (outcome,) = await outcomes_of(client, [DeleteConsent("o_1", "c")])
    assert (outcome.outcome, transport.requests) == (OutcomeKind.APPLIED, [])


@pytest.mark.parametrize(
    "change",
    [
        DeleteConsent("o_1", "ci"),
        PatchConsent("o_1", "ci", checked=False),
        PatchAttributes("o_1", {"a": None, "b": [1, {"c": "d"}]}),
    ],
)
async def test_a_change_is_its_record(change: Change) -> None:
    assert parse_change(change.record() | {"_line": 7, "_error": "before"}) == change


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ({}, "no op"),
        ({"op": "refund", "order_id": "o_1"}, "'refund' is none of delete_consent, patch_consent, patch_attributes"),
        ({"op": ["delete_consent"]}, "is none of"),
        ({"op": "delete_consent", "order_id": "o_1"}, "needs consent_id"),
        ({"op": "patch_consent", "order_id": "o_1"}, "needs checked, consent_id"),
        ({"op": "delete_consent", "order_id": "o_1", "consent_id": "c", "checked": True}, "does not take 'checked'"),
        ({"op": "delete_consent", "order_id": "o/1", "consent_id": "c"}, "order_id 'o/1' holds '/'"),
        ({"op": "delete_consent", "order_id": 7, "consent_id": "c"}, "order_id must be a str, got int"),
        ({"op": "patch_consent", "order_id": "o_1", "consent_id": "c", "checked": "yes"}, "must be true or false"),
        ({"op": "patch_attributes", "order_id": "o_1", "attributes": {}}, "at least one member"),
        ({"op": "patch_attributes", "order_id": "o_1", "attributes": [1]}, "must be an object"),
    ],
)
async def test_a_bad_record_says_what_is_wrong(record: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        parse_change(record)


async def test_a_change_that_is_made_leaves_nothing_for_the_collector_of_cycles() -> None:
    client, transport, _ = scripted()
    gc.collect()
    gc.disable()

    def kept() -> int:
        return sum(type(value).__name__ in ("WorkItem", "Call", "Attempt") for value in gc.get_objects())

    try:
        before = kept()
        await outcomes_of(client, [PatchConsent(f"o_{n}", "ci", checked=True) for n in range(100)])
        transport.requests.clear()
        after = kept()
    finally:
        gc.enable()
    assert after - before < 20
