"""Validating an order, and the callbacks that are asked then."""

from norce_order_async.client import OrderClient
from norce_order_async.core.options import CallOptions
from norce_order_async.core.shapes import check_client
from norce_order_async.wire.bodies import body_of
from norce_order_async.wire.catalog import OPERATIONS
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.models import Callback
from norce_order_async.wire.operation import Operation

CREATE_VALIDATION: Operation[Receipt] = OPERATIONS["CreateCheckoutOrderValidation"]
UPDATE_VALIDATION: Operation[Receipt] = OPERATIONS["UpdateCheckoutOrderValidation"]
DELETE_VALIDATION: Operation[Receipt] = OPERATIONS["RemoveCheckoutOrderValidation"]
VALIDATE: Operation[Receipt] = OPERATIONS["Validate"]


async def validate(client: OrderClient, order_id: str, *, options: CallOptions | None = None) -> Receipt:
    """Validate an order; returning means that nothing is wrong with it.

    The service checks that there is an item and that the payments add up to the total, then asks all registered
    callbacks; one that is too slow may be passed over.

    It is tried again: it changes nothing, though it is a POST.

    Raises:
        TypeError: ``order_id`` is not a str.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        ValidationFailedError: Something is wrong with the order; its ``problems`` has all of it.
        DecodeError: What came says neither.
        CallError: The call did not succeed otherwise.

    Source: Validate,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/validate
    """
    return await check_client(client).execute(VALIDATE, options=options, order_id=order_id)


async def create_validation(
    client: OrderClient, order_id: str, callback: Callback, *, options: CallOptions | None = None
) -> Receipt:
    """Register a callback that is asked when the order is validated.

    Its id is not in the answer: look for its ``adapter_id`` and ``url`` in ``validations`` of :func:`get_order`.

    It is only tried again while nothing was sent, or when it was refused with 429, because a second one is a second
    callback.

    Raises:
        TypeError: ``order_id`` is not a str, or ``callback`` not a :class:`Callback`.
        InvalidRequestError: A value in it that cannot be sent (the message says where), or an id that would name
            another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: CreateCheckoutOrderValidation,
    https://norce-checkout.redoc.ly/checkout/openapi/order/operation/CreateCheckoutOrderValidation
    """
    body = body_of("callback", callback, Callback)
    return await check_client(client).execute(CREATE_VALIDATION, body=body, options=options, order_id=order_id)


async def update_validation(
    client: OrderClient, order_id: str, validation_id: str, callback: Callback, *, options: CallOptions | None = None
) -> Receipt:
    """Replace a callback: what ``callback`` leaves out is lost. Its ``id`` is not sent.

    It is tried again: the same callback replaces itself. The operation is known from v1 only, which lists 400 and 403
    for its errors and no 404.

    Raises:
        TypeError: An id is not a str, or ``callback`` is not a :class:`Callback`.
        InvalidRequestError: A value in it that cannot be sent (the message says where), or an id that would name
            another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: UpdateCheckoutOrderValidation, https://github.com/NorceTech/norce-checkout-angular (types of v1)
    """
    body = body_of("callback", callback, Callback)
    return await check_client(client).execute(
        UPDATE_VALIDATION, body=body, options=options, order_id=order_id, validation_id=validation_id
    )


async def delete_validation(
    client: OrderClient, order_id: str, validation_id: str, *, options: CallOptions | None = None
) -> Receipt:
    """Take a callback off an order.

    It is tried again: what is gone stays gone. v1 lists 400 and 403 for its errors and no 404, so a repeat of one that
    is done may end in a 400: then read the order.

    Raises:
        TypeError: An id is not a str.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: RemoveCheckoutOrderValidation,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/validate (the page shows both)
    """
    return await check_client(client).execute(
        DELETE_VALIDATION, options=options, order_id=order_id, validation_id=validation_id
    )
