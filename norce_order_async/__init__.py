"""An async SDK for the Norce Checkout Order Management API (v0, build 2026-01-12).

Everything public is exported here and loaded when it is first used, so that importing the package costs little. The
sandbox and other help for tests are in :mod:`norce_order_async.testing`. Type checkers read ``__init__.pyi``.
"""

from norce_order_async.core.version import __version__ as __version__

_EXPORTS = {
    "auth.client_credentials": "ClientCredentials",
    "auth.file": "TokenFile",
    "auth.pair": "TokenPair",
    "core.token_source": "TokenSource",
    "batch.changes": "Change DeleteConsent PatchAttributes PatchConsent",
    "batch.engine.accounting": "Progress",
    "batch.engine.settings": "BatchArguments BatchSettings",
    "batch.files": "Entry Layout read_changes",
    "batch.kinds": (
        "AddPaymentActions AddTransaction CreateConsent CreateHook CreateNotification CreateOrder "
        "CreatePayment CreateShipping CreateValidation DeleteHook DeleteNotification DeleteOrder "
        "DeleteValidation ExecutePaymentAction PatchConsents UpdateBillingAddress UpdateCart UpdatePayment "
        "UpdateReference UpdateShipping UpdateShippingAddress UpdateState UpdateValidation"
    ),
    "batch.page.page": "write_html",
    "batch.inputs": "Input InputFile",
    "batch.journal": "Journal JournalReader Run Sample",
    "batch.outcomes": "Outcome",
    "batch.report": "Problem Row Summary save_report write_report",
    "batch.resolving": "Resolver",
    "batch.run": "Batch run_batch",
    "batch.undo.files": "UndoSummary save_undo",
    "client": "OrderClient",
    "core.budget": "RetryBudget",
    "core.call": "AttemptHook Call CallHook Repeat",
    "core.clock": "Clock SystemClock",
    "core.errors": (
        "AuthError AuthenticationError BadRequestError CallError ClientClosedError ClientStateError "
        "ConfigurationError ConflictError ConnectError ConnectTimeout ConnectionLost DeadlineExceeded "
        "DecodeError InvalidRequestError NorceOrderError NotFoundError NotTheApiError PermissionDeniedError "
        "PoolTimeout ProxyError RateLimitedError ReadTimeout ServerError StatusError TLSError TransportError "
        "UnexpectedStatusError"
    ),
    "core.http": "RawResponse Request Response",
    "core.observer": "CallObserver",
    "core.options": "CallOptions",
    "core.outcome": "Attempt OutcomeKind",
    "core.random_source": "RandomSource",
    "core.settings": "Environment Timeout UNSET Unset",
    "core.stats": "ShopStats Stats",
    "endpoints.attributes": "patch_attributes",
    "endpoints.cart": "update_cart",
    "endpoints.consents": "create_consent delete_consent patch_consent patch_consents",
    "endpoints.customers": "update_billing_address update_shipping_address",
    "endpoints.editing": ("Edited edit_billing_address edit_cart edit_payment edit_shipping edit_shipping_address"),
    "endpoints.ensure": "ensure_hook ensure_notification ensure_validation",
    "endpoints.filters": "OrderFilters",
    "endpoints.hooks": "create_hook delete_hook",
    "endpoints.notifications": "create_notification delete_notification",
    "endpoints.orders": "create_order delete_order get_order list_orders",
    "endpoints.pages": "PagingError",
    "endpoints.paging": "OrderIterator iter_orders",
    "endpoints.payments": "create_payment get_payment list_payments update_payment",
    "endpoints.references": "update_reference",
    "endpoints.resolution": "Resolution Verdict",
    "endpoints.resolve": "resolve",
    "endpoints.shippings": "create_shipping get_shipping list_shippings update_shipping",
    "endpoints.state": "update_state",
    "endpoints.transactions": "add_payment_actions add_transaction execute_payment_action list_transactions",
    "endpoints.validations": "create_validation delete_validation update_validation validate",
    "endpoints.waiting": "WaitTimeout wait_until",
    "middleware": "Handler Middleware",
    "middleware.policy": "BackOff RetryPolicy passing_failure",
    "middleware.tracing": "Tracing",
    "telemetry.telemetry": "Telemetry",
    "transport": "Transport",
    "transport.aiohttp": "AiohttpTransport",
    "transport.httptools": "HttptoolsTransport",
    "web": "problem_details",
    "wire.catalog": "OPERATIONS",
    "wire.decoders": "Receipt json_as receipt",
    "wire.json": "JSON",
    "wire.json_text": "from_dict from_json to_dict to_json",
    "wire.models": (
        "Addon Address BaseError Callback Cart Consent CreateResponse Customer CustomerType DeliveryDetails "
        "Discount DiscountType Hook Item Logistics Model NOT_SET Notification Order OrderListOrderBy "
        "OrderListOrderByDirection OrderPaginationSet OrderStatus OrderVersion Pagination Payment "
        "PaymentAction PaymentEvent PaymentState PaymentTransaction PaymentType PickupLocation "
        "PickupLocationAddress Price Product ProductType Recurring Shipping ShippingState State Transition "
        "Upsell UpsellState UpsellTransaction ValidationError"
    ),
    "wire.operation": "Operation QueryValue",
    "wire.problems": "ValidationFailedError",
    "wire.table": "Evidence",
}
_HOMES = {name: f"{__name__}.{module}" for module, names in _EXPORTS.items() for name in names.split()}

__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
