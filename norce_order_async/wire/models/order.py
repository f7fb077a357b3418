"""Orders, lists of them, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import attrs

from norce_order_async.wire.json import JSON
from norce_order_async.wire.models.base import NOT_SET, Model, lists_as_tuples
from norce_order_async.wire.models.callbacks import Callback, Hook, Notification
from norce_order_async.wire.models.cart import Cart, Price
from norce_order_async.wire.models.customer import Consent, Customer
from norce_order_async.wire.models.payment import Payment
from norce_order_async.wire.models.shipping import Shipping


@attrs.frozen(kw_only=True, repr=False, field_transformer=lists_as_tuples)
class Order(Model):
    """Schema ``Order``: a checkout order.

    Attributes:
        id: Given by the service, as are ``merchant``, ``channel``, ``created``, ``last_modified``, ``shippings`` and
            ``payments``.
        reference: The order's id elsewhere.
        culture: Language and region (RFC 1766), such as ``sv-SE``.
        currency: ISO 4217, three letters.
        country: ISO 3166, two letters.
        validations: Callbacks made when the order is validated; a refusal stops the action.
        hooks: Callbacks awaited before a change is stored.
        notifications: Calls made after a change is stored.
        total: Shippings included.
    """

    id: str | None = None
    merchant: str | None = None
    channel: str | None = None
    reference: str | None = None
    created: datetime | None = None
    last_modified: datetime | None = None
    state: State | None = None
    culture: str | None = None
    currency: str | None = None
    country: str | None = None
    cart: Cart | None = None
    shippings: Sequence[Shipping] = NOT_SET
    payments: Sequence[Payment] = NOT_SET
    customer: Customer | None = None
    consents: Sequence[Consent] = NOT_SET
    validations: Sequence[Callback] = NOT_SET
    hooks: Sequence[Hook] = NOT_SET
    notifications: Sequence[Notification] = NOT_SET
    total: Price | None = None
    attributes: Mapping[str, JSON] | None = None


class OrderStatus(StrEnum):
    """Schema ``OrderStatus``: the state of an order. A new one is in ``checkout``."""

    CHECKOUT = "checkout"
    PROCESSING = "processing"
    ACCEPTED = "accepted"
    COMPLETED = "completed"
    DECLINED = "declined"
    REMOVED = "removed"


@attrs.frozen(kw_only=True, repr=False, field_transformer=lists_as_tuples)
class State(Model):
    """Schema ``State``: an order's state and how it got there (``transitions``, given by the service)."""

    current_status: OrderStatus | str | None = None
    transitions: Sequence[Transition] = NOT_SET


@attrs.frozen(kw_only=True, repr=False)
class Transition(Model):
    """Schema ``Transition``: a change of state that happened."""

    status: OrderStatus | str | None = None
    time_stamp: datetime | None = None


@attrs.frozen(kw_only=True, repr=False)
class CreateResponse(Model):
    """Schema ``CreateResponse``: the id of what was created."""

    id: str | None = None


@attrs.frozen(kw_only=True, repr=False)
class ValidationError(Model):
    """Schema ``ValidationError``: what failed when an order was validated, and whose check it was."""

    code: str | None = None
    adapter_id: str | None = None


@attrs.frozen(kw_only=True, repr=False)
class BaseError(Model):
    """Schema ``BaseError``: the body of an error answer. ``code`` is an open set."""

    code: str | None = None
    message: str | None = None


@attrs.frozen(kw_only=True, repr=False, field_transformer=lists_as_tuples)
class OrderPaginationSet(Model):
    """Schema ``OrderPaginationSet``: a page of orders."""

    data: Sequence[Order] = NOT_SET
    pagination: Pagination | None = None


@attrs.frozen(kw_only=True, repr=False)
class Pagination(Model):
    """Schema ``Pagination``: paging figures.

    Attributes:
        size: How many orders fit the filter.
        value_sum: The sum of their values, in major units.
        total_size: How many orders there are in all.
    """

    offset: int | None = None
    limit: int | None = None
    size: int | None = None
    value_sum: Decimal | None = None
    total_size: int | None = None


class OrderListOrderBy(StrEnum):
    """Schema ``OrderListOrderBy``: what to sort orders by."""

    CREATED = "created"
    BILLING_EMAIL = "billingEmail"
    BILLING_NAME = "billingName"
    CART_TOTAL = "cartTotal"


class OrderListOrderByDirection(StrEnum):
    """Schema ``OrderListOrderByDirection``: which way to sort."""

    ASC = "asc"
    DESC = "desc"
