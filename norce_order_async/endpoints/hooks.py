"""Hooks of an order: callbacks that are awaited before a change is stored."""

from norce_order_async.client import OrderClient
from norce_order_async.core.options import CallOptions
from norce_order_async.core.shapes import check_client
from norce_order_async.wire.bodies import body_of
from norce_order_async.wire.catalog import OPERATIONS
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.models import Hook
from norce_order_async.wire.operation import Operation

CREATE_HOOK: Operation[Receipt] = OPERATIONS["CreateCheckoutOrderHook"]
DELETE_HOOK: Operation[Receipt] = OPERATIONS["DeleteCheckoutOrderHook"]


async def create_hook(client: OrderClient, order_id: str, hook: Hook, *, options: CallOptions | None = None) -> Receipt:
    """Register a hook. Calls with its adapter's id as ``x-adapterid`` do not set it off.

    Its id is not in the answer: look for its ``adapter_id``, ``subscribe_to``, ``target`` and ``invoke`` in ``hooks``
    of :func:`get_order`.

    It is only tried again while nothing was sent, or when it was refused with 429, because a second one is called
    twice.

    Raises:
        TypeError: ``order_id`` is not a str, or ``hook`` not a :class:`Hook`.
        InvalidRequestError: A value in it that cannot be sent (the message says where), or an id that would name
            another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: CreateCheckoutOrderHook,
    https://norce-checkout.redoc.ly/checkout/openapi/order/operation/CreateCheckoutOrderHook
    """
    return await check_client(client).execute(
        CREATE_HOOK, body=body_of("hook", hook, Hook), options=options, order_id=order_id
    )


async def delete_hook(
    client: OrderClient, order_id: str, hook_id: str, *, options: CallOptions | None = None
) -> Receipt:
    """Take a hook off an order.

    It is tried again: what is gone stays gone. v1 lists 400 and 403 for its errors and no 404, so a repeat of one that
    is done may end in a 400: then read the order.

    Raises:
        TypeError: An id is not a str.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: DeleteCheckoutOrderHook,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/createcheckoutordernotification (the page shows both)
    """
    return await check_client(client).execute(DELETE_HOOK, options=options, order_id=order_id, hook_id=hook_id)
