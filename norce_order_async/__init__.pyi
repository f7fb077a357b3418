"""What the package exports, for type checkers; ``__init__.py`` loads each name when it is first used."""

# fmt: off
from norce_order_async.auth.client_credentials import ClientCredentials as ClientCredentials
from norce_order_async.auth.file import TokenFile as TokenFile
from norce_order_async.auth.pair import TokenPair as TokenPair
from norce_order_async.auth.source import TokenSource as TokenSource
from norce_order_async.batch.changes import (
    Change as Change,
)
from norce_order_async.batch.changes import (
    DeleteConsent as DeleteConsent,
)
from norce_order_async.batch.changes import (
    PatchAttributes as PatchAttributes,
)
from norce_order_async.batch.changes import (
    PatchConsent as PatchConsent,
)
from norce_order_async.batch.engine import Progress as Progress
from norce_order_async.batch.files import Entry as Entry
from norce_order_async.batch.files import read_changes as read_changes
from norce_order_async.batch.html import write_html as write_html
from norce_order_async.batch.inputs import Input as Input
from norce_order_async.batch.inputs import InputFile as InputFile
from norce_order_async.batch.journal import (
    Journal as Journal,
)
from norce_order_async.batch.journal import (
    JournalReader as JournalReader,
)
from norce_order_async.batch.journal import (
    Run as Run,
)
from norce_order_async.batch.journal import (
    Sample as Sample,
)
from norce_order_async.batch.outcomes import Outcome as Outcome
from norce_order_async.batch.report import (
    Problem as Problem,
)
from norce_order_async.batch.report import (
    Row as Row,
)
from norce_order_async.batch.report import (
    Summary as Summary,
)
from norce_order_async.batch.report import (
    save_report as save_report,
)
from norce_order_async.batch.report import (
    write_report as write_report,
)
from norce_order_async.batch.run import Batch as Batch
from norce_order_async.batch.run import run_batch as run_batch
from norce_order_async.client import OrderClient as OrderClient
from norce_order_async.core.call import AttemptHook as AttemptHook
from norce_order_async.core.call import Call as Call
from norce_order_async.core.call import CallHook as CallHook
from norce_order_async.core.call import Repeat as Repeat
from norce_order_async.core.clock import Clock as Clock
from norce_order_async.core.clock import SystemClock as SystemClock
from norce_order_async.core.errors import (
    AuthenticationError as AuthenticationError,
)
from norce_order_async.core.errors import (
    AuthError as AuthError,
)
from norce_order_async.core.errors import (
    BadRequestError as BadRequestError,
)
from norce_order_async.core.errors import (
    CallError as CallError,
)
from norce_order_async.core.errors import (
    ClientClosedError as ClientClosedError,
)
from norce_order_async.core.errors import (
    ClientStateError as ClientStateError,
)
from norce_order_async.core.errors import (
    ConfigurationError as ConfigurationError,
)
from norce_order_async.core.errors import (
    ConflictError as ConflictError,
)
from norce_order_async.core.errors import (
    ConnectError as ConnectError,
)
from norce_order_async.core.errors import (
    ConnectionLost as ConnectionLost,
)
from norce_order_async.core.errors import (
    ConnectTimeout as ConnectTimeout,
)
from norce_order_async.core.errors import (
    DeadlineExceeded as DeadlineExceeded,
)
from norce_order_async.core.errors import (
    DecodeError as DecodeError,
)
from norce_order_async.core.errors import (
    InvalidRequestError as InvalidRequestError,
)
from norce_order_async.core.errors import (
    NorceOrderError as NorceOrderError,
)
from norce_order_async.core.errors import (
    NotFoundError as NotFoundError,
)
from norce_order_async.core.errors import (
    NotTheApiError as NotTheApiError,
)
from norce_order_async.core.errors import (
    PermissionDeniedError as PermissionDeniedError,
)
from norce_order_async.core.errors import (
    PoolTimeout as PoolTimeout,
)
from norce_order_async.core.errors import (
    ProxyError as ProxyError,
)
from norce_order_async.core.errors import (
    RateLimitedError as RateLimitedError,
)
from norce_order_async.core.errors import (
    ReadTimeout as ReadTimeout,
)
from norce_order_async.core.errors import (
    ServerError as ServerError,
)
from norce_order_async.core.errors import (
    StatusError as StatusError,
)
from norce_order_async.core.errors import (
    TLSError as TLSError,
)
from norce_order_async.core.errors import (
    TransportError as TransportError,
)
from norce_order_async.core.errors import (
    UnexpectedStatusError as UnexpectedStatusError,
)
from norce_order_async.core.http import Request as Request
from norce_order_async.core.http import Response as Response
from norce_order_async.core.options import CallOptions as CallOptions
from norce_order_async.core.outcome import Attempt as Attempt
from norce_order_async.core.outcome import OutcomeKind as OutcomeKind
from norce_order_async.core.settings import (
    UNSET as UNSET,
)
from norce_order_async.core.settings import (
    Environment as Environment,
)
from norce_order_async.core.settings import (
    Timeout as Timeout,
)
from norce_order_async.core.settings import (
    Unset as Unset,
)
from norce_order_async.core.stats import Stats as Stats
from norce_order_async.core.version import __version__ as __version__
from norce_order_async.endpoints.attributes import patch_attributes as patch_attributes
from norce_order_async.endpoints.consents import (
    create_consent as create_consent,
)
from norce_order_async.endpoints.consents import (
    delete_consent as delete_consent,
)
from norce_order_async.endpoints.consents import (
    patch_consent as patch_consent,
)
from norce_order_async.endpoints.orders import create_order as create_order
from norce_order_async.endpoints.orders import get_order as get_order
from norce_order_async.middleware import Handler as Handler
from norce_order_async.middleware import Middleware as Middleware
from norce_order_async.middleware.policy import (
    BackOff as BackOff,
)
from norce_order_async.middleware.policy import (
    RetryPolicy as RetryPolicy,
)
from norce_order_async.middleware.policy import (
    passing_failure as passing_failure,
)
from norce_order_async.middleware.tracing import Tracing as Tracing
from norce_order_async.sending.budget import RetryBudget as RetryBudget
from norce_order_async.transport import Transport as Transport
from norce_order_async.transport.aiohttp import AiohttpTransport as AiohttpTransport
from norce_order_async.transport.httptools import HttptoolsTransport as HttptoolsTransport
from norce_order_async.wire.decoders import Receipt as Receipt
from norce_order_async.wire.decoders import json_as as json_as
from norce_order_async.wire.decoders import receipt as receipt
from norce_order_async.wire.json import JSON as JSON
from norce_order_async.wire.models import (
    NOT_SET as NOT_SET,
)
from norce_order_async.wire.models import (
    Addon as Addon,
)
from norce_order_async.wire.models import (
    Address as Address,
)
from norce_order_async.wire.models import (
    BaseError as BaseError,
)
from norce_order_async.wire.models import (
    Callback as Callback,
)
from norce_order_async.wire.models import (
    Cart as Cart,
)
from norce_order_async.wire.models import (
    Consent as Consent,
)
from norce_order_async.wire.models import (
    CreateResponse as CreateResponse,
)
from norce_order_async.wire.models import (
    Customer as Customer,
)
from norce_order_async.wire.models import (
    CustomerType as CustomerType,
)
from norce_order_async.wire.models import (
    DeliveryDetails as DeliveryDetails,
)
from norce_order_async.wire.models import (
    Discount as Discount,
)
from norce_order_async.wire.models import (
    DiscountType as DiscountType,
)
from norce_order_async.wire.models import (
    Hook as Hook,
)
from norce_order_async.wire.models import (
    Item as Item,
)
from norce_order_async.wire.models import (
    Logistics as Logistics,
)
from norce_order_async.wire.models import (
    Model as Model,
)
from norce_order_async.wire.models import (
    Notification as Notification,
)
from norce_order_async.wire.models import (
    Order as Order,
)
from norce_order_async.wire.models import (
    OrderListOrderBy as OrderListOrderBy,
)
from norce_order_async.wire.models import (
    OrderListOrderByDirection as OrderListOrderByDirection,
)
from norce_order_async.wire.models import (
    OrderPaginationSet as OrderPaginationSet,
)
from norce_order_async.wire.models import (
    OrderStatus as OrderStatus,
)
from norce_order_async.wire.models import (
    OrderVersion as OrderVersion,
)
from norce_order_async.wire.models import (
    Pagination as Pagination,
)
from norce_order_async.wire.models import (
    Payment as Payment,
)
from norce_order_async.wire.models import (
    PaymentAction as PaymentAction,
)
from norce_order_async.wire.models import (
    PaymentEvent as PaymentEvent,
)
from norce_order_async.wire.models import (
    PaymentState as PaymentState,
)
from norce_order_async.wire.models import (
    PaymentTransaction as PaymentTransaction,
)
from norce_order_async.wire.models import (
    PaymentType as PaymentType,
)
from norce_order_async.wire.models import (
    PickupLocation as PickupLocation,
)
from norce_order_async.wire.models import (
    PickupLocationAddress as PickupLocationAddress,
)
from norce_order_async.wire.models import (
    Price as Price,
)
from norce_order_async.wire.models import (
    Product as Product,
)
from norce_order_async.wire.models import (
    ProductType as ProductType,
)
from norce_order_async.wire.models import (
    Recurring as Recurring,
)
from norce_order_async.wire.models import (
    Shipping as Shipping,
)
from norce_order_async.wire.models import (
    ShippingState as ShippingState,
)
from norce_order_async.wire.models import (
    State as State,
)
from norce_order_async.wire.models import (
    Transition as Transition,
)
from norce_order_async.wire.models import (
    Upsell as Upsell,
)
from norce_order_async.wire.models import (
    UpsellState as UpsellState,
)
from norce_order_async.wire.models import (
    UpsellTransaction as UpsellTransaction,
)
from norce_order_async.wire.models import (
    ValidationError as ValidationError,
)
from norce_order_async.wire.operation import Operation as Operation
from norce_order_async.wire.operation import QueryValue as QueryValue

__all__: list[str]
