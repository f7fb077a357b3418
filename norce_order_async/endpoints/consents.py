"""Consents of an order."""

from json.encoder import encode_basestring

from norce_order_async.client import OrderClient
from norce_order_async.core.call import Repeat
from norce_order_async.core.checks import check_bool
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.options import CallOptions
from norce_order_async.wire.decoders import Receipt, receipt
from norce_order_async.wire.models import Consent
from norce_order_async.wire.operation import Operation, segment

CREATE_CONSENT = Operation(
    "CreateCheckoutOrderConsent", "POST", "/api/v0/checkout/orders/{order_id}/consents", Repeat.IF_UNSENT, receipt
)
PATCH_CONSENT = Operation(
    "PatchCheckoutOrderConsent",
    "PATCH",
    "/api/v0/checkout/orders/{order_id}/consents/{consent_id}",
    Repeat.SAFE,
    receipt,
)
DELETE_CONSENT = Operation(
    "RemoveCheckoutOrderConsent",
    "DELETE",
    "/api/v0/checkout/orders/{order_id}/consents/{consent_id}",
    Repeat.SAFE,
    receipt,
)


async def create_consent(
    client: OrderClient, order_id: str, consent: Consent, *, options: CallOptions | None = None
) -> Receipt:
    """Add a consent to an order.

    What happens when the order has one of that id already is not published, so the call is only tried again while
    nothing was sent.

    Raises:
        TypeError: ``order_id`` is not a str, or ``consent`` not a :class:`Consent`.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: CreateCheckoutOrderConsent,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/createcheckoutorderconsent
    """
    if not isinstance(consent, Consent):
        raise TypeError(f"consent must be a Consent, got {kind_of(consent)}")
    return await client.execute(CREATE_CONSENT, body=consent, options=options, order_id=order_id)


async def patch_consent(
    client: OrderClient, order_id: str, consent_id: str, *, checked: bool, options: CallOptions | None = None
) -> Receipt:
    """Set whether a consent is given.

    ``checked`` is all that the API changes on a consent. The body also names the consent, as the published samples
    do; whether the API needs that is not documented.

    Raises:
        TypeError: An id is not a str, or ``checked`` not a bool.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: PatchCheckoutOrderConsent,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/patchcheckoutorderconsent
    """
    return await client.execute(
        PATCH_CONSENT,
        body=_body(consent_id, check_bool("checked", checked)),
        options=options,
        order_id=order_id,
        consent_id=consent_id,
    )


def _body(consent_id: str, checked: bool) -> bytes:
    """What most calls send, in a fifth of the time that the writer for any JSON takes."""
    segment("consent_id", consent_id)  # raises for what cannot be written
    return f'{{"id":{encode_basestring(consent_id)},"checked":{"true" if checked else "false"}}}'.encode()


async def delete_consent(
    client: OrderClient, order_id: str, consent_id: str, *, options: CallOptions | None = None
) -> Receipt:
    """Take a consent off an order.

    Whether the API answers 404 for a consent that the order lacks is not published. When an attempt's answer was
    lost and a later attempt finds nothing left, the consent is gone: the receipt then has ``inferred`` set.

    Raises:
        TypeError: An id is not a str.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: RemoveCheckoutOrderConsent,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/removecheckoutorderconsent
    """
    return await client.execute(DELETE_CONSENT, options=options, order_id=order_id, consent_id=consent_id)
