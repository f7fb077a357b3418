"""What telemetry says of a call, and how many values it can take: nothing here differs by order or by visitor."""

from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

import attrs

from norce_order_async.core.http import Request
from norce_order_async.core.outcome import Attempt

OTHER = "_OTHER"
"""In place of a method that is not known, and of any value beyond those that are counted apart."""

_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
_PORTS = {"http": 80, "https": 443}
_MOST = 100
_MOST_MERCHANTS = 1_000
_KEPT = 2_000

Attributes = Mapping[str, str | int]


class Bounded:
    """Tells so many values apart; further ones are :data:`OTHER`.

    Args:
        most: How many.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        """The value, or :data:`OTHER`."""
        if value not in self._seen:
            if len(self._seen) >= self._most:
                return OTHER
            self._seen.add(value)
        return value


@attrs.frozen(eq=False)
class Labels:
    """What is said of the calls of one operation to one server.

    Attributes:
        operation: The operation's name.
        request: The name of an attempt's span.
        spans: Attributes of spans.
        calls: Attributes of what is counted by call.
        requests: Attributes of what is counted by request.
    """

    operation: str
    request: str
    spans: Attributes
    calls: Attributes
    requests: Attributes


class Labelling:
    """Labels the calls of all clients of one telemetry.

    Args:
        merchant: Whether to tell merchants apart.
    """

    def __init__(self, *, merchant: bool) -> None:
        self._merchant = merchant
        self._operations, self._templates, self._servers = Bounded(), Bounded(), Bounded()
        self._merchants = Bounded(_MOST_MERCHANTS)
        self.error = Bounded()
        self._made = lru_cache(_KEPT)(self._make)

    def of(self, request: Request) -> Labels:
        """The labels of a request."""
        call = request.call
        merchant = request.headers.get("x-merchant") if self._merchant else None
        return self._made(call.operation, request.method, call.path, _origin(request.url), merchant)

    def server(self, url: str) -> Attributes:
        """The server of a URL, as it is counted."""
        origin = _origin(url)
        return _server(origin) if self._servers(origin) == origin else {"server.address": OTHER}

    def error_of(self, attempt: Attempt) -> str | None:
        """The ``error.type`` of an attempt: the class of its error, or its status; None without an error."""
        if attempt.error is not None:
            return self.error(attempt.error.partition(":")[0])
        status = attempt.status
        return None if status is None or status < 400 else str(status)

    def _make(self, operation: str, method: str, path: str, origin: str, merchant: str | None) -> Labels:
        known = method if method in _METHODS else OTHER
        template = self._templates(path)
        caller: dict[str, str | int] = {} if merchant is None else {"norce.merchant": self._merchants(merchant)}
        calls = {"norce.operation": self._operations(operation), **caller}
        sent = {"http.request.method": known, "url.template": template}
        requests = {**sent, **self.server(origin), **caller}
        spans = {**calls, **sent, **_server(origin)}
        if known == OTHER:
            spans["http.request.method_original"] = method
        shown = "HTTP" if known == OTHER else known
        return Labels(str(calls["norce.operation"]), f"{shown} {template}", spans, calls, requests)


def _origin(url: str) -> str:
    """A URL up to its path."""
    end = url.find("/", url.find("://") + 3)
    return url if end < 0 else url[:end]


def _server(origin: str) -> dict[str, str | int]:
    parts = urlsplit(origin)
    return {"server.address": parts.hostname or "", "server.port": parts.port or _PORTS.get(parts.scheme, 0)}
