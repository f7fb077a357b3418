"""What simulated clients do to orders."""

import random
from contextlib import suppress
from decimal import Decimal
from typing import Any

from simulation.scene import Scene

from norce_order_async import (
    CallError,
    CallOptions,
    NotFoundError,
    OrderClient,
    add_transaction,
    create_consent,
    delete_consent,
    get_order,
    list_orders,
    patch_attributes,
    patch_consent,
)
from norce_order_async.models import Consent, PaymentEvent, PaymentTransaction

ORDERS = 5
SHOPS = 2_000
"""More than a client remembers."""


def fill(scene: Scene, merchant: str = "norce") -> None:
    """Put the orders in, as they are at first."""
    for number in range(ORDERS):
        scene.sandbox.add_order(
            f"o_{number}",
            merchant=merchant,
            consents=["c_0", "c_1", *(f"d_{each}" for each in range(20))],
            payments=[{"id": "p", "type": "creditCard", "amount": 10, "state": "reserved"}],
        )


async def look_elsewhere(client: OrderClient, choices: random.Random) -> None:
    """Ask for an order in one of many shops that have none."""
    view = client.scoped(merchant=f"other_{choices.randrange(SHOPS)}")
    with suppress(CallError):
        await get_order(view, "o_0")


async def operate(client: OrderClient, choices: random.Random, options: CallOptions | None = None) -> bool:
    """Make one call of some kind; whether the API did it, or has no consent left to delete."""
    order, number, kind = f"o_{choices.randrange(ORDERS)}", choices.randrange(1_000_000), choices.random()
    given: dict[str, Any] = {"options": options}
    try:
        if kind < 0.35:
            await patch_consent(client, order, f"c_{number % 2}", checked=number % 3 > 0, **given)
        elif kind < 0.6:
            await patch_attributes(client, order, {f"a_{number % 7}": number}, **given)
        elif kind < 0.7:
            await delete_consent(client, order, f"d_{number % 20}", **given)
        elif kind < 0.8:
            await create_consent(client, order, Consent(id=f"e_{number}", checked=True), **given)
        elif kind < 0.9:
            transaction = PaymentTransaction(amount=Decimal(number % 100), event=PaymentEvent.OPEN)
            await add_transaction(client, order, "p", transaction, **given)
        elif kind < 0.97:
            await get_order(client, order, **given)
        else:
            await list_orders(client, **given)
    except NotFoundError:
        return 0.6 <= kind < 0.7  # it was deleted before; all else is there
    except CallError:
        return False
    return True
