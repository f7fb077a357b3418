"""The routes of the console, and who may use them."""

import json
from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from typing import Any, Final

from aiohttp import web
from yarl import URL

from norce_order_async.core.errors import ConfigurationError
from norce_order_async.testing.sandbox.console import views
from norce_order_async.testing.sandbox.console.feed import Feed
from norce_order_async.testing.sandbox.console.masking import Mask
from norce_order_async.testing.sandbox.network import read_body
from norce_order_async.testing.sandbox.service import OrderService
from norce_order_async.transport.resolver import is_address

_FOLDER = "norce_order_async.testing.sandbox.console"
_FILES: Final = {
    "/": ("page.html", "text/html"),
    "/_console/page.css": ("page.css", "text/css"),
    "/_console/page.js": ("page.js", "text/javascript"),
    "/_console/icon.svg": ("icon.svg", "image/svg+xml"),
}
_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_PAGE = 25
"""Orders."""
_MOST_BODY = 4096  # bytes
_Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _No(Exception):
    """A request that the console refuses, with a status and the reason."""


class Console:
    """Answers ``/`` and what is below ``/_console/``; everything else is the API's.

    A browser may use it from its own page only. A host that is a name other than ``localhost`` or ``host`` is refused,
    because anybody can make a name lead to this machine.

    Args:
        sandbox: What it shows.
        writes: Whether faults can be switched.
        host: The host that the server was told to listen on.
    """

    def __init__(self, sandbox: OrderService, *, writes: bool, host: str) -> None:
        self._sandbox = sandbox
        self._writes = writes
        self._host = host.lower()
        self._mask = Mask(sandbox.tokens)
        self._feed = Feed(sandbox, self._mask, writes=writes)
        self._routes: Mapping[str, Mapping[str, _Handler]] = {
            **{path: {"GET": self._file} for path in _FILES},
            "/_console/orders": {"GET": self._orders},
            "/_console/order": {"GET": self._order},
            "/_console/events": {"GET": self._events},
            "/_console/faults": {"POST": self._switch_on, "DELETE": self._switch_off},
        }

    def takes(self, request: web.BaseRequest) -> bool:
        """Whether a request is for the console."""
        path = _path(request)
        return path == "/" or (path.startswith("/_console/") and "/api/" not in path)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        try:
            route = self._routes.get(_path(request))
            if route is None:
                raise _No(404, "There is no such page.")
            if (handler := route.get(request.method)) is None:
                raise _No(405, f"This path takes {', '.join(route)}.")
            self._check_host(request)
            if _path(request) not in _FILES:
                _check_origin(request)
            return await handler(request)
        except _No as no:
            status, message = no.args
            return _json({"message": message}, status)

    def _check_host(self, request: web.BaseRequest) -> None:
        try:
            host = (URL(f"http://{request.headers.get('host', '')}").host or "").lower()
        except ValueError:
            host = ""
        if host not in ("localhost", self._host) and not is_address(host):
            raise _No(403, "The console is for localhost, or for an address of this machine.")

    async def _file(self, request: web.BaseRequest) -> web.Response:
        name, kind = _FILES[_path(request)]
        body = files(_FOLDER).joinpath(name).read_bytes()
        return web.Response(body=body, headers=_HEADERS | {"content-type": f"{kind}; charset=utf-8"})

    async def _orders(self, request: web.BaseRequest) -> web.Response:
        offset, text = _number(request.query.get("offset", "0")), request.query.get("search", "")
        with self._sandbox.held() as store:
            kept = [order for order in store.all_orders() if views.found(order, text)]
            kept.sort(key=views.modified, reverse=True)
            rows = [views.row(order, self._mask) for order in kept[offset : offset + _PAGE]]
        return _json({"orders": rows, "offset": offset, "page": _PAGE, "size": len(kept)})

    async def _order(self, request: web.BaseRequest) -> web.Response:
        place = [request.query.get(name, "") for name in ("merchant", "channel", "id")]
        with self._sandbox.held() as store:
            if (order := store.get(*place)) is None:
                raise _No(404, "There is no such order.")
            view = views.tree(order, self._mask, whole=request.query.get("whole") == "1")
        return _json(view)

    async def _events(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._feed.is_full:
            raise _No(503, "Too many pages are open.")
        return await self._feed.serve(request, _HEADERS)

    async def _switch_on(self, request: web.BaseRequest) -> web.Response:
        text = await self._fault(request)
        try:
            self._sandbox.faults.add(text)
        except ConfigurationError as error:
            raise _No(400, str(error)) from None
        return _json({})

    async def _switch_off(self, request: web.BaseRequest) -> web.Response:
        text = await self._fault(request)
        with self._sandbox.held():
            fault = next((one for one in self._sandbox.faults if self._mask(str(one)) == text), None)
            if fault is not None:
                self._sandbox.faults.remove(fault)
        return _json({})

    async def _fault(self, request: web.BaseRequest) -> str:
        """The fault that a write names."""
        if not self._writes:
            raise _No(403, "The console is read-only: start the sandbox with --console-writes.")
        # A page of somebody else cannot send this type without being asked first.
        if request.content_type != "application/json":
            raise _No(415, "The body is to be JSON.")
        body = await read_body(request.content, _MOST_BODY)
        if len(body) > _MOST_BODY:
            raise _No(413, "The body is too large.")
        try:
            fault = json.loads(body)["fault"]
        except (ValueError, TypeError, LookupError, RecursionError):
            fault = None
        if not isinstance(fault, str):
            raise _No(400, 'The body is to be {"fault": "status:503:times=1"}.')
        return fault


def _path(request: web.BaseRequest) -> str:
    return request.raw_path.partition("?")[0]


def _check_origin(request: web.BaseRequest) -> None:
    """Refuse what a browser sends for another page."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site", "same-origin")
    if origin not in (None, f"http://{request.headers.get('host')}") or site not in ("same-origin", "none"):
        raise _No(403, "Another page may not use the console.")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise _No(400, "The offset is a whole number.")
    return int(text)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, text=json.dumps(value), content_type="application/json", headers=_HEADERS)
