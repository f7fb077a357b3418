"""For integrators: the hooks, notifications and validations that Norce Checkout calls.

:func:`parse_hook` and its like make a typed value of headers and body, :func:`allow` and its like an answer; neither
does I/O. :class:`Receiver` is an ASGI application of them, and :func:`web_app` is the same for aiohttp.
"""

from typing import TYPE_CHECKING

from norce_order_async.core.lazy_names import LazyNames
from norce_order_async.receiving.calls import (
    Headers,
    HookCall,
    NotificationCall,
    NotificationKey,
    ValidationCall,
    notification_key,
    parse_hook,
    parse_notification,
    parse_validation,
)
from norce_order_async.receiving.enumerations import EnumNames
from norce_order_async.receiving.errors import CallbackError
from norce_order_async.receiving.receiver import Receiver
from norce_order_async.receiving.replies import Reply, allow, change, invalid, refuse, valid
from norce_order_async.receiving.secret import SharedSecret

if TYPE_CHECKING:
    from norce_order_async.receiving.web import web_app

__all__ = [
    "CallbackError",
    "EnumNames",
    "Headers",
    "HookCall",
    "NotificationCall",
    "NotificationKey",
    "Receiver",
    "Reply",
    "SharedSecret",
    "ValidationCall",
    "allow",
    "change",
    "invalid",
    "notification_key",
    "parse_hook",
    "parse_notification",
    "parse_validation",
    "refuse",
    "valid",
    "web_app",
]

if not TYPE_CHECKING:  # else every name would be taken for one of the module
    # aiohttp's server, which most do without
    __getattr__ = LazyNames(__name__, {"receiving.web": "web_app"}).load
