"""What the package exports, for type checkers; ``__init__.py`` loads each name when it is first used."""

from norce_order_async.auth.client_credentials import ClientCredentials as ClientCredentials
from norce_order_async.auth.file import TokenFile as TokenFile
from norce_order_async.auth.pair import TokenPair as TokenPair
from norce_order_async.core.token_source import TokenSource as TokenSource
from norce_order_async.batch.changes import (
    Change as Change, DeleteConsent as DeleteConsent, PatchAttributes as PatchAttributes,
    PatchConsent as PatchConsent,
)
from norce_order_async.batch.engine.accounting import Progress as Progress
from norce_order_async.batch.engine.settings import BatchArguments as BatchArguments, BatchSettings as BatchSettings
from norce_order_async.batch.files import Entry as Entry, Layout as Layout, read_changes as read_changes
from norce_order_async.batch.inputs import Input as Input, InputFile as InputFile
from norce_order_async.batch.journal import (
    Journal as Journal, JournalReader as JournalReader, Run as Run, Sample as Sample,
)
from norce_order_async.batch.kinds import (
    AddPaymentActions as AddPaymentActions, AddTransaction as AddTransaction, CreateConsent as CreateConsent,
    CreateHook as CreateHook, CreateNotification as CreateNotification, CreateOrder as CreateOrder, CreatePayment as
    CreatePayment, CreateShipping as CreateShipping, CreateValidation as CreateValidation, DeleteHook as DeleteHook,
    DeleteNotification as DeleteNotification, DeleteOrder as DeleteOrder, DeleteValidation as DeleteValidation,
    ExecutePaymentAction as ExecutePaymentAction, PatchConsents as PatchConsents, UpdateBillingAddress as
    UpdateBillingAddress, UpdateCart as UpdateCart, UpdatePayment as UpdatePayment, UpdateReference as
    UpdateReference, UpdateShipping as UpdateShipping, UpdateShippingAddress as UpdateShippingAddress, UpdateState
    as UpdateState, UpdateValidation as UpdateValidation,
)
from norce_order_async.batch.outcomes import Outcome as Outcome
from norce_order_async.batch.page.page import write_html as write_html
from norce_order_async.batch.report import (
    Problem as Problem, Row as Row, Summary as Summary, save_report as save_report, write_report as write_report,
)
from norce_order_async.batch.resolving import Resolver as Resolver
from norce_order_async.batch.run import Batch as Batch, run_batch as run_batch
from norce_order_async.batch.undo.files import UndoSummary as UndoSummary, save_undo as save_undo
from norce_order_async.client import OrderClient as OrderClient
from norce_order_async.core.call import AttemptHook as AttemptHook, Call as Call, CallHook as CallHook, Repeat as Repeat
from norce_order_async.core.clock import Clock as Clock, SystemClock as SystemClock
from norce_order_async.core.errors import (
    AuthError as AuthError, AuthenticationError as AuthenticationError, BadRequestError as BadRequestError,
    CallError as CallError, ClientClosedError as ClientClosedError, ClientStateError as ClientStateError,
    ConfigurationError as ConfigurationError, ConflictError as ConflictError, ConnectError as ConnectError,
    ConnectTimeout as ConnectTimeout, ConnectionLost as ConnectionLost, DeadlineExceeded as DeadlineExceeded,
    DecodeError as DecodeError, InvalidRequestError as InvalidRequestError, NorceOrderError as NorceOrderError,
    NotFoundError as NotFoundError, NotTheApiError as NotTheApiError,
    PermissionDeniedError as PermissionDeniedError, PoolTimeout as PoolTimeout, ProxyError as ProxyError,
    RateLimitedError as RateLimitedError, ReadTimeout as ReadTimeout, ServerError as ServerError,
    StatusError as StatusError, TLSError as TLSError, TransportError as TransportError,
    UnexpectedStatusError as UnexpectedStatusError,
)
from norce_order_async.core.http import RawResponse as RawResponse, Request as Request, Response as Response
from norce_order_async.core.observer import CallObserver as CallObserver
from norce_order_async.core.options import CallOptions as CallOptions
from norce_order_async.core.outcome import Attempt as Attempt, OutcomeKind as OutcomeKind
from norce_order_async.core.random_source import RandomSource as RandomSource
from norce_order_async.core.settings import (
    Environment as Environment, Timeout as Timeout, UNSET as UNSET, Unset as Unset,
)
from norce_order_async.core.stats import ShopStats as ShopStats
from norce_order_async.core.stats import Stats as Stats
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
    ensure_hook as ensure_hook,
    ensure_notification as ensure_notification,
    ensure_validation as ensure_validation,
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
from norce_order_async.middleware import Handler as Handler, Middleware as Middleware
from norce_order_async.middleware.policy import (
    BackOff as BackOff, RetryPolicy as RetryPolicy, passing_failure as passing_failure,
)
from norce_order_async.middleware.tracing import Tracing as Tracing
from norce_order_async.core.budget import RetryBudget as RetryBudget
from norce_order_async.telemetry.telemetry import Telemetry as Telemetry
from norce_order_async.transport import Transport as Transport
from norce_order_async.transport.aiohttp import AiohttpTransport as AiohttpTransport
from norce_order_async.transport.httptools import HttptoolsTransport as HttptoolsTransport
from norce_order_async.web import problem_details as problem_details
from norce_order_async.wire.catalog import OPERATIONS as OPERATIONS
from norce_order_async.wire.decoders import Receipt as Receipt, json_as as json_as, receipt as receipt
from norce_order_async.wire.json import JSON as JSON
from norce_order_async.wire.json_text import (
    from_dict as from_dict, from_json as from_json, to_dict as to_dict, to_json as to_json,
)
from norce_order_async.wire.models import (
    Addon as Addon, Address as Address, BaseError as BaseError, Callback as Callback, Cart as Cart,
    Consent as Consent, CreateResponse as CreateResponse, Customer as Customer, CustomerType as CustomerType,
    DeliveryDetails as DeliveryDetails, Discount as Discount, DiscountType as DiscountType, Hook as Hook,
    Item as Item, Logistics as Logistics, Model as Model, NOT_SET as NOT_SET, Notification as Notification,
    Order as Order, OrderListOrderBy as OrderListOrderBy,
    OrderListOrderByDirection as OrderListOrderByDirection, OrderPaginationSet as OrderPaginationSet,
    OrderStatus as OrderStatus, OrderVersion as OrderVersion, Pagination as Pagination, Payment as Payment,
    PaymentAction as PaymentAction, PaymentEvent as PaymentEvent, PaymentState as PaymentState,
    PaymentTransaction as PaymentTransaction, PaymentType as PaymentType, PickupLocation as PickupLocation,
    PickupLocationAddress as PickupLocationAddress, Price as Price, Product as Product,
    ProductType as ProductType, Recurring as Recurring, Shipping as Shipping, ShippingState as ShippingState,
    State as State, Transition as Transition, Upsell as Upsell, UpsellState as UpsellState,
    UpsellTransaction as UpsellTransaction, ValidationError as ValidationError,
)
from norce_order_async.wire.operation import Operation as Operation, QueryValue as QueryValue
from norce_order_async.wire.problems import ValidationFailedError as ValidationFailedError
from norce_order_async.wire.table import Evidence as Evidence

__all__: list[str]
