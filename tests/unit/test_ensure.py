"""What a registration does that the order does not show at once."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from support import Answer, scripted

from norce_order_async import (
    CallError,
    NotFoundError,
    OutcomeKind,
    Timeout,
    WaitTimeout,
    ensure_hook,
    ensure_notification,
    ensure_validation,
)
from norce_order_async.models import Callback, Hook, Notification

pytestmark = pytest.mark.asyncio

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


async def test_a_read_that_fails_after_the_registration_has_the_outcome_of_that() -> None:
    client, _, _ = scripted(order(), 200, 404)
    with pytest.raises(NotFoundError) as caught:
        await ensure_hook(client, "o_1", KINDS[0][2])
    assert caught.value.outcome is OutcomeKind.APPLIED
    client, _, _ = scripted(404)
    with pytest.raises(CallError) as refused:
        await ensure_hook(client, "o_1", KINDS[0][2])
    assert refused.value.outcome is OutcomeKind.REJECTED
