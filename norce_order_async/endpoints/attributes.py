"""An order's own free-form attributes."""

from collections.abc import Mapping

from norce_order_async.client import OrderClient
from norce_order_async.core.checks import check_members
from norce_order_async.core.options import CallOptions
from norce_order_async.core.shapes import check_client
from norce_order_async.wire.catalog import OPERATIONS
from norce_order_async.wire.codec import encode
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.json import JSON
from norce_order_async.wire.operation import Operation

PATCH_ATTRIBUTES: Operation[Receipt] = OPERATIONS["PatchCheckoutOrderAttributes"]


async def patch_attributes(
    client: OrderClient, order_id: str, attributes: Mapping[str, JSON], *, options: CallOptions | None = None
) -> Receipt:
    """Set attributes of an order; those not named stay as they are.

    None is sent as null. Whether the API then stores null or drops the attribute, and whether it merges or replaces
    nested objects, is not published.

    It is tried again: the same values replace themselves.

    Raises:
        TypeError: ``order_id`` is not a str, or ``attributes`` not a mapping.
        InvalidRequestError: ``attributes`` is empty (what the API does then is not published), holds something that
            isn't JSON (the message says where), is nested deeper than 64 levels or larger than 1 MiB; or an id that
            would name another resource. Nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: PatchCheckoutOrderAttributes,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/patchcheckoutorderattributes
    """
    body = attributes_body(attributes)
    return await check_client(client).execute(PATCH_ATTRIBUTES, body=body, options=options, order_id=order_id)


def attributes_body(attributes: Mapping[str, JSON]) -> bytes:
    """What :func:`patch_attributes` sends.

    Raises:
        TypeError: ``attributes`` is not a mapping.
        InvalidRequestError: As there.
    """
    check_members("attributes", attributes)
    return encode(attributes, root="attributes")
