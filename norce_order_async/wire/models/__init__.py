"""What the API sends and takes, as frozen values; one class for each schema of its contract.

Members are called as on the wire, in snake case: ``street_address2`` is ``streetAddress2``, ``class_`` is ``class``.
All of them are optional, as the service leaves out what it has no value for: None stands for a member that is absent
or null, and is not written. A list that nobody gave is :data:`NOT_SET`; one that was given is written, also when empty.

Values of an enumeration that this version doesn't know stay plain text, members that it doesn't know are kept in
``extra``, and what doesn't fit (``quantity: 1.5``) is kept as it came and listed by :attr:`Model.unreadable`: reading a
value, changing a copy (``attrs.evolve``) and writing that loses nothing but nulls and what a date-time has beyond
microseconds. Amounts are Decimals with exactly the digits of the wire. Lists are tuples,
also where one was given.

Source: https://docs.norce.io/api-reference/nco/openapi/order/schemas
"""

from norce_order_async.wire.models.base import NOT_SET, Model
from norce_order_async.wire.models.callbacks import Callback, Hook, Notification, OrderVersion
from norce_order_async.wire.models.cart import Cart, Discount, DiscountType, Item, Logistics, Price, ProductType
from norce_order_async.wire.models.customer import Address, Consent, Customer, CustomerType
from norce_order_async.wire.models.order import (
    BaseError,
    CreateResponse,
    Order,
    OrderListOrderBy,
    OrderListOrderByDirection,
    OrderPaginationSet,
    OrderStatus,
    Pagination,
    State,
    Transition,
    ValidationError,
)
from norce_order_async.wire.models.payment import (
    Payment,
    PaymentAction,
    PaymentEvent,
    PaymentState,
    PaymentTransaction,
    PaymentType,
    Recurring,
    Upsell,
    UpsellState,
    UpsellTransaction,
)
from norce_order_async.wire.models.shipping import (
    Addon,
    DeliveryDetails,
    PickupLocation,
    PickupLocationAddress,
    Product,
    Shipping,
    ShippingState,
)

__all__ = [
    "NOT_SET",
    "Addon",
    "Address",
    "BaseError",
    "Callback",
    "Cart",
    "Consent",
    "CreateResponse",
    "Customer",
    "CustomerType",
    "DeliveryDetails",
    "Discount",
    "DiscountType",
    "Hook",
    "Item",
    "Logistics",
    "Model",
    "Notification",
    "Order",
    "OrderListOrderBy",
    "OrderListOrderByDirection",
    "OrderPaginationSet",
    "OrderStatus",
    "OrderVersion",
    "Pagination",
    "Payment",
    "PaymentAction",
    "PaymentEvent",
    "PaymentState",
    "PaymentTransaction",
    "PaymentType",
    "PickupLocation",
    "PickupLocationAddress",
    "Price",
    "Product",
    "ProductType",
    "Recurring",
    "Shipping",
    "ShippingState",
    "State",
    "Transition",
    "Upsell",
    "UpsellState",
    "UpsellTransaction",
    "ValidationError",
]  # fmt: skip
