"""What a registration does that the order does not show at once."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from support import Answer, Closing, scripted

from norce_order_async import (
    CallError,
    CallOptions,
    ClientClosedError,
    ConnectError,
    ConnectionLost,
    NotFoundError,
    OutcomeKind,
    Timeout,
    WaitTimeout,
    ensure_hook,
    ensure_notification,
    ensure_validation,
)
from norce_order_async.models import Callback, Hook, Notification

Wire = dict[str, Any]
URL = "https://adapter.example/x"
KINDS: list[tuple[Callable[..., Any], str, Any, Wire]] = [
    (ensure_hook, "hooks", Hook(subscribe_to="/cart", invoke=URL), {"subscribeTo": "/cart", "invoke": URL}),
    (ensure_validation, "validations", Callback(adapter_id="ours", url=URL), {"adapterId": "ours", "url": URL}),
    (ensure_notification, "notifications", Notification(scope="/cart", invoke=URL), {"scope": "/cart", "invoke": URL}),
]
each_kind = pytest.mark.parametrize(("ensure", "name", "part", "wire"), KINDS)


def order(**members: Any) -> Answer:
    return 200, {}, json.dumps({"id": "o_1", **members}).encode()


@each_kind
async def test_it_waits_until_the_order_shows_it(ensure: Callable[..., Any], name: str, part: Any, wire: Wire) -> None:
    shown = order(**{name: [wire | {"id": "x_1"}]})
    client, transport, clock = scripted(order(), 202, order(), order(), shown)
    assert (await ensure(client, "o_1", part)).id == "x_1"
    assert [request.method for request in transport.requests] == ["GET", "POST", "GET", "GET", "GET"]
    assert len(clock.slept) == 2


@each_kind
@pytest.mark.parametrize(("status", "outcome"), [(200, OutcomeKind.APPLIED), (202, OutcomeKind.ACCEPTED)])
async def test_one_that_never_shows_is_an_error_with_the_outcome_of_the_registration(
    ensure: Callable[..., Any], name: str, part: Any, wire: Wire, status: int, outcome: OutcomeKind
) -> None:
    client, transport, clock = scripted(order(), status, order(), timeout=Timeout(attempt=5.0))
    with pytest.raises(WaitTimeout, match=f"does not show the {name[:-1]} within 5 s, but the API answered") as caught:
        await ensure(client, "o_1", part)
    assert (caught.value.outcome, [request.method for request in transport.requests].count("POST")) == (outcome, 1)
    assert caught.value.order is not None
    assert clock.now <= 5.0


LOST = ConnectionLost("cut off", sent=True)
NO_RETRY: dict[str, Any] = {"retry": None, "timeout": Timeout(attempt=5.0)}
FAILURES: list[tuple[list[Any], OutcomeKind]] = [
    ([404], OutcomeKind.NOT_SENT),
    ([LOST], OutcomeKind.NOT_SENT),
    ([503], OutcomeKind.NOT_SENT),
    ([order(), 200, 404], OutcomeKind.APPLIED),
    ([order(), 202, 404], OutcomeKind.ACCEPTED),
    ([order(), 409, 429], OutcomeKind.REJECTED),
    ([order(), LOST, 401], OutcomeKind.UNKNOWN),
    ([order(), LOST, 404], OutcomeKind.UNKNOWN),
    ([order(), LOST, 429], OutcomeKind.UNKNOWN),
    ([order(), LOST, order(), order(), 404], OutcomeKind.UNKNOWN),  # it came to nothing, but it was sent
    ([order(), LOST, order(), order(), order(), ConnectError("refused", sent=False)], OutcomeKind.UNKNOWN),
    ([order(), LOST, order(), order(), order(), 400], OutcomeKind.REJECTED),
    ([order(), ConnectError("refused", sent=False)], OutcomeKind.NOT_SENT),
]


@pytest.mark.parametrize(("script", "outcome"), FAILURES)
async def test_a_failure_has_the_outcome_that_the_registration_has_by_then(
    script: list[Any], outcome: OutcomeKind
) -> None:
    client, _, _ = scripted(*script, **NO_RETRY)
    with pytest.raises(CallError) as caught:
        await ensure_hook(client, "o_1", KINDS[0][2])
    assert caught.value.outcome is outcome


@pytest.mark.parametrize("reads", [3, 4])
async def test_where_the_client_is_closed_before_it_is_registered_again_the_outcome_is_unknown(reads: int) -> None:
    closing = Closing("GET", reads)
    client, _, _ = scripted(order(), LOST, order(), order(), order(), call_middlewares=[closing], **NO_RETRY)
    closing.client = client
    with pytest.raises(ClientClosedError) as caught:
        await ensure_hook(client, "o_1", KINDS[0][2])
    assert caught.value.outcome is OutcomeKind.UNKNOWN
    await closing.closed


@pytest.mark.parametrize(("status", "outcome"), [(200, OutcomeKind.APPLIED), (LOST, OutcomeKind.UNKNOWN)])
async def test_where_the_client_is_closed_meanwhile_the_outcome_is_that_of_the_registration(
    status: Any, outcome: OutcomeKind
) -> None:
    closing = Closing("POST")
    client, _, _ = scripted(order(), status, call_middlewares=[closing], **NO_RETRY)
    closing.client = client
    with pytest.raises(ClientClosedError) as caught:
        await ensure_hook(client, "o_1", KINDS[0][2])
    assert caught.value.outcome is outcome
    await closing.closed


async def test_it_finds_out_with_the_options_of_the_call() -> None:
    shown = order(hooks=[KINDS[0][3] | {"id": "x_1"}])
    client, transport, clock = scripted(order(), LOST, order(), shown, **NO_RETRY)
    options = CallOptions(timeout=Timeout(attempt=30.0), headers={"x-gateway-key": "k"})
    assert (await ensure_hook(client, "o_1", KINDS[0][2], options=options)).id == "x_1"
    assert [request.headers.get("x-gateway-key") for request in transport.requests] == ["k"] * 5
    assert ([request.method for request in transport.requests].count("POST"), clock.now) == (1, 30.0)


async def test_what_may_have_been_registered_by_an_earlier_call_stays_unknown() -> None:
    client, _, _ = scripted(404)
    with pytest.raises(NotFoundError) as caught:
        await ensure_hook(client, "o_1", KINDS[0][2], options=CallOptions(redelivered=True))
    assert caught.value.outcome is OutcomeKind.UNKNOWN
