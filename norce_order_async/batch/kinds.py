"""Every other change of the API as a value: one class an operation, its members those of the endpoint function."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import Any, ClassVar, get_args, get_origin

import attrs

from norce_order_async.batch.changes import Change, members_of
from norce_order_async.client import OrderClient
from norce_order_async.core.call import Call, CallHook, Repeat
from norce_order_async.core.checks import check_id
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.core.options import CallOptions, options_of
from norce_order_async.endpoints.consents import check_consents
from norce_order_async.endpoints.functions import function_of
from norce_order_async.wire import arguments
from norce_order_async.wire.bodies import check_model, check_models
from norce_order_async.wire.decoders import Receipt, receipt_of
from norce_order_async.wire.json import JSON
from norce_order_async.wire.models import (
    Address,
    Callback,
    Cart,
    Consent,
    Hook,
    Model,
    Notification,
    Order,
    OrderStatus,
    Payment,
    PaymentAction,
    PaymentTransaction,
    Shipping,
)
from norce_order_async.wire.table import ROWS, Row

_SCOPE = frozenset({"merchant", "channel"})


def _a_text(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    """An attrs validator: text that can be sent."""
    arguments.text(attribute.name, value)


def _own_checked(value: Mapping[str, bool]) -> Mapping[str, bool]:
    """An attrs converter: a copy, as of attributes."""
    return check_consents(value)


def _own_actions(value: Sequence[PaymentAction]) -> Sequence[PaymentAction]:
    """An attrs converter: a list as a tuple, as a model keeps it."""
    return tuple(value) if isinstance(value, list) else value


@attrs.frozen
class TableChange(Change):
    """A change that is made by the endpoint function of a row of the table.

    Raises:
        TypeError: A member of the wrong type.
        InvalidRequestError: An id that would name another resource.
    """

    row: ClassVar[Row]
    area: ClassVar[str | None] = None
    """The resource, where it is more than what the path names."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        assert cls.operation is not None
        cls.row = row = ROWS[cls.operation]
        cls.op = row.function.partition(".")[2]
        cls.not_twice = None if row.repeat == Repeat.SAFE else row.twice

    def __attrs_post_init__(self) -> None:
        for name in self.row.ids[1:]:
            object.__setattr__(self, name, check_id(name, getattr(self, name)))
        for name, (model, is_list) in models_of(type(self)).items():
            (check_models if is_list else check_model)(name, getattr(self, name), model)

    @property
    def resource(self) -> str:
        """What its path names in the order."""
        inside = self.row.path.partition("{order_id}/")[2] if self.area is None else self.area
        return inside.format(**{name: getattr(self, name) for name in self.row.ids})

    async def apply(self, client: OrderClient, options: CallOptions | None = None) -> Receipt:
        """Make the change; what its answer holds beyond a yes is left."""
        given = {name: getattr(self, name) for name in members_of(type(self)) if name not in _SCOPE}
        calls: list[Call] = []
        if self.row.result is not None:
            options = options_of(options)
            options = attrs.evolve(options, on_call=_noting(calls, options.on_call))
        result = await function_of(self.row.function)(client, **given, options=options)
        if isinstance(result, Receipt):
            return result
        return receipt_of(calls[-1], calls[-1].attempts[-1].status or 0)

    def record(self) -> dict[str, JSON]:
        """The change as a line of a batch file; a model that cannot be written stays one, as it is never sent."""
        record = super().record()
        if models := models_of(type(self)).keys() & record.keys():
            from norce_order_async.wire.json_text import to_dict  # heavy, so only where there is a model

            for name in models:
                with suppress(InvalidRequestError):
                    record[name] = to_dict(record[name])
        return record


def _noting(calls: list[Call], hook: CallHook | None) -> CallHook:
    def note(call: Call, error: BaseException | None) -> None:
        calls.append(call)
        if hook is not None:
            hook(call, error)

    return note


@cache
def models_of(kind: type[Change]) -> Mapping[str, tuple[type[Model], bool]]:
    """The members that are models, each with its class and whether it is a list of them."""
    models: dict[str, tuple[type[Model], bool]] = {}
    for field in attrs.fields(kind):
        is_list = get_origin(field.type) is Sequence
        model = get_args(field.type)[0] if is_list else field.type
        if isinstance(model, type) and issubclass(model, Model):
            models[field.name] = model, is_list
    return models


@attrs.frozen
class CreateOrder(TableChange):
    """Create an order; see :func:`create_order`."""

    operation = "CreateCheckoutOrder"
    order_id: str = attrs.field(default="", init=False)
    order: Order

    @property
    def resource(self) -> str:
        """The cart's reference, the only mark of an order that has no id yet."""
        cart: object = self.order.cart
        reference: object = cart.reference if isinstance(cart, Cart) else None
        return f"orders/{reference.replace('/', '_')}" if isinstance(reference, str) else ""


