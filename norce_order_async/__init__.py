"""An async SDK for the Norce Checkout Order Management API (v0, build 2026-01-12).

Here is what one call needs, and each name is loaded when it is first used, so that importing the package costs little.
The rest has modules of its own:

- :mod:`norce_order_async.models`: what the API sends and takes.
- :mod:`norce_order_async.batch`: many changes at once.
- :mod:`norce_order_async.receiving`: what the API calls at yours.
- :mod:`norce_order_async.testing`: the sandbox, and other help for tests.
- :mod:`norce_order_async.middleware`, :mod:`norce_order_async.transport` and :mod:`norce_order_async.operations`: for
  middlewares, transports and operations of your own.

Type checkers read ``__init__.pyi``.
"""

from norce_order_async.core.lazy_names import LazyNames
from norce_order_async.core.version import __version__ as __version__

_NAMES = LazyNames(
    __name__,
    {
        "auth.client_credentials": "ClientCredentials",
        "auth.file": "TokenFile",
        "auth.pair": "TokenPair",
        "client": "OrderClient",
        "core.budget": "RetryBudget",
        "core.errors": (
            "AuthenticationError BadRequestError CallError ClientClosedError ClientStateError ConfigurationError "
            "ConflictError ConnectError ConnectTimeout ConnectionLost DeadlineExceeded DecodeError "
            "InvalidRequestError NorceOrderError NotFoundError NotTheApiError PermissionDeniedError PoolTimeout "
            "ProxyError RateLimitedError ReadTimeout ServerError StatusError TLSError TokenError TransportError "
            "UnexpectedStatusError"
        ),
        "core.options": "CallOptions",
        "core.outcome": "Attempt OutcomeKind",
        "core.settings": "Environment Timeout UNSET Unset",
        "core.stats": "ShopStats Stats",
        "core.token_source": "TokenSource",
        "endpoints.attributes": "patch_attributes",
        "endpoints.cart": "update_cart",
        "endpoints.consents": "create_consent delete_consent patch_consent patch_consents",
        "endpoints.customers": "update_billing_address update_shipping_address",
        "endpoints.editing": "Edited edit_billing_address edit_cart edit_payment edit_shipping edit_shipping_address",
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
        "middleware.policy": "BackOff RetryPolicy retry_if_transient",
        "middleware.tracing": "Tracing",
        "telemetry.telemetry": "Telemetry",
        "transport.aiohttp": "AiohttpTransport",
        "transport.httptools": "HttptoolsTransport",
        "web": "problem_details",
        "wire.decoders": "Receipt",
        "wire.problems": "ValidationFailedError",
    },
    modules="batch middleware models operations receiving testing transport",
)
__all__ = _NAMES.names  # pyright: ignore[reportUnsupportedDunderAll]
__getattr__, __dir__ = _NAMES.load, _NAMES.listed
