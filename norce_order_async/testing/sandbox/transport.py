"""The sandbox for code in the same process: a transport without a network."""

import asyncio
from collections.abc import Iterable
from typing import NoReturn
from urllib.parse import urlsplit

from norce_order_async.core.checks import check_count, one_or_several
from norce_order_async.core.errors import (
    ClientStateError,
    ConnectError,
    ConnectionLost,
    InvalidRequestError,
    ReadTimeout,
)
from norce_order_async.core.http import Request, Response
from norce_order_async.core.settings import is_loopback
from norce_order_async.testing.sandbox import serving
from norce_order_async.testing.sandbox.exchange import Arrival
from norce_order_async.testing.sandbox.faults import FaultKind
from norce_order_async.testing.sandbox.service import OrderService
from norce_order_async.transport import Transport
from norce_order_async.transport.errors import IS_CLOSED, NO_RESPONSE, note_head
from norce_order_async.transport.messages import MAX_BODY, unsendable

_JSON = "application/json"


class SandboxTransport(Transport):
    """Hands requests to a sandbox instead of a server; nothing ever goes out to a network.

    It knows Norce's hosts (``*.norce.tech``), loopback, and those it is told; no other host exists.

    Args:
        sandbox: Who answers; several transports may share one.
        hosts: Further host names; one may be given alone.
        max_body: How many bytes of an answer's body are read, as in the transports with a network. Of a larger one the
            beginning is returned, marked ``truncated``.

    Raises:
        ConfigurationError: ``max_body`` is not a whole number above 0, or ``hosts`` is no sequence.
    """

    def __init__(self, sandbox: OrderService, *, hosts: Iterable[str] = (), max_body: int = MAX_BODY) -> None:
        self._sandbox = sandbox
        self._max_body = check_count("max_body", max_body)
        self._hosts = frozenset(host.lower() for host in one_or_several("hosts", hosts))
        self._closed = False

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        """Have one request answered; see :meth:`Transport.send`.

        Raises:
            ClientStateError: The transport is closed.
            InvalidRequestError: A header or the address that no transport with a network would send.
            ConnectError: A host that doesn't exist here, or a fault refused the connection.
            ConnectionLost: A fault cut the connection.
            ReadTimeout: A fault kept the answer longer than ``timeout``.
        """
        call = request.call
        call.mark_sent(False)
        if self._closed:
            raise ClientStateError(IS_CLOSED)
        if (problem := unsendable(request.url, request.headers)) is not None:
            raise InvalidRequestError(problem)
        url = urlsplit(request.url)
        host = url.hostname or ""
        if not (host.endswith(".norce.tech") or is_loopback(host) or host in self._hosts):
            raise ConnectError(f"the sandbox has no host {host!r}", sent=False)
        target = f"{url.path}?{url.query}" if url.query else url.path
        arrival = self._sandbox.begin(request.method, target, request.headers)
        if arrival.mishap.of(FaultKind.REFUSE):
            await asyncio.sleep(0)  # other tasks get their turn
            raise ConnectError("the connection was refused by a fault", sent=False)
        call.mark_sent()
        if arrival.mishap.of(FaultKind.APPLY_LATE):
            await self._apply_late(arrival, request.body or b"", timeout)
        mishap, answer = arrival.mishap, None
        try:
            async with asyncio.timeout(timeout):
                answer = await serving.answer(self._sandbox, arrival, request.body or b"")
                # Also without a delay other tasks get their turn, as they would with a network.
                await asyncio.sleep(mishap.delay)
        except TimeoutError:
            status = answer.status if answer is not None and mishap.of(FaultKind.SLOW) else None
            raise ReadTimeout(NO_RESPONSE, sent=True, status=status, content_type=_JSON) from None
        except asyncio.CancelledError as error:
            if answer is not None and mishap.of(FaultKind.SLOW):
                note_head(error, answer.status, [b"content-type", _JSON.encode()])
            raise
        if mishap.of(FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER):
            raise ConnectionLost("the connection was cut by a fault", sent=True)
        if mishap.of(FaultKind.TRUNCATE):
            raise ConnectionLost("the body was cut by a fault", sent=True, status=answer.status, content_type=_JSON)
        body, most = answer.body, self._max_body
        return Response(request, answer.status, answer.headers, body[:most], truncated=len(body) > most)

    async def _apply_late(self, arrival: Arrival, body: bytes, timeout: float | None) -> NoReturn:
        """Carry a request out later, whoever waits for its answer, and answer nothing."""
        serving.answer_later(self._sandbox, arrival, body)
        try:
            async with asyncio.timeout(timeout):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            pass
        raise ReadTimeout(NO_RESPONSE, sent=True)

    async def aclose(self) -> None:
        """Take no more requests; closing twice is fine."""
        self._closed = True
