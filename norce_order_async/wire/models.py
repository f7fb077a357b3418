"""What the API sends and takes, as frozen values; one class for each schema of its contract.

Members are called as on the wire, in snake case: ``street_address2`` is ``streetAddress2``, ``class_`` is ``class``.
All of them are optional, as the service leaves out what it has no value for: None stands for a member that is absent
or null, and is not written. A list that nobody gave is :data:`NOT_SET`; one that was given is written, also when empty.

Values of an enumeration that this version doesn't know stay plain text, members that it doesn't know are kept in
``extra``, and what doesn't fit (``quantity: 1.5``) is kept as it came and listed by :attr:`Model.unreadable`: reading a
value, changing a copy (``attrs.evolve``) and writing that loses nothing but nulls and what a date-time has beyond
microseconds. Amounts are Decimals with exactly the digits of the wire. Lists that were read are tuples.

Source: https://docs.norce.io/api-reference/nco/openapi/order/schemas
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import count
from typing import Final, Never, cast

import attrs

from norce_order_async.wire.json import JSON
from norce_order_async.wire.unread import Unread, find


class _NotSet(tuple[Never, ...]):
    __slots__ = ()

    def __reduce__(self) -> str:
        return "NOT_SET"  # a copy and an unpickled one are this very object


NOT_SET: Final[Sequence[Never]] = _NotSet()
"""The empty sequence that a list member has while nobody gave it a value; it is not written."""


@attrs.frozen(kw_only=True)
class Model:
    """The base of all models.

    Attributes:
        extra: Members of the wire's object that the model doesn't know. They are written again, unless the model has
            a value of its own for the same name; so ``extra={"text": None}`` writes a null where one is needed.
        unread: What could not be read of its own members. It is written again where it was, unless the member has a
            value by then; ``attrs.evolve(model, unread=())`` lets go of it. See ``unreadable``.
    """

    extra: Mapping[str, JSON] = attrs.field(factory=dict[str, JSON], repr=False)
    unread: Sequence[Unread] = attrs.field(default=(), repr=False)

    @property
    def unreadable(self) -> Mapping[str, JSON]:
        """What could not be read in it and in the models inside: the raw values by their path on the wire.

        Such a member is None, and such an element of a list is left out. So whoever sums sees what is missing::

            {"cart.items[2].quantity": Decimal("1.5"), "shippings[0]": None}
        """
        found: dict[str, JSON] = {}
        self._find_unreadable("", found)
        return found

    def _find_unreadable(self, path: str, found: dict[str, JSON]) -> None:
        for field in attrs.fields(type(self)):
            member, value = wire_name(field.name), getattr(self, field.name)
            unread, place = find(self.unread, member), f"{path}{member}"
            if unread is not None:
                for index, raw in unread.raws.items():
                    if index is not None:
                        found[f"{place}[{index}]"] = raw
                    elif value is None or value is NOT_SET:
                        found[place] = raw
            if isinstance(value, Model):
                value._find_unreadable(f"{place}.", found)
            elif isinstance(value, list | tuple):
                elements = cast(Sequence[object], value)
                for index, element in zip(unread.positions() if unread else count(), elements, strict=False):
                    if isinstance(element, Model):
                        element._find_unreadable(f"{place}[{index}].", found)

    def __repr__(self) -> str:
        # Only what was given: most members of most models are None.
        values = ((field.name, getattr(self, field.name)) for field in attrs.fields(type(self)) if field.repr)
        given = [f"{name}={value!r}" for name, value in values if value is not None and value is not NOT_SET]
        given += [f"extra={self.extra!r}"] if self.extra else []
        # Without the raw values: one of them may stand for a member that the repr leaves out.
        given += [f"unread={[unread.member for unread in self.unread]}"] if self.unread else []
        return f"{type(self).__name__}({', '.join(given)})"


def wire_name(name: str) -> str:
    """What a member of a model is called on the wire."""
    first, *others = name.removesuffix("_").split("_")
    return first + "".join(other.capitalize() for other in others)


# Orders


@attrs.frozen(kw_only=True, repr=False)
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


class OrderVersion(StrEnum):
    """Schema ``OrderVersion``: which version of the order a callback gets."""

    V0 = "v0"
    V1 = "v1"


@attrs.frozen(kw_only=True, repr=False)
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


# Lists of orders


@attrs.frozen(kw_only=True, repr=False)
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


# The cart


@attrs.frozen(kw_only=True, repr=False)
class Cart(Model):
    """Schema ``Cart``: the cart; its ``total`` is without shipping, its ``reference`` the cart's id elsewhere."""

    reference: str | None = None
    items: Sequence[Item] = NOT_SET
    discounts: Sequence[Discount] = NOT_SET
    total: Price | None = None
    attributes: Mapping[str, JSON] | None = None


@attrs.frozen(kw_only=True, repr=False)
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


@attrs.frozen(kw_only=True, repr=False)
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


# The buyer


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
    given_name: str | None = None
    family_name: str | None = None
    care_of: str | None = None
    reference: str | None = None
    organization_name: str | None = None
    street_address: str | None = None
    street_address2: str | None = None
    postal_code: str | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None
    phone: str | None = None
    email: str | None = None
    national_identification_number: str | None = None
    organization_identification_number: str | None = None
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


# Callbacks


@attrs.frozen(kw_only=True, repr=False)
class Callback(Model):
    """Schema ``Callback``: a validation. ``{order_id}`` in its ``url`` stands for the order's id."""

    id: str | None = None
    adapter_id: str | None = None
    url: str | None = None


