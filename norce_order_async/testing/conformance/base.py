"""What the promises are written with: sending, and checking that what is said of it is true."""

import asyncio
import functools
import gc
import io
import pickle
import secrets
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

import attrs
import pytest

from norce_order_async.core.call import Call, Repeat
from norce_order_async.core.errors import ClientStateError, TransportError
from norce_order_async.core.http import Request, Response
from norce_order_async.core.outcome import Attempt
from norce_order_async.core.settings import Timeout
from norce_order_async.testing.conformance.certificates import Certificates
from norce_order_async.testing.conformance.origin import Hole, Peer, RawOrigin, Serve
from norce_order_async.transport import Transport

P = ParamSpec("P")
S = TypeVar("S", bound="Promises")

CANARY = "canary-7b0e-token"
BODY_CANARY = "canary-51fd-body"
PROXY_CANARY = "canary-c2e8-proxy"
_SECRETS = {"the token": CANARY, "the request's body": BODY_CANARY, "the proxy's password": PROXY_CANARY}
PATIENCE = 180.0
"""Seconds after which a promise counts as broken, where it would hang otherwise. Nothing ever waits for it."""


@attrs.frozen
class Ending:
    """How one send ended: with a response or an error, never with both.

    Attributes:
        sent: Whether the transport says that the request's headers went out; None if it cannot tell.
        received: The response.
        error: The error.
    """

    sent: bool | None
    received: Response | None = None
    error: TransportError | ClientStateError | None = None

    @property
    def response(self) -> Response:
        """The response; a failed assertion if there is none."""
        assert self.received is not None, f"a response was expected, not {self.error!r}"
        return self.received

    @property
    def failure(self) -> TransportError:
        """The transport's error; a failed assertion if it is none."""
        assert isinstance(self.error, TransportError), f"a TransportError was expected, not {self}"
        return self.error


def make_request(
    method: str, url: str, body: bytes | None = None, *, connect: float = 5.0, headers: Mapping[str, str] | None = None
) -> Request:
    """A request as the client would hand it to its transport, for the first attempt of a call of its own."""
    call = Call(
        operation="Conformance",
        repeat=Repeat.SAFE,
        request_id=secrets.token_hex(8),
        started=0.0,
        timeout=Timeout(connect=connect),
        retry=None,
    )
    call.attempts.append(Attempt(number=1, started=0.0))
    given = {
        "Authorization": f"Bearer {CANARY}",
        "User-Agent": "conformance",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "x-request-id": call.request_id,
    }
    if body is not None:
        given["Content-Type"] = "application/json"
    return Request(call, method, url, given | dict(headers or {}), body)


def mark(request: Request) -> bytes:
    """What tells this request from others on the wire."""
    return request.call.request_id.encode()


async def send(transport: Transport, request: Request, *, timeout: float | None = 5.0) -> Ending:
    """Send, and see that nothing comes out but a response, a TransportError or a ClientStateError."""
    attempt = request.call.attempts[-1]
    try:
        response = await transport.send(request, timeout=timeout)
    except TransportError as error:
        check_error(error)
        return Ending(attempt.sent if error.sent is None else error.sent, error=error)
    except ClientStateError as error:
        return Ending(False, error=error)
    assert response.request is request
    assert 100 <= response.status <= 999
    capital = [name for name in response.headers if name != name.lower()]
    assert not capital, f"a response has the names of its headers in lower case, and not {capital}"
    return Ending(True, received=response)


async def send_to(origin: RawOrigin, transport: Transport, request: Request, *, timeout: float | None = 5.0) -> Ending:
    """As :func:`send`, and hold what is said of it against what the origin has received."""
    ending = await send(transport, request, timeout=timeout)
    await settle()
    if ending.sent is False:
        assert not origin.got(mark(request)), "said to be not sent, but the server has it"
    # Also a part of the request is something that was sent.
    heads = [peer.received.count(b"x-request-id: " + mark(request)) for peer in origin.peers]
    assert sum(heads) <= 1, f"one send was {sum(heads)} requests"
    return ending


def check_error(error: BaseException) -> None:
    """Check that an error pickles, and that neither it nor what it comes from shows a secret.

    What it comes from are its causes and contexts, with the local variables of all their frames: error trackers
    and many a log print these.
    """
    pickled = io.BytesIO()
    pickler = pickle.Pickler(pickled)
    pickler.dispatch_table = {}  # without what other libraries do to the pickles of every exception
    pickler.dump(error)
    assert CANARY.encode() not in pickled.getvalue()
    left, seen = [error], set[int]()
    while left:
        shown = left.pop()
        seen.add(id(shown))
        left += [one for one in (shown.__cause__, shown.__context__) if one is not None and id(one) not in seen]
        rendered = [f"{shown} {shown!r}"]
        for frame, _ in traceback.walk_tb(shown.__traceback__):
            rendered += [f"{frame.f_code.co_name}: {name} = {value!r}" for name, value in frame.f_locals.items()]
        for text in rendered:
            for what, canary in _SECRETS.items():
                assert canary not in text, f"{what} stands in {type(shown)}: {text}"


