"""The cart: items, discounts, prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import attrs

from norce_order_async.wire.json import JSON
from norce_order_async.wire.models.base import NOT_SET, Model, lists_as_tuples


@attrs.frozen(kw_only=True, repr=False, field_transformer=lists_as_tuples)
class Cart(Model):
    """Schema ``Cart``: the cart; its ``total`` is without shipping, its ``reference`` the cart's id elsewhere."""

    reference: str | None = None
    items: Sequence[Item] = NOT_SET
    discounts: Sequence[Discount] = NOT_SET
    total: Price | None = None
    attributes: Mapping[str, JSON] | None = None


@attrs.frozen(kw_only=True, repr=False, field_transformer=lists_as_tuples)
class Item(Model):
    """Schema ``Item``: a row of the cart.

    Attributes:
        reference: The row's id on the commerce platform.
        sku: The article number.
        product_type: Physical unless said otherwise.
        items: The rows of a bundle.
        url: The product's page.
        unit: The unit of ``quantity``.
        price: Of one, before discounts.
        total: Of the row, after discounts.
        original_total: Of the row, before discounts.
        vat_rate: A fraction: 0.25 is 25 %.
        upsell: Whether the row is to be added after the order is accepted.
    """

    id: str | None = None
    reference: str | None = None
    name: str | None = None
    sku: str | None = None
    product_type: ProductType | str | None = None
    items: Sequence[Item] = NOT_SET
    url: str | None = None
    image_url: str | None = None
    quantity: int | None = None
    unit: str | None = None
    price: Price | None = None
    total: Price | None = None
    original_total: Price | None = None
    vat_rate: Decimal | None = None
    discounts: Sequence[Discount] = NOT_SET
    logistics: Logistics | None = None
    upsell: bool | None = None
    attributes: Mapping[str, JSON] | None = None


class ProductType(StrEnum):
    """Schema ``ProductType``: the kind of a product."""

    PHYSICAL = "physical"
    DIGITAL = "digital"
    GIFT_CARD = "giftCard"
    BUNDLE = "bundle"


@attrs.frozen(kw_only=True, repr=False, field_transformer=lists_as_tuples)
class Logistics(Model):
    """Schema ``Logistics``: what shipping needs to know about a row.

    Attributes:
        weight: Grams.
        height: Millimetres.
        width: Millimetres.
        length: Millimetres.
        tags: Marks for delivery rules.
    """

    weight: int | None = None
    height: int | None = None
    width: int | None = None
    length: int | None = None
    tags: Sequence[str] = NOT_SET
    shipping_date: datetime | None = None


@attrs.frozen(kw_only=True, repr=False)
class Discount(Model):
    """Schema ``Discount``: a discount and its sum (``value``)."""

    type: DiscountType | str | None = None
    name: str | None = None
    reference: str | None = None
    description: str | None = None
    code: str | None = None
    value: Price | None = None
    attributes: Mapping[str, JSON] | None = None


class DiscountType(StrEnum):
    """Schema ``DiscountType``: what a discount applies to."""

    ITEM = "item"
    SHIPPING = "shipping"


@attrs.frozen(kw_only=True, repr=False)
class Price(Model):
    """Schema ``Price``: an amount with and without VAT, in major units of the order's currency."""

    including_vat: Decimal | None = None
    excluding_vat: Decimal | None = None