@attrs.frozen(kw_only=True, repr=False)
class Hook(Model):
    """Schema ``Hook``: a callback that may refuse or add to a change before it is stored.

    Attributes:
        subscribe_to: The part of the order to watch: ``/state``, ``/consents``, ``/customer``, ``/cart``,
            ``/shippings`` or ``/payments``.
        target: The part that the hook may change (same values).
        invoke: The URL to POST to; ``{order_id}`` in it stands for the order's id.
        version: Which version of the order to send.
    """

    id: str | None = None
    adapter_id: str | None = None
    subscribe_to: str | None = None
    target: str | None = None
    invoke: str | None = None
    version: OrderVersion | str | None = None


@attrs.frozen(kw_only=True, repr=False)
class Notification(Model):
    """Schema ``Notification``: a call made after a change is stored.

    Attributes:
        adapter_id: Whose configuration the references in ``invoke`` mean.
        reference: A name to follow it by across orders.
        description: Its purpose.
        scope: The part of the order to watch, such as ``/state/currentStatus``; not inside lists.
        schema: The JSON Schema (2020-12) that this part has to fulfil.
        invoke: The URL to call; may hold references to configuration and order in curly braces.
        version: Which version of the order to send.
    """

    id: str | None = None
    adapter_id: str | None = None
    reference: str | None = None
    description: str | None = None
    scope: str | None = None
    schema: Mapping[str, JSON] | None = None
    invoke: str | None = None
    version: OrderVersion | str | None = None


# Payments


@attrs.frozen(kw_only=True, repr=False)
class Payment(Model):
    """Schema ``Payment``: a payment.

    Attributes:
        id: Given by the service.
        name: The payment provider.
        currency: ISO 4217, three letters.
        amount: What it covers, in major units.
        upper_limit_amount: The most it may cover, in major units.
        reference: The provider's id.
        actions: What can be done with it after the purchase.
    """

    id: str | None = None
    adapter_id: str | None = None
    name: str | None = None
    merchant: str | None = None
    channel: str | None = None
    currency: str | None = None
    type: PaymentType | str | None = None
    order_id: str | None = None
    amount: Decimal | None = None
    upper_limit_amount: Decimal | None = None
    state: PaymentState | str | None = None
    reference: str | None = None
    attributes: Mapping[str, JSON] | None = None
    actions: Sequence[PaymentAction] = NOT_SET
    recurring: Recurring | None = None
    upsell: Upsell | None = None


class PaymentType(StrEnum):
    """Schema ``PaymentType``: the kind of a payment."""

    DEFAULT = "default"
    PREPAID = "prepaid"
    VOUCHER = "voucher"


class PaymentState(StrEnum):
    """Schema ``PaymentState``: the state of a payment."""

    INTENT = "intent"
    REMOVED = "removed"
    PROCESSING = "processing"
    FAILED = "failed"
    CONFIRMED = "confirmed"
    PENDING = "pending"
    DECLINED = "declined"
    RESERVED = "reserved"
    CREDITED = "credited"
    CAPTURED = "captured"


class PaymentEvent(StrEnum):
    """Schema ``PaymentEvent``: what a transaction is about."""

    OPEN = "open"
    PROCESS = "process"
    CONFIRM = "confirm"
    REOPEN = "reopen"
    CANCEL = "cancel"
    PAYMENT_ACTION = "paymentAction"
    CAPTURE = "capture"
    REFUND = "refund"


@attrs.frozen(kw_only=True, repr=False)
class PaymentAction(Model):
    """Schema ``PaymentAction``: something that can be done with a payment; its ``id`` is given by the service."""

    id: str | None = None
    adapter_id: str | None = None
    type: str | None = None
    url: str | None = None


@attrs.frozen(kw_only=True, repr=False)
class PaymentTransaction(Model):
    """Schema ``PaymentTransaction``: an event in the life of a payment.

    Attributes:
        psp_event: The provider's name for the event.
        amount: The amount afterwards, in major units.
        is_success: Whether it went well.
        psp_status: The provider's status.
        request_json: What was sent to the provider, as JSON in a string.
        response_json: What the provider answered, as JSON in a string.
        created: Given by the service.
    """

    event: PaymentEvent | str | None = None
    psp_event: str | None = None
    amount: Decimal | None = None
    is_success: bool | None = None
    error_detail: str | None = None
    psp_status: str | None = None
    request_json: str | None = None
    response_json: str | None = None
    created: datetime | None = None
    payment_action: PaymentAction | None = None


@attrs.frozen(kw_only=True, repr=False)
class Recurring(Model):
    """Schema ``Recurring``: what repeated purchases need; its ``token`` is not in the repr."""

    token: str | None = attrs.field(default=None, repr=False)
    description: str | None = None
    attributes: Mapping[str, JSON] | None = None


@attrs.frozen(kw_only=True, repr=False)
class Upsell(Model):
    """Schema ``Upsell``: whether, and until when (``expiration``), something can be added to a paid order."""

    eligible: bool | None = None
    expiration: datetime | None = None
    transactions: Sequence[UpsellTransaction] = NOT_SET
    attributes: Mapping[str, JSON] | None = None


class UpsellState(StrEnum):
    """Schema ``UpsellState``: the state of an upsell transaction."""

    CREATED = "created"
    ACTION_REQUIRED = "actionRequired"
    COMPLETED = "completed"
    FAILED = "failed"


@attrs.frozen(kw_only=True, repr=False)
class UpsellTransaction(Model):
    """Schema ``UpsellTransaction``: an addition to a paid order; its ``id`` is the provider's."""

    id: str | None = None
    state: UpsellState | str | None = None
    attributes: Mapping[str, JSON] | None = None


# Shippings


@attrs.frozen(kw_only=True, repr=False)
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
