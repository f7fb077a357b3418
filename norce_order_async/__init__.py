"""An async SDK for the Norce Checkout Order Management API (v0, build 2026-01-12).

Everything public is exported here and loaded when it is first used, so that importing the package costs little. The
sandbox and other help for tests are in :mod:`norce_order_async.testing`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from norce_order_async.answers import Receipt, json_as, receipt
    from norce_order_async.batch.changes import Change, DeleteConsent, PatchAttributes, PatchConsent
    from norce_order_async.batch.engine.accounting import Progress
    from norce_order_async.batch.engine.settings import BatchArguments, BatchSettings
    from norce_order_async.batch.files import Entry, read_changes
    from norce_order_async.batch.html import write_html
    from norce_order_async.batch.inputs import Input, InputFile
    from norce_order_async.batch.journal import Journal, JournalReader, Run, Sample
    from norce_order_async.batch.outcomes import Outcome
    from norce_order_async.batch.report import Problem, Row, Summary, save_report, write_report
    from norce_order_async.batch.run import Batch, run_batch
    from norce_order_async.call import AttemptHook, Call, CallHook, Repeat
    from norce_order_async.client import OrderClient
    from norce_order_async.clock import Clock, SystemClock
    from norce_order_async.config import UNSET, CallOptions, Environment, Timeout, Unset
    from norce_order_async.endpoints.attributes import patch_attributes
    from norce_order_async.endpoints.consents import create_consent, delete_consent, patch_consent
    from norce_order_async.endpoints.orders import create_order, get_order
    from norce_order_async.errors import (
        AuthenticationError,
        AuthError,
        BadRequestError,
        CallError,
        ClientClosedError,
        ClientStateError,
        ConfigurationError,
        ConflictError,
        ConnectError,
        ConnectionLost,
        ConnectTimeout,
        DeadlineExceeded,
        DecodeError,
        InvalidRequestError,
        NorceOrderError,
        NotFoundError,
        NotTheApiError,
        PermissionDeniedError,
        PoolTimeout,
        ProxyError,
        RateLimitedError,
        ReadTimeout,
        ServerError,
        StatusError,
        TLSError,
        TransportError,
        UnexpectedStatusError,
    )
    from norce_order_async.http import Request, Response
    from norce_order_async.middleware import Handler, Middleware
    from norce_order_async.middleware.auth import TokenSource
    from norce_order_async.middleware.budget import RetryBudget
    from norce_order_async.middleware.tracing import Tracing
    from norce_order_async.models import (
        NOT_SET,
        Addon,
        Address,
        BaseError,
        Callback,
        Cart,
        Consent,
        CreateResponse,
        Customer,
        CustomerType,
        DeliveryDetails,
        Discount,
        DiscountType,
        Hook,
        Item,
        Logistics,
        Model,
        Notification,
        Order,
        OrderListOrderBy,
        OrderListOrderByDirection,
        OrderPaginationSet,
        OrderStatus,
        OrderVersion,
        Pagination,
        Payment,
        PaymentAction,
        PaymentEvent,
        PaymentState,
        PaymentTransaction,
        PaymentType,
        PickupLocation,
        PickupLocationAddress,
        Price,
        Product,
        ProductType,
        Recurring,
        Shipping,
        ShippingState,
        State,
        Transition,
        Upsell,
        UpsellState,
        UpsellTransaction,
        ValidationError,
    )
    from norce_order_async.operations import Operation, QueryValue
    from norce_order_async.outcome import Attempt, OutcomeKind
    from norce_order_async.policy import BackOff, RetryPolicy, passing_failure
    from norce_order_async.stats import Stats
    from norce_order_async.tokens import ClientCredentials, TokenPair
    from norce_order_async.transport import Transport
    from norce_order_async.transport.aiohttp import AiohttpTransport
    from norce_order_async.transport.httptools import HttptoolsTransport
    from norce_order_async.wire import JSON

__version__ = "0.1.0"

__all__ = [
    "JSON",
    "NOT_SET",
    "UNSET",
    "Addon",
    "Address",
    "AiohttpTransport",
    "Attempt",
    "AttemptHook",
    "AuthError",
    "AuthenticationError",
    "BackOff",
    "BadRequestError",
    "BaseError",
    "Batch",
    "BatchArguments",
    "BatchSettings",
    "Call",
    "CallError",
    "CallHook",
    "CallOptions",
    "Callback",
    "Cart",
    "Change",
    "ClientClosedError",
    "ClientCredentials",
    "ClientStateError",
    "Clock",
    "ConfigurationError",
    "ConflictError",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionLost",
    "Consent",
    "CreateResponse",
    "Customer",
    "CustomerType",
    "DeadlineExceeded",
    "DecodeError",
    "DeleteConsent",
    "DeliveryDetails",
    "Discount",
    "DiscountType",
    "Entry",
    "Environment",
    "Handler",
    "Hook",
    "HttptoolsTransport",
    "Input",
    "InputFile",
    "InvalidRequestError",
    "Item",
    "Journal",
    "JournalReader",
    "Logistics",
    "Middleware",
    "Model",
    "NorceOrderError",
    "NotFoundError",
    "NotTheApiError",
    "Notification",
    "Operation",
    "Order",
    "OrderClient",
    "OrderListOrderBy",
    "OrderListOrderByDirection",
    "OrderPaginationSet",
    "OrderStatus",
    "OrderVersion",
    "Outcome",
    "OutcomeKind",
    "Pagination",
    "PatchAttributes",
    "PatchConsent",
    "Payment",
    "PaymentAction",
    "PaymentEvent",
    "PaymentState",
    "PaymentTransaction",
    "PaymentType",
    "PermissionDeniedError",
    "PickupLocation",
    "PickupLocationAddress",
    "PoolTimeout",
    "Price",
    "Problem",
    "Product",
    "ProductType",
    "Progress",
    "ProxyError",
    "QueryValue",
    "RateLimitedError",
    "ReadTimeout",
    "Receipt",
    "Recurring",
    "Repeat",
    "Request",
    "Response",
    "RetryBudget",
    "RetryPolicy",
    "Row",
    "Run",
    "Sample",
    "ServerError",
    "Shipping",
    "ShippingState",
    "State",
    "Stats",
    "StatusError",
    "Summary",
    "SystemClock",
    "TLSError",
    "Timeout",
    "TokenPair",
    "TokenSource",
    "Tracing",
    "Transition",
    "Transport",
    "TransportError",
    "UnexpectedStatusError",
    "Unset",
    "Upsell",
    "UpsellState",
    "UpsellTransaction",
    "ValidationError",
    "create_consent",
    "create_order",
    "delete_consent",
    "get_order",
    "json_as",
    "passing_failure",
    "patch_attributes",
    "patch_consent",
    "read_changes",
    "receipt",
    "run_batch",
    "save_report",
    "write_html",
    "write_report",
]

_EXPORTS = {
    "answers": "Receipt json_as receipt",
    "batch.changes": "Change DeleteConsent PatchAttributes PatchConsent",
    "batch.engine.accounting": "Progress",
    "batch.engine.settings": "BatchArguments BatchSettings",
    "batch.files": "Entry read_changes",
    "batch.html": "write_html",
    "batch.inputs": "Input InputFile",
    "batch.journal": "Journal JournalReader Run Sample",
    "batch.outcomes": "Outcome",
    "batch.report": "Problem Row Summary save_report write_report",
    "batch.run": "Batch run_batch",
    "call": "AttemptHook Call CallHook Repeat",
    "client": "OrderClient",
    "clock": "Clock SystemClock",
    "config": "CallOptions Environment Timeout UNSET Unset",
    "endpoints.attributes": "patch_attributes",
    "endpoints.consents": "create_consent delete_consent patch_consent",
    "endpoints.orders": "create_order get_order",
    "errors": """
        AuthError AuthenticationError BadRequestError CallError ClientClosedError ClientStateError
        ConfigurationError ConflictError ConnectError ConnectTimeout ConnectionLost DeadlineExceeded DecodeError
        InvalidRequestError NorceOrderError NotFoundError NotTheApiError PermissionDeniedError PoolTimeout ProxyError
        RateLimitedError ReadTimeout ServerError StatusError TLSError TransportError UnexpectedStatusError
    """,
    "http": "Request Response",
    "middleware": "Handler Middleware",
    "middleware.auth": "TokenSource",
    "middleware.budget": "RetryBudget",
    "middleware.tracing": "Tracing",
    "models": """
        Addon Address BaseError Callback Cart Consent CreateResponse Customer CustomerType DeliveryDetails
        Discount DiscountType Hook Item Logistics Model NOT_SET Notification Order OrderListOrderBy
        OrderListOrderByDirection OrderPaginationSet OrderStatus OrderVersion Pagination Payment PaymentAction
        PaymentEvent PaymentState PaymentTransaction PaymentType PickupLocation PickupLocationAddress Price
        Product ProductType Recurring Shipping ShippingState State Transition Upsell UpsellState
        UpsellTransaction ValidationError
    """,
    "operations": "Operation QueryValue",
    "outcome": "Attempt OutcomeKind",
    "policy": "BackOff RetryPolicy passing_failure",
    "stats": "Stats",
    "tokens": "ClientCredentials TokenPair",
    "transport": "Transport",
    "transport.aiohttp": "AiohttpTransport",
    "transport.httptools": "HttptoolsTransport",
    "wire": "JSON",
}
_HOMES = {name: f"{__name__}.{module}" for module, names in _EXPORTS.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
