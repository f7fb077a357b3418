"""The buyer's addresses."""

from norce_order_async.client import OrderClient
from norce_order_async.core.options import CallOptions
from norce_order_async.core.shapes import check_client
from norce_order_async.wire.bodies import body_of
from norce_order_async.wire.catalog import OPERATIONS
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.models import Address
from norce_order_async.wire.operation import Operation

UPDATE_BILLING_ADDRESS: Operation[Receipt] = OPERATIONS["UpdateCheckoutOrderCustomerBilling"]
UPDATE_SHIPPING_ADDRESS: Operation[Receipt] = OPERATIONS["UpdateCheckoutOrderCustomerShipping"]


async def update_billing_address(
    client: OrderClient, order_id: str, address: Address, *, options: CallOptions | None = None
) -> Receipt:
    """Replace the billing address of an order: what ``address`` leaves out is lost.

    It is tried again: the same address replaces itself.

    Raises:
        TypeError: ``order_id`` is not a str, or ``address`` not an :class:`Address`.
        InvalidRequestError: A value in it that cannot be sent (the message says where), or an id that would name
            another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: UpdateCheckoutOrderCustomerBilling,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/updatecheckoutordercustomerbilling
    """
    body = body_of("address", address, Address)
    return await check_client(client).execute(UPDATE_BILLING_ADDRESS, body=body, options=options, order_id=order_id)


async def update_shipping_address(
    client: OrderClient, order_id: str, address: Address, *, options: CallOptions | None = None
) -> Receipt:
    """Replace the shipping address of an order: what ``address`` leaves out is lost.

    It is tried again: the same address replaces itself.

    Raises:
        TypeError: ``order_id`` is not a str, or ``address`` not an :class:`Address`.
        InvalidRequestError: A value in it that cannot be sent (the message says where), or an id that would name
            another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: UpdateCheckoutOrderCustomerShipping,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/updatecheckoutordercustomershipping
    """
    body = body_of("address", address, Address)
    return await check_client(client).execute(UPDATE_SHIPPING_ADDRESS, body=body, options=options, order_id=order_id)
