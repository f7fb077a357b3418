"""Registering what is not registered yet, against a sandbox."""

import asyncio
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from norce_order_async import (
    InvalidRequestError,
    NotFoundError,
    OrderClient,
    ensure_hook,
    ensure_notification,
    ensure_validation,
)
from norce_order_async.models import Callback, Hook, Notification
from norce_order_async.testing import FakeClock, Fault, Sandbox

URL = "https://adapter.example/x"
HOOK = Hook(adapter_id="ours", subscribe_to="/consents", target="/consents", invoke=URL)
KINDS: list[Any] = [
    (ensure_hook, "hooks", HOOK, {"subscribe_to": "/cart"}),
    (ensure_validation, "validations", Callback(adapter_id="ours", url=URL), {"url": f"{URL}/other"}),
    (ensure_notification, "notifications", Notification(scope="/cart", invoke=URL), {"reference": "other"}),
    (ensure_notification, "notifications", Notification(id="n_1", scope="/cart", invoke=URL), {"id": "n_2"}),
]
each_kind = pytest.mark.parametrize(
    ("ensure", "name", "part", "other"), KINDS, ids=["hook", "validation", "notification", "with-id"]
)


def client_of(sandbox: Sandbox, **settings: Any) -> OrderClient:
    sandbox.add_order("o_1")
    return sandbox.client(retry=None, **settings)


def registered(sandbox: Sandbox, name: str) -> list[Any]:
    order = sandbox.order("o_1")
    assert order is not None
    found: list[Any] = order.get(name, [])
    return found


@each_kind
async def test_it_is_registered_once(ensure: Callable[..., Any], name: str, part: Any, other: dict[str, Any]) -> None:
    sandbox = Sandbox()
    async with client_of(sandbox) as client:
        made = await asyncio.gather(*(ensure(client, "o_1", part) for _ in range(5)))
        await ensure(client, "o_1", attrs.evolve(part, **other))
    assert len({one.id for one in made}) == 1
    ids = [one["id"] for one in registered(sandbox, name)]
    assert len(ids) == 2
    assert ids[0] == made[0].id


@each_kind
@pytest.mark.parametrize("fault", [Fault.drop_after(times=1), Fault.drop_before(times=1)], ids=lambda fault: fault.kind)
async def test_a_registration_whose_answer_is_lost_is_found_or_made_again(
    ensure: Callable[..., Any], name: str, part: Any, other: dict[str, Any], fault: Fault
) -> None:
    clock = FakeClock()
    sandbox = Sandbox(wall=clock.wall)
    async with client_of(sandbox, clock=clock) as client:
        operation = {"hooks": "CreateCheckoutOrderHook", "validations": "CreateCheckoutOrderValidation"}
        name_of = operation.get(name, "CreateCheckoutOrderNotification")
        sandbox.faults.add(attrs.evolve(fault, operation=name_of))
        made = await ensure(client, "o_1", part)
    assert [one["id"] for one in registered(sandbox, name)] == [made.id]


async def test_what_has_nothing_to_be_known_by_is_not_sent() -> None:
    sandbox = Sandbox()
    async with client_of(sandbox) as client:
        with pytest.raises(InvalidRequestError, match="none of"):
            await ensure_hook(client, "o_1", Hook())
        with pytest.raises(TypeError):
            await ensure_hook(client, "o_1", Callback())  # type: ignore[arg-type]  # pyright: ignore
        with pytest.raises(NotFoundError):
            await ensure_hook(client, "o_2", HOOK)
    assert [one.operation for one in sandbox.requests] == ["GetCheckoutOrder"]
