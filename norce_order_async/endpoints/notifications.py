"""Notifications of an order: calls that are made after a change is stored."""

from norce_order_async.client import OrderClient
from norce_order_async.core.options import CallOptions
from norce_order_async.core.shapes import check_client
from norce_order_async.wire.bodies import body_of
from norce_order_async.wire.catalog import OPERATIONS
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.models import Notification
from norce_order_async.wire.operation import Operation

CREATE_NOTIFICATION: Operation[Receipt] = OPERATIONS["CreateCheckoutOrderNotification"]
DELETE_NOTIFICATION: Operation[Receipt] = OPERATIONS["DeleteCheckoutOrderNotification"]


async def create_notification(
    client: OrderClient, order_id: str, notification: Notification, *, options: CallOptions | None = None
) -> Receipt:
    """Register a notification.

    An id that the service gives is not in the answer: look for its ``adapter_id``, ``reference``, ``scope`` and
    ``invoke`` in ``notifications`` of :func:`get_order`.

    It is only tried again while nothing was sent, or when it was refused with 429, because a second one is delivered
    twice.

    Raises:
        TypeError: ``order_id`` is not a str, or ``notification`` not a :class:`Notification`.
        InvalidRequestError: A value in it that cannot be sent (the message says where), or an id that would name
            another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: CreateCheckoutOrderNotification,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/createcheckoutordernotification
    """
    body = body_of("notification", notification, Notification)
    return await check_client(client).execute(CREATE_NOTIFICATION, body=body, options=options, order_id=order_id)


async def delete_notification(
    client: OrderClient, order_id: str, notification_id: str, *, options: CallOptions | None = None
) -> Receipt:
    """Take a notification off an order.

    It is tried again: what is gone stays gone. The operation is known from v1 only, which lists 400 and 403 for its
    errors and no 404, so a repeat of one that is done may end in a 400: then read the order.

    Raises:
        TypeError: An id is not a str.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: DeleteCheckoutOrderNotification, https://github.com/NorceTech/norce-checkout-angular (types of v1)
    """
    return await check_client(client).execute(
        DELETE_NOTIFICATION, options=options, order_id=order_id, notification_id=notification_id
    )