@attrs.frozen
class DeleteOrder(TableChange):
    """Remove an order; see :func:`delete_order`."""

    operation = "DeleteCheckoutOrder"


@attrs.frozen
class UpdateState(TableChange):
    """Move an order to another state; see :func:`update_state`.

    It is about the whole order, because what an order takes depends on its state.
    """

    operation = "UpdateCheckoutOrderState"
    area = ""
    status: OrderStatus | str = attrs.field(validator=_a_text)


@attrs.frozen
class UpdateCart(TableChange):
    """Replace the cart of an order; see :func:`update_cart`."""

    operation = "UpdateCheckoutOrderCart"
    cart: Cart


@attrs.frozen
class UpdateBillingAddress(TableChange):
    """Replace the billing address of an order; see :func:`update_billing_address`."""

    operation = "UpdateCheckoutOrderCustomerBilling"
    address: Address


@attrs.frozen
class UpdateShippingAddress(TableChange):
    """Replace the shipping address of an order; see :func:`update_shipping_address`."""

    operation = "UpdateCheckoutOrderCustomerShipping"
    address: Address


@attrs.frozen
class UpdateReference(TableChange):
    """Set the id that an order has elsewhere; see :func:`update_reference`."""

    operation = "UpdateCheckoutOrderReference"
    reference: str = attrs.field(validator=_a_text)


@attrs.frozen
class CreateConsent(TableChange):
    """Add a consent to an order; see :func:`create_consent`."""

    operation = "CreateCheckoutOrderConsent"
    consent: Consent


@attrs.frozen
class PatchConsents(TableChange):
    """Set whether several consents are given; see :func:`patch_consents`."""

    operation = "PatchCheckoutOrderConsents"
    checked: Mapping[str, bool] = attrs.field(converter=_own_checked)


@attrs.frozen
class CreateValidation(TableChange):
    """Register a callback that validates an order; see :func:`create_validation`."""

    operation = "CreateCheckoutOrderValidation"
    callback: Callback


@attrs.frozen
class UpdateValidation(TableChange):
    """Replace a callback that validates an order; see :func:`update_validation`."""

    operation = "UpdateCheckoutOrderValidation"
    validation_id: str
    callback: Callback


@attrs.frozen
class DeleteValidation(TableChange):
    """Take a callback off an order; see :func:`delete_validation`."""

    operation = "RemoveCheckoutOrderValidation"
    validation_id: str


@attrs.frozen
class CreateHook(TableChange):
    """Register a hook; see :func:`create_hook`."""

    operation = "CreateCheckoutOrderHook"
    hook: Hook


@attrs.frozen
class DeleteHook(TableChange):
    """Take a hook off an order; see :func:`delete_hook`."""

    operation = "DeleteCheckoutOrderHook"
    hook_id: str


@attrs.frozen
class CreateNotification(TableChange):
    """Register a notification; see :func:`create_notification`."""

    operation = "CreateCheckoutOrderNotification"
    notification: Notification


@attrs.frozen
class DeleteNotification(TableChange):
    """Take a notification off an order; see :func:`delete_notification`."""

    operation = "DeleteCheckoutOrderNotification"
    notification_id: str


@attrs.frozen
class CreatePayment(TableChange):
    """Add a payment to an order; see :func:`create_payment`."""

    operation = "CreateOrderPayment"
    payment: Payment


@attrs.frozen
class UpdatePayment(TableChange):
    """Replace a payment; see :func:`update_payment`."""

    operation = "UpdateOrderPayment"
    payment_id: str
    payment: Payment


@attrs.frozen
class AddPaymentActions(TableChange):
    """Append actions to a payment; see :func:`add_payment_actions`."""

    operation = "AddPaymentAction"
    payment_id: str
    actions: Sequence[PaymentAction] = attrs.field(converter=_own_actions)


@attrs.frozen
class ExecutePaymentAction(TableChange):
    """Run an action of a payment, which it moves; see :func:`execute_payment_action`."""

    operation = "ExecutePaymentAction"
    area = "payments/{payment_id}"
    payment_id: str
    action_id: str


@attrs.frozen
class AddTransaction(TableChange):
    """Post a transaction for a payment; see :func:`add_transaction`."""

    operation = "AddTransactionForOrderPayment"
    payment_id: str
    transaction: PaymentTransaction


@attrs.frozen
class CreateShipping(TableChange):
    """Add a shipping to an order; see :func:`create_shipping`."""

    operation = "CreateOrderShipping"
    shipping: Shipping


@attrs.frozen
class UpdateShipping(TableChange):
    """Replace a shipping; see :func:`update_shipping`."""

    operation = "UpdateOrderShipping"
    shipping_id: str
    shipping: Shipping
