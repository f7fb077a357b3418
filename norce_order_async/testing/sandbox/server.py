"""The sandbox for everybody else: an HTTP server."""

import asyncio
import errno
import logging
import os
import sys
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Literal, Self

from aiohttp import HttpVersion11, web

from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.logger import lines_of, logger
from norce_order_async.testing.listening import stop_listening
from norce_order_async.testing.sandbox import serving
from norce_order_async.testing.sandbox.checks import MAX_BODY
from norce_order_async.testing.sandbox.console.console import Console
from norce_order_async.testing.sandbox.exchange import SandboxResponse
from norce_order_async.testing.sandbox.faults import NOT_OVER_SOCKETS, FaultKind
from norce_order_async.testing.sandbox.network import Network, read_body
from norce_order_async.testing.sandbox.service import OrderService

_JSON = {"content-type": "application/json"}
"""What the head of an answer says whose body a fault cuts, or brings late."""
_LOOPBACK_OF = {"0.0.0.0": "127.0.0.1", "::": "::1"}
_GRACE = 0.1
_MAX_LINE = 1024 * 1024  # bytes; far above what the sandbox takes, so that it is the sandbox that refuses
_MAX_HEADERS = 10_000  # so is this
_DRIPS = 10

# Not below testing.sandbox, as norce-order sandbox prints what is logged there.
_logger = logger.logger.getChild("testing.aiohttp")


def _without_text(record: logging.LogRecord) -> bool:
    """Keep of an error that aiohttp logs its type and its lines: its text holds what was sent."""
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        record.msg, record.args = "%s: %s in %s", (record.getMessage(), type(error).__name__, lines_of(error))
        record.exc_info = None
    return True


_logger.addFilter(_without_text)


class SandboxServer:
    """Serves a sandbox over HTTP.

    ::

        async with SandboxServer(Sandbox()) as server:
            ...  # OrderClient(base_url=server.url, auth=SANDBOX_TOKEN, ...)

    It calls hooks, validations and notifications that are registered on loopback addresses, or on hosts that the
    sandbox's ``callbacks`` name. Notifications that are not delivered when it ends are lost;
    ``await sandbox.delivered()`` waits for them.

    What isn't HTTP is answered by aiohttp itself, with a 400 that is not the API's.

    Args:
        sandbox: Who answers; several servers may share one.
        host: The address to listen on, loopback by default; ``0.0.0.0`` is every address of the machine.
        port: The port to listen on; 0 takes a free one.
        console: Serve a page at ``/`` that shows orders, requests and calls: ``read``, or ``write`` if it may switch
            faults too.

    Raises:
        ConfigurationError: ``console`` is something else, or ``host`` is empty or no text.
    """

    def __init__(
        self,
        sandbox: OrderService,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        console: Literal["read", "write"] | None = None,
    ) -> None:
        if console not in (None, "read", "write"):
            raise ConfigurationError(f"console must be read, write or None, got {console!r}")
        if not isinstance(host, str) or not host:  # to asyncio that is every address
            raise ConfigurationError(f"host must be text and not empty, got {host!r} (0.0.0.0 is every address)")
        self._sandbox = sandbox
        self._host = host
        self._port = port
        self._console = Console(sandbox, writes=console == "write", host=host) if console else None
        self._http: web.Server | None = None
        self._listener: asyncio.Server | None = None
        self._network: Network | None = None

    @property
    def url(self) -> str:
        """The ``base_url`` for clients; for clients on this machine if it listens on all addresses.

        Raises:
            RuntimeError: The server isn't running.
        """
        host, port = self.addresses[0]
        host = _LOOPBACK_OF.get(host, host)
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/checkout/order"

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The addresses and ports it listens on: one, unless the host is a name of several.

        Raises:
            RuntimeError: The server isn't running.
        """
        if self._listener is None:
            raise RuntimeError("the sandbox server is not running")
        return [listening.getsockname()[:2] for listening in self._listener.sockets]

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigurationError: Host and port cannot be listened on, say because the port is in use; or the fault
                ``refuse`` is on, which is for clients in process.
            RuntimeError: The server is running.
        """
        if self._listener is not None:
            raise RuntimeError("the sandbox server is running already")
        if any(fault.kind is FaultKind.REFUSE for fault in self._sandbox.faults):
            raise ConfigurationError(NOT_OVER_SOCKETS)
        self._http = web.Server(
            self._serve,
            handler_cancellation=True,
            access_log=None,
            logger=_logger,
            auto_decompress=False,
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_LINE,
            max_headers=_MAX_HEADERS,
        )
        try:
            self._listener = await asyncio.get_running_loop().create_server(self._http, self._host, self._port)
        except (OSError, OverflowError) as error:
            number = getattr(error, "errno", None)
            # Windows has no text for the numbers of its sockets.
            reason = os.strerror(number) if number and number > 0 and sys.platform != "win32" else str(error)
            hint = " (port 0 takes a free one)" if number in (errno.EADDRINUSE, errno.EACCES) else ""
            raise ConfigurationError(f"cannot listen on {self._host}:{self._port}: {reason}{hint}") from error
        self._network = Network(self._sandbox.callbacks.hosts)

    async def aclose(self) -> None:
        """Stop listening and cut what is still open; closing twice is fine."""
        if self._listener is None or self._http is None:
            return
        listener, self._listener = self._listener, None
        # The steps are taken from the last one to the first, each of them also where one before it is cancelled.
        async with AsyncExitStack() as steps:
            if self._network is not None:
                steps.push_async_callback(self._network.aclose)
                steps.push_async_callback(serving.abandon, self._sandbox, self._network)
            steps.push_async_callback(self._http.shutdown, _GRACE)
            steps.push_async_callback(stop_listening, listener)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        await self.aclose()

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._console is not None and self._console.takes(request):
            return await self._console.answer(request)
        arrival = self._sandbox.begin(request.method, request.raw_path, request.headers)
        body = b"" if arrival.mishap.of(FaultKind.DROP_BEFORE) else await _body(request)
        if arrival.mishap.of(FaultKind.APPLY_LATE):
            serving.answer_later(self._sandbox, arrival, body, self._network)
            await asyncio.get_running_loop().create_future()  # until the client, or the server, cuts the connection
        answer = await serving.answer(self._sandbox, arrival, body, self._network)
        await asyncio.sleep(answer.mishap.latency)
        if answer.mishap.of(FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER):
            if request.transport is not None:
                request.transport.abort()
            return web.Response()  # goes nowhere
        if answer.mishap.of(FaultKind.TRUNCATE):
            return await _truncated(request, answer)
        if answer.mishap.of(FaultKind.SLOW):
            return await _slow(request, answer)
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)


async def _body(request: web.BaseRequest) -> bytes:
    if request.version >= HttpVersion11 and request.headers.get("expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return await read_body(request.content, MAX_BODY)


async def _truncated(request: web.BaseRequest, answer: SandboxResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=_JSON | dict(answer.headers))
    response.content_length = len(answer.body) or 1
    response.force_close()
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    return response


async def _slow(request: web.BaseRequest, answer: SandboxResponse) -> web.StreamResponse:
    # Without a length, so that an empty body takes its time too: its end is late.
    response = web.StreamResponse(status=answer.status, headers=_JSON | dict(answer.headers))
    if request.version < HttpVersion11:
        response.force_close()  # which is the end of a body that cannot be chunked
    await response.prepare(request)
    size = len(answer.body) // _DRIPS + 1
    for drip in range(_DRIPS):
        await asyncio.sleep(answer.mishap.drip / _DRIPS)
        await response.write(answer.body[drip * size : (drip + 1) * size])
    return response