async def settle(turns: int = 5) -> None:
    """Let the event loop turn: what was written to a socket of this process has arrived then."""
    for _ in range(turns):
        await asyncio.sleep(0)


def in_a_loop(test: Callable[Concatenate[S, P], Coroutine[Any, Any, None]]) -> Callable[Concatenate[S, P], None]:
    """Make an async test a plain one, in an event loop of its own, after which no task and no socket may be left."""

    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        async def main() -> None:
            try:
                await test(self, *args, **kwargs)
            finally:
                await self.close_all()
            await self.nothing_left()

        before = sockets()
        self.run(main)
        gc.collect()
        assert sockets() <= before, "a socket is left"

    functools.update_wrapper(run, test)
    return run


def sockets() -> int:
    """How many sockets this process has open; 0 where that cannot be told."""
    count = 0
    for link in Path("/proc/self/fd").glob("*"):
        try:
            count += str(link.readlink()).startswith("socket:")
        except OSError:  # the folder's own
            continue
    return count


class Promises:
    """The frame of the promises: how transports are made, and what is done about those that cannot keep one."""

    cannot: ClassVar[Mapping[str, str]] = {}
    """Promises that this transport cannot keep: the name of the test, and the reason, which is shown.

    Such a test is run as an expected failure. A name that no test has is an error.
    """

    tls: ClassVar[bool] = False
    """Whether the servers of the tests speak TLS; the transports are made with an ``ssl_context`` that trusts them."""

    def make_transport(self, **settings: Any) -> Transport:
        """Make a transport; to be overridden. The suite closes it.

        Args:
            **settings: ``ssl_context`` (an ``ssl.SSLContext``), ``proxy`` (a URL), ``max_body`` (bytes), ``max_age``
                (seconds that a connection is used) or ``resolver`` (a ``HostResolver``); each only by the tests that
                are about it. A transport that lacks one says so in ``cannot``.
        """
        raise NotImplementedError("make_transport(self, **settings) has to make your transport")

    def make_loop(self) -> asyncio.AbstractEventLoop:
        """Make an event loop to run on; may be overridden."""
        return asyncio.new_event_loop()

    @pytest.fixture(autouse=True)
    def _allow_for_what_it_cannot(self, request: pytest.FixtureRequest) -> None:
        unknown = [name for name in self.cannot if not callable(getattr(self, name, None))]
        assert not unknown, f"`cannot` names tests that do not exist: {unknown}"
        reason = self.cannot.get(request.function.__name__)
        if reason is not None:
            request.applymarker(pytest.mark.xfail(reason=reason, strict=False))

    @pytest.fixture
    def certificates(self) -> Certificates:
        """Certificates, made once."""
        return Certificates.make()

    def run(self, main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run in an event loop of its own, and give up where it hangs."""

        async def guarded() -> None:
            async with asyncio.timeout(PATIENCE):
                await main()

        with asyncio.Runner(loop_factory=self.make_loop) as runner:
            runner.run(guarded())

    def open(self, **settings: Any) -> Transport:
        """Make a transport that is closed at the end of the test."""
        transport = self.transport(**settings)
        self._opened().append(transport)
        return transport

    def transport(self, **settings: Any) -> Transport:
        """Make a transport that trusts the servers of the tests."""
        if self.tls:
            settings.setdefault("ssl_context", Certificates.make().trusted)
        return self.make_transport(**settings)

    @property
    def scheme(self) -> str:
        """What the addresses of the tests begin with."""
        return "https" if self.tls else "http"

    def origin(self, serve: Serve | None = None, *, narrow: bool = False) -> RawOrigin:
        """A server; a narrow one takes little of a large body before its handler reads it."""
        if not self.tls:
            return RawOrigin(serve, window=4096 if narrow else 0)
        # Of a TLS record, which may have 16 KiB, nothing can be read before it is whole.
        return RawOrigin(serve, tls=Certificates.make().server, window=65536 if narrow else 0)

    @asynccontextmanager
    async def under_way(self, transport: Transport) -> AsyncGenerator[None]:
        """A request to another server, which does not answer it."""
        async with self.origin(Peer.end) as silent:
            call = asyncio.ensure_future(send(transport, make_request("GET", silent.url), timeout=None))
            try:
                await (await silent.peer()).head()
                yield
            finally:
                call.cancel()
                await together(call)

    def hole(self) -> Hole:
        """An address on which no connection is made."""
        return Hole(self.scheme)

    async def close_all(self) -> None:
        """Close every transport of the test."""
        opened = self._opened()
        while opened:
            await opened.pop().aclose()

    def _opened(self) -> list[Transport]:
        # Not in __init__: pytest collects no class that has one.
        opened: list[Transport] = self.__dict__.setdefault("_transports", [])
        return opened

    async def nothing_left(self) -> None:
        """Check that no task is left but the one that asks."""
        await settle()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks are left: {left}"


async def together(*waits: Awaitable[Any]) -> list[Any]:
    """What each of these gives, exceptions included."""
    return await asyncio.gather(*waits, return_exceptions=True)
