"""The buyer: customer, addresses, consents."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import attrs

from norce_order_async.wire.json import JSON
from norce_order_async.wire.models.base import Model


@attrs.frozen(kw_only=True, repr=False)
class Customer(Model):
    """Schema ``Customer``: the buyer."""

    billing: Address | None = None
    shipping: Address | None = None
    type: CustomerType | str | None = None
    attributes: Mapping[str, JSON] | None = None


class CustomerType(StrEnum):
    """Schema ``CustomerType``: the kind of a customer."""

    PERSON = "person"
    ORGANIZATION = "organization"


@attrs.frozen(kw_only=True, repr=False)
class Address(Model):
    """Schema ``Address``: a billing or shipping address.

    Attributes:
        reference: The customer's own reference.
        region: State or region.
        country: ISO 3166, two letters.
        national_identification_number: Of a person.
    """

    type: CustomerType | str | None = None
    given_name: str | None = attrs.field(default=None, repr=False)
    family_name: str | None = attrs.field(default=None, repr=False)
    care_of: str | None = attrs.field(default=None, repr=False)
    reference: str | None = None
    organization_name: str | None = attrs.field(default=None, repr=False)
    street_address: str | None = attrs.field(default=None, repr=False)
    street_address2: str | None = attrs.field(default=None, repr=False)
    postal_code: str | None = attrs.field(default=None, repr=False)
    city: str | None = attrs.field(default=None, repr=False)
    region: str | None = attrs.field(default=None, repr=False)
    country: str | None = None
    phone: str | None = attrs.field(default=None, repr=False)
    email: str | None = attrs.field(default=None, repr=False)
    national_identification_number: str | None = attrs.field(default=None, repr=False)
    organization_identification_number: str | None = attrs.field(default=None, repr=False)
    attributes: Mapping[str, JSON] | None = None


@attrs.frozen(kw_only=True, repr=False)
class Consent(Model):
    """Schema ``Consent``: something the buyer may agree to.

    Attributes:
        checked: Whether the buyer agreed.
        text: What the buyer is shown.
        required: Whether it has to be checked before the order may enter ``processing``.
    """

    id: str | None = None
    checked: bool | None = None
    text: str | None = None
    required: bool | None = None
