"""A transport of the user's: what it returns is looked at before anything is made of it."""

from collections.abc import Mapping
from typing import Any

from norce_order_async.core.errors import ClientStateError
from norce_order_async.core.http import Request, Response
from norce_order_async.core.kinds import kind_of
from norce_order_async.transport import Transport

_PACKAGE = __name__.partition(".")[0] + "."
_MAPPINGS: tuple[type[Mapping[Any, Any]], ...] = (dict, Mapping)  # to ask an abstract class takes longer
_BYTES = (bytes, bytearray)


def checked(transport: Transport) -> Transport:
    """The same transport if its ``send`` is of this package, else one that checks what it returns."""
    module: object = getattr(transport.send, "__module__", None)
    return transport if isinstance(module, str) and module.startswith(_PACKAGE) else _Checked(transport)


class _Checked(Transport):
    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        """Send one request; see :meth:`Transport.send`.

        Raises:
            ClientStateError: The transport returns no response to this request. It counts as sent.
        """
        __tracebackhide__ = True  # the log and pytest show the transport's own lines
        response = await self._inner.send(request, timeout=timeout)
        if (flaw := _flaw_of(response, request)) is not None:
            request.call.mark_sent()
            raise ClientStateError(f"the transport returned {flaw}")
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


def _flaw_of(response: object, request: Request) -> str | None:
    """What is wrong with what a transport returned; None where nothing is."""
    if not isinstance(response, Response):
        return f"{kind_of(response)}, not a Response"
    status: object = response.status
    if not isinstance(status, int):
        return f"a Response whose status must be an int, got {kind_of(status)}"
    headers: object = response.headers
    if not isinstance(headers, _MAPPINGS):
        return f"a Response whose headers must be a mapping, got {kind_of(headers)}"
    for kind in {*map(type, headers), *map(type, headers.values())}:
        if not issubclass(kind, str):
            return f"a Response whose headers must be text, got {kind.__name__}"
    body: object = response.body
    if not isinstance(body, _BYTES):
        return f"a Response whose body must be bytes, got {kind_of(body)}"
    return None if getattr(response.request, "call", None) is request.call else "a Response to another request"
