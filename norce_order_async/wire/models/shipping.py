"""Shippings and how they are delivered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

import attrs

from norce_order_async.wire.json import JSON
from norce_order_async.wire.models.base import NOT_SET, Model, lists_as_tuples
from norce_order_async.wire.models.cart import Price


@attrs.frozen(kw_only=True, repr=False, field_transformer=lists_as_tuples)
class Shipping(Model):
    """Schema ``Shipping``: a shipping.

    Attributes:
        id: Given by the service.
        reference: The shipping's id elsewhere.
        tms_reference: The transport system's reference.
        name: What the buyer is shown.
        vat_rate: A fraction: 0.25 is 25 %.
    """

    id: str | None = None
    merchant: str | None = None
    channel: str | None = None
    state: ShippingState | str | None = None
    reference: str | None = None
    tms_reference: str | None = None
    order_id: str | None = None
    adapter_id: str | None = None
    name: str | None = None
    total: Price | None = None
    vat_rate: Decimal | None = None
    delivery_details: DeliveryDetails | None = None
    addons: Sequence[Addon] = NOT_SET
    attributes: Mapping[str, JSON] | None = None


class ShippingState(StrEnum):
    """Schema ``ShippingState``: the state of a shipping."""

    INTENT = "intent"
    REMOVED = "removed"
    PROCESSING = "processing"
    FAILED = "failed"
    CONFIRMED = "confirmed"


@attrs.frozen(kw_only=True, repr=False)
class DeliveryDetails(Model):
    """Schema ``DeliveryDetails``: how a shipping is delivered."""

    carrier: str | None = None
    carrier_product_id: str | None = None
    class_: str | None = None
    product: Product | None = None
    pickup_location: PickupLocation | None = None


@attrs.frozen(kw_only=True, repr=False)
class Product(Model):
    """Schema ``Product``: a carrier's product."""

    reference: str | None = None
    name: str | None = None


@attrs.frozen(kw_only=True, repr=False)
class PickupLocation(Model):
    """Schema ``PickupLocation``: where to fetch it."""

    reference: str | None = None
    name: str | None = None
    address: PickupLocationAddress | None = None


@attrs.frozen(kw_only=True, repr=False)
class PickupLocationAddress(Model):
    """Schema ``PickupLocationAddress``: the address of a pick-up location."""

    street_address: str | None = None
    city: str | None = None
    postal_code: str | None = None
    country: str | None = None


@attrs.frozen(kw_only=True, repr=False)
class Addon(Model):
    """Schema ``Addon``: an addition to a shipping; its ``price`` is in major units."""

    reference: str | None = None
    price: Decimal | None = None
