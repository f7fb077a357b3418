"""Who calls and where, and the request that each call begins with."""

import sys
from collections.abc import Mapping
from typing import Any, Self

import attrs

from norce_order_async.core.call import Call, RetryRules
from norce_order_async.core.checks import check_header_value, check_token
from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.http import Request, merge_headers
from norce_order_async.core.options import CallOptions
from norce_order_async.core.random_source import RandomSource
from norce_order_async.core.settings import UNSET, Timeout, Unset, client_header, client_headers
from norce_order_async.core.version import __version__
from norce_order_async.wire.codec import encode
from norce_order_async.wire.operation import Operation, QueryValue

_USER_AGENT = f"norce-order-async/{__version__} Python/{'.'.join(map(str, sys.version_info[:3]))}"


@attrs.frozen(eq=False)
class CallDefaults:
    """What a call has that its options leave out.

    Attributes:
        timeout: Its limits.
        retry: When to try again; None is off.
        clock: Where its time comes from.
        random: Where its random waits and its request id come from.
    """

    timeout: Timeout
    retry: RetryRules | None
    clock: Clock
    random: RandomSource


@attrs.define(eq=False)
class Caller:
    """A client's, or a scoped view's, address and headers.

    Attributes:
        base_url: The API's address, without a slash at its end.
        headers: Those that every request has, by name; a fixed token is among them.
    """

    base_url: str
    headers: Mapping[str, str] = attrs.field(repr=False)

    @classmethod
    def of_client(
        cls,
        base_url: str,
        merchant: str,
        channel: str,
        adapter_id: str | None,
        auth: object,
        user_agent: str | None,
        headers: Mapping[str, str] | None,
    ) -> Self:
        """From a client's settings.

        Raises:
            ConfigurationError: A value that cannot stand in a header, or ``auth`` is no source of tokens.
        """
        own = {
            "x-merchant": client_header("merchant", merchant),
            "x-channel": client_header("channel", channel),
            "User-Agent": _USER_AGENT,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if adapter_id is not None:
            own["x-adapterid"] = client_header("adapter_id", adapter_id)
        if user_agent is not None:
            own["User-Agent"] += " " + client_header("user_agent", user_agent)
        own = merge_headers(own, client_headers(headers or {}))
        if isinstance(auth, str):
            return cls(base_url, {"Authorization": f"Bearer {check_token(auth)}"} | own)
        if not callable(getattr(auth, "get", None)):
            raise ConfigurationError("auth must be a token or have an async get() that returns one")
        return cls(base_url, own)

    def scoped(self, merchant: str | Unset, channel: str | Unset, adapter_id: str | Unset | None) -> "Caller":
        """Another one for the same client.

        Raises:
            InvalidRequestError: A value that cannot stand in a header.
            TypeError: A value that is not a str.
        """
        headers = dict(self.headers)
        if not isinstance(merchant, Unset):
            headers["x-merchant"] = check_header_value("merchant", merchant)
        if not isinstance(channel, Unset):
            headers["x-channel"] = check_header_value("channel", channel)
        if not isinstance(adapter_id, Unset | None):
            check_header_value("adapter_id", adapter_id)
        _set_adapter_id(headers, adapter_id)
        return Caller(self.base_url, headers)

    def request(
        self,
        operation: Operation[Any],
        ids: Mapping[str, str],
        query: Mapping[str, QueryValue | None] | None,
        body: object,
        options: CallOptions,
        defaults: CallDefaults,
    ) -> Request:
        """Make the request of a new call.

        Raises:
            InvalidRequestError: Something that cannot be sent as it stands.
            TypeError: An id is not a str.
        """
        target = operation.target(ids, query)
        payload = None if body is UNSET else body if isinstance(body, bytes) else encode(body)
        call = Call(
            operation.name,
            operation.repeat,
            options.request_id or defaults.random.randbytes(16).hex(),
            defaults.clock.monotonic(),
            defaults.timeout if isinstance(options.timeout, Unset) else options.timeout,
            defaults.retry if isinstance(options.retry, Unset) else options.retry,
            operation.reads_body,
            operation.changes,
            operation.members,
            ids,
            operation.path,
            defaults.random,
            on_attempt=options.on_attempt,
            redelivered=options.redelivered,
            at=defaults.clock.wall(),
        )
        # No local variable holds the headers, so that no traceback can show the token.
        return Request(
            call,
            operation.method,
            self.base_url + target,
            self._headers(call.request_id, options, has_body=payload is not None),
            payload,
        )

    def _headers(self, request_id: str, options: CallOptions, *, has_body: bool) -> dict[str, str]:
        headers = dict(self.headers)
        headers["x-request-id"] = request_id
        if has_body:
            headers["Content-Type"] = "application/json"
        if options.adapter_id is not UNSET:
            _set_adapter_id(headers, options.adapter_id)
        return merge_headers(headers, options.headers) if options.headers else headers


def _set_adapter_id(headers: dict[str, str], adapter_id: str | Unset | None) -> None:
    if adapter_id is None:
        headers.pop("x-adapterid", None)
    elif not isinstance(adapter_id, Unset):
        headers["x-adapterid"] = adapter_id
