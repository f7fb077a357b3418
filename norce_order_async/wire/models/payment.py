"""Payments, their actions and transactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import attrs

from norce_order_async.wire.json import JSON
from norce_order_async.wire.models.base import NOT_SET, Model, lists_as_tuples


@attrs.frozen(kw_only=True, repr=False, field_transformer=lists_as_tuples)
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
    error_detail: str | None = attrs.field(default=None, repr=False)
    psp_status: str | None = None
    request_json: str | None = attrs.field(default=None, repr=False)
    response_json: str | None = attrs.field(default=None, repr=False)
    created: datetime | None = None
    payment_action: PaymentAction | None = None


@attrs.frozen(kw_only=True, repr=False)
class Recurring(Model):
    """Schema ``Recurring``: what repeated purchases need; its ``token`` is not in the repr."""

    token: str | None = attrs.field(default=None, repr=False)
    description: str | None = None
    attributes: Mapping[str, JSON] | None = None


@attrs.frozen(kw_only=True, repr=False, field_transformer=lists_as_tuples)
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
