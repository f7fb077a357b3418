"""What the package exports, for type checkers; ``__init__.py`` loads each name when it is first used."""

from norce_order_async import (
    batch as batch, middleware as middleware, models as models, operations as operations, receiving as receiving,
    testing as testing, transport as transport,
)
from norce_order_async.auth.client_credentials import ClientCredentials as ClientCredentials
from norce_order_async.auth.file import TokenFile as TokenFile
from norce_order_async.auth.pair import TokenPair as TokenPair
from norce_order_async.client import OrderClient as OrderClient
from norce_order_async.core.budget import RetryBudget as RetryBudget
from norce_order_async.core.errors import (
    AuthenticationError as AuthenticationError, BadRequestError as BadRequestError, CallError as CallError,
    ClientClosedError as ClientClosedError, ClientStateError as ClientStateError,
    ConfigurationError as ConfigurationError, ConflictError as ConflictError, ConnectError as ConnectError,
    ConnectTimeout as ConnectTimeout, ConnectionLost as ConnectionLost, DeadlineExceeded as DeadlineExceeded,
    DecodeError as DecodeError, InvalidRequestError as InvalidRequestError, NorceOrderError as NorceOrderError,
    NotFoundError as NotFoundError, NotTheApiError as NotTheApiError, PermissionDeniedError as PermissionDeniedError,
    PoolTimeout as PoolTimeout, ProxyError as ProxyError, RateLimitedError as RateLimitedError,
    ReadTimeout as ReadTimeout, ServerError as ServerError, StatusError as StatusError, TLSError as TLSError,
    TokenError as TokenError, TransportError as TransportError, UnexpectedStatusError as UnexpectedStatusError,
)
from norce_order_async.core.options import CallOptions as CallOptions
from norce_order_async.core.outcome import Attempt as Attempt, OutcomeKind as OutcomeKind
from norce_order_async.core.settings import (
    Environment as Environment, Timeout as Timeout, UNSET as UNSET, Unset as Unset,
)
from norce_order_async.core.stats import ShopStats as ShopStats, Stats as Stats
from norce_order_async.core.token_source import TokenSource as TokenSource
from norce_order_async.core.version import __version__ as __version__
from norce_order_async.endpoints.attributes import patch_attributes as patch_attributes
from norce_order_async.endpoints.cart import update_cart as update_cart
from norce_order_async.endpoints.consents import (
    create_consent as create_consent, delete_consent as delete_consent, patch_consent as patch_consent,
    patch_consents as patch_consents,
)
from norce_order_async.endpoints.customers import (
    update_billing_address as update_billing_address, update_shipping_address as update_shipping_address,
)
from norce_order_async.endpoints.editing import (
    Edited as Edited, edit_billing_address as edit_billing_address, edit_cart as edit_cart,
    edit_payment as edit_payment, edit_shipping as edit_shipping, edit_shipping_address as edit_shipping_address,
)
from norce_order_async.endpoints.ensure import (
    ensure_hook as ensure_hook, ensure_notification as ensure_notification, ensure_validation as ensure_validation,
)
from norce_order_async.endpoints.filters import OrderFilters as OrderFilters
from norce_order_async.endpoints.hooks import create_hook as create_hook, delete_hook as delete_hook
from norce_order_async.endpoints.notifications import (
    create_notification as create_notification, delete_notification as delete_notification,
)
from norce_order_async.endpoints.orders import (
    create_order as create_order, delete_order as delete_order, get_order as get_order, list_orders as list_orders,
)
from norce_order_async.endpoints.pages import PagingError as PagingError
from norce_order_async.endpoints.paging import OrderIterator as OrderIterator, iter_orders as iter_orders
from norce_order_async.endpoints.payments import (
    create_payment as create_payment, get_payment as get_payment, list_payments as list_payments,
    update_payment as update_payment,
)
from norce_order_async.endpoints.references import update_reference as update_reference
from norce_order_async.endpoints.resolution import Resolution as Resolution, Verdict as Verdict
from norce_order_async.endpoints.resolve import resolve as resolve
from norce_order_async.endpoints.shippings import (
    create_shipping as create_shipping, get_shipping as get_shipping, list_shippings as list_shippings,
    update_shipping as update_shipping,
)
from norce_order_async.endpoints.state import update_state as update_state
from norce_order_async.endpoints.transactions import (
    add_payment_actions as add_payment_actions, add_transaction as add_transaction,
    execute_payment_action as execute_payment_action, list_transactions as list_transactions,
)
from norce_order_async.endpoints.validations import (
    create_validation as create_validation, delete_validation as delete_validation,
    update_validation as update_validation, validate as validate,
)
from norce_order_async.endpoints.waiting import WaitTimeout as WaitTimeout, wait_until as wait_until
from norce_order_async.middleware.policy import (
    BackOff as BackOff, RetryPolicy as RetryPolicy, retry_if_transient as retry_if_transient,
)
from norce_order_async.middleware.tracing import Tracing as Tracing
from norce_order_async.telemetry.telemetry import Telemetry as Telemetry
from norce_order_async.transport.aiohttp import AiohttpTransport as AiohttpTransport
from norce_order_async.transport.httptools import HttptoolsTransport as HttptoolsTransport
from norce_order_async.web import problem_details as problem_details
from norce_order_async.wire.decoders import Receipt as Receipt
from norce_order_async.wire.problems import ValidationFailedError as ValidationFailedError
