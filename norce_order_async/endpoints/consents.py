"""Consents of an order."""

from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import cast

from norce_order_async.client import OrderClient
from norce_order_async.core.checks import check_bool, check_id, check_members
from norce_order_async.core.options import CallOptions
from norce_order_async.core.shapes import check_client
from norce_order_async.wire.bodies import body_of
from norce_order_async.wire.catalog import OPERATIONS
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.models import Consent
from norce_order_async.wire.operation import Operation, segment

CREATE_CONSENT: Operation[Receipt] = OPERATIONS["CreateCheckoutOrderConsent"]
PATCH_CONSENTS: Operation[Receipt] = OPERATIONS["PatchCheckoutOrderConsents"]
PATCH_CONSENT: Operation[Receipt] = OPERATIONS["PatchCheckoutOrderConsent"]
DELETE_CONSENT: Operation[Receipt] = OPERATIONS["RemoveCheckoutOrderConsent"]


async def create_consent(
    client: OrderClient, order_id: str, consent: Consent, *, options: CallOptions | None = None
) -> Receipt:
    """Add a consent to an order.

    Its id may be left out, and can be addressed afterwards where it is given. The answer has none: read the order.

    It is only tried again while nothing was sent, or when it was refused with 429, because what happens when the order
    has one of that id already is not published.

    Raises:
        TypeError: An id is not a str, or ``consent`` is not a :class:`Consent`.
        InvalidRequestError: An id, also that of ``consent``, that would name another resource, or a value that cannot
            be sent; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: CreateCheckoutOrderConsent,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/createcheckoutorderconsent
    """
    body = body_of("consent", consent, Consent)
    return await check_client(client).execute(CREATE_CONSENT, body=body, options=options, order_id=order_id)


async def patch_consents(
    client: OrderClient, order_id: str, checked: Mapping[str, bool], *, options: CallOptions | None = None
) -> Receipt:
    """Set whether several consents are given.

    What happens to the others when the order lacks one of them is not published: read the order after an error.

    It is tried again: the same values replace themselves.

    Args:
        client: What to call with.
        order_id: The order.
        checked: The new values by the ids of the consents; the API changes nothing else.
        options: What this call has otherwise than the client.

    Raises:
        TypeError: ``checked`` is no mapping, an id is not a str, or a value not a bool.
        InvalidRequestError: ``checked`` is empty, or an id would name another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: PatchCheckoutOrderConsents,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/patchcheckoutorderconsents
    """
    body = [{"id": consent_id, "checked": value} for consent_id, value in check_consents(checked).items()]
    return await check_client(client).execute(PATCH_CONSENTS, body=body, options=options, order_id=order_id)


def check_consents(checked: object) -> dict[str, bool]:
    """The new values of :func:`patch_consents`, in a dict of their own.

    Raises:
        TypeError: As there.
        InvalidRequestError: As there.
    """
    check_members("checked", checked)
    return {
        check_id("an id in checked", consent_id): check_bool(f"checked[{consent_id!r}]", value)
        for consent_id, value in cast("Mapping[object, object]", checked).items()
    }


async def patch_consent(
    client: OrderClient, order_id: str, consent_id: str, *, checked: bool, options: CallOptions | None = None
) -> Receipt:
    """Set whether a consent is given.

    ``checked`` is all that the API changes on a consent. The body also names the consent, as the published samples
    do; whether the API needs that is not documented.

    It is tried again: the same value replaces itself.

    Raises:
        TypeError: An id is not a str, or ``checked`` not a bool.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: PatchCheckoutOrderConsent,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/patchcheckoutorderconsent
    """
    return await check_client(client).execute(
        PATCH_CONSENT,
        body=consent_body(consent_id, check_bool("checked", checked)),
        options=options,
        order_id=order_id,
        consent_id=consent_id,
    )


def consent_body(consent_id: str, checked: bool) -> bytes:
    """What :func:`patch_consent` sends, in a fifth of the time that the writer for any JSON takes."""
    try:
        return f'{{"id":{encode_basestring(consent_id)},"checked":{"true" if checked else "false"}}}'.encode()
    except (TypeError, UnicodeEncodeError):
        segment("consent_id", consent_id)  # says what is wrong with it
        raise


async def delete_consent(
    client: OrderClient, order_id: str, consent_id: str, *, options: CallOptions | None = None
) -> Receipt:
    """Take a consent off an order.

    Whether the API answers 404 for a consent that the order lacks is not published.

    It is tried again: what is gone stays gone. When an attempt's answer was lost and a later attempt finds nothing
    left, the receipt has ``inferred`` set.

    Raises:
        TypeError: An id is not a str.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        CallError: The call did not succeed; see its ``outcome``.

    Source: RemoveCheckoutOrderConsent,
    https://docs.norce.io/api-reference/nco/openapi/order/checkout/removecheckoutorderconsent
    """
    return await check_client(client).execute(DELETE_CONSENT, options=options, order_id=order_id, consent_id=consent_id)
