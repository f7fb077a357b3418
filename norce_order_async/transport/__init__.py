"""For transports of your own: the interface of what sends a request and returns its response."""

import abc
from types import TracebackType
from typing import TYPE_CHECKING, Self

from norce_order_async.core.http import RawResponse, Request, Response
from norce_order_async.core.lazy_names import LazyNames

if TYPE_CHECKING:
    from norce_order_async.transport.resolver import HostResolver

__all__ = ["HostResolver", "RawResponse", "Request", "Response", "Transport"]

if not TYPE_CHECKING:  # else every name would be taken for one of the module
    __getattr__ = LazyNames(__name__, {"transport.resolver": "HostResolver"}).load


class Transport(abc.ABC):
    """One ``send`` is one request on the wire, never more, and the body of its response is read, up to a limit.

    A transport tells what really happened: ``request.call.mark_sent(False)`` before it starts, then
    ``request.call.mark_sent()`` when the request's headers go out. Without these the client has to take every
    failure for one that may have been applied.

    :class:`~norce_order_async.testing.TransportConformance` tests what a transport has to promise.
    """

    @abc.abstractmethod
    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        """Send one request and read its response, whatever its status; redirects are responses too.

        Of a body that is too large the beginning is returned, with ``truncated`` set: the response still counts.

        Args:
            request: Sent as it stands: the URL is encoded, the headers are complete but for ``Host`` and length.
            timeout: Seconds from the connection to the last byte of the response; None is no limit.

        Raises:
            TransportError: No complete response came. A library's own exceptions never come through, nor stay as a
                cause: their frames hold the request.
            InvalidRequestError: A header would begin another one.
            ClientStateError: The transport is closed.
        """

    @abc.abstractmethod
    async def aclose(self) -> None:
        """Close all connections; closing twice is fine."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        await self.aclose()
