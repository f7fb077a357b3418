"""What a transport leaves behind: nothing of event loops that end bluntly, nothing of calls that fail."""

import asyncio
import gc
import socket
import ssl
import threading
import traceback
import weakref
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Any

import pytest

from norce_order_async.core.errors import ClientStateError, InvalidRequestError, TLSError, TransportError
from norce_order_async.core.http import Request
from norce_order_async.testing.conformance.base import (
    Promises,
    in_a_loop,
    make_request,
    send,
    settle,
    sockets,
    together,
)
from norce_order_async.testing.conformance.certificates import Certificates
from norce_order_async.testing.conformance.lines import FAILURES, GARBAGE, SHORT, forever, no_host
from norce_order_async.testing.conformance.origin import OK, Peer, RawOrigin, responding, response_bytes
from norce_order_async.testing.listening import in_a_thread
from norce_order_async.transport import Transport
from norce_order_async.transport.resolver import HostResolver


class Leftovers(Promises):
    """What a transport leaves behind: nothing of event loops that end bluntly, nothing of calls that fail."""

    # uvloop, when it is closed with a connection open, closes that itself, and warns.
    @pytest.mark.filterwarnings("ignore:unclosed resource:ResourceWarning")
    @pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
    def test_loops_that_are_closed_bluntly_leave_nothing(self, certificates: Certificates, tls: bool) -> None:
        """What they kept is closed when the next loop comes, or by ``aclose``."""
        transport = self.make_transport(**({"ssl_context": certificates.trusted} if tls else {}))
        with in_a_thread(RawOrigin(tls=certificates.server if tls else None)) as origin:
            before = sockets()
            for _ in range(10):
                bluntly(self.make_loop(), send(transport, make_request("GET", origin.url)))
                gc.collect()
                assert sockets() <= before + 2  # the newest one's, which has both its ends here
            bluntly(self.make_loop(), transport.aclose())
            gc.collect()
        assert sockets() <= before

    @pytest.mark.filterwarnings("ignore:unclosed resource:ResourceWarning")
    def test_many_at_once_find_a_loop_that_was_closed_bluntly(self) -> None:
        """They clear up after it, and share one pool all the same."""
        transport = self.make_transport()

        async def many(url: str) -> list[bytes]:
            endings = await asyncio.gather(*(send(transport, make_request("GET", url)) for _ in range(5)))
            gc.collect()
            endings += await asyncio.gather(*(send(transport, make_request("GET", url)) for _ in range(5)))
            return [ending.response.body for ending in endings]

        with in_a_thread(RawOrigin()) as origin:
            for _ in range(3):
                loop = self.make_loop()
                assert loop.run_until_complete(many(origin.url)) == [b"ok"] * 10
                loop.close()
            bluntly(self.make_loop(), transport.aclose())

    @pytest.mark.filterwarnings("ignore:unclosed resource:ResourceWarning")
    def test_a_call_that_is_cut_while_it_clears_up_after_a_loop_says_whether_it_was_sent(self) -> None:
        """At each turn of the event loop; and what is cleared up is closed all the same."""

        async def cut(transport: Transport, url: str, turns: int) -> None:
            request = make_request("PATCH", url, b"{}")
            call = asyncio.ensure_future(transport.send(request, timeout=5.0))
            await settle(turns)
            call.cancel()
            await together(call)
            assert request.call.attempts[-1].sent is not None, f"after {turns} turns nothing is said of it"
            await settle(20)
            await transport.aclose()

        before = sockets()
        with in_a_thread(RawOrigin()) as origin:
            for turns in range(1, 9):
                transport = self.make_transport()
                bluntly(self.make_loop(), send(transport, make_request("GET", origin.url)))
                self.run(partial(cut, transport, origin.url, turns))
        gc.collect()
        assert sockets() <= before

    @pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
    def test_a_loop_that_rests_is_closed_from_another(self, certificates: Certificates, tls: bool) -> None:
        """Neither closed nor running, it can do nothing itself."""
        transport = self.make_transport(**({"ssl_context": certificates.trusted} if tls else {}))
        with in_a_thread(RawOrigin(tls=certificates.server if tls else None)) as origin:
            resting = self.make_loop()
            before = sockets()
            assert resting.run_until_complete(send(transport, make_request("GET", origin.url))).response.body == b"ok"
            bluntly(self.make_loop(), transport.aclose())
            late = resting.run_until_complete(send(transport, make_request("GET", origin.url)))
            assert isinstance(late.error, ClientStateError)
            bluntly(resting, asyncio.sleep(0))
            gc.collect()
        assert sockets() <= before

    @pytest.mark.parametrize(
        "kind",
        ["refused", "name", "handshake", "authority", "closed", "cut", "garbage", "silent", "hangs", "proxy", "407"],
    )
    @in_a_loop
    async def test_a_call_that_fails_leaves_no_cycles(self, kind: str) -> None:
        """Errors and requests are gone at once, also where the collector is off."""
        async with failing(kind) as (settings, make):
            transport = self.open(**settings)

            async def fail() -> None:
                with pytest.raises(TransportError):
                    await transport.send(make(), timeout=SHORT if kind in ("silent", "hangs") else 5.0)
                await asyncio.sleep(0.01)

            await fail()
            gc.collect()
            gc.disable()
            try:
                await fail()
                gc.set_debug(gc.DEBUG_SAVEALL)
                gc.collect()
                left = [repr(one) for one in gc.garbage if is_of_a_call(one)]
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()
            assert left == []

    @in_a_loop
    async def test_a_kept_connection_holds_nothing_of_its_last_call(self) -> None:
        """Neither its task nor what that returned."""
        async with self.origin() as origin:
            transport = self.open()
            call = asyncio.ensure_future(send(transport, make_request("GET", origin.url)))
            held = weakref.ref(call)
            assert (await call).response.body == b"ok"
            del call
            await settle()
            gc.collect()
            assert held() is None

    @pytest.mark.parametrize("header", [{"a": 5}, {"a": b"c"}, {5: "a"}, {"a": None}])
    @in_a_loop
    async def test_a_header_that_cannot_be_sent_is_refused(self, header: dict[Any, Any]) -> None:
        """A middleware may have set it; nothing is sent."""
        async with RawOrigin() as origin:
            request = make_request("GET", origin.url, headers=header)
            with pytest.raises(InvalidRequestError, match="header"):
                await send(self.open(), request)
            assert request.call.attempts[-1].sent is False
            assert not any(peer.received for peer in origin.peers)

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    @pytest.mark.parametrize("flaw", ["missing", "of another authority"])
    @in_a_loop
    async def test_a_client_certificate_that_is_not_accepted_was_not_sent(
        self, flaw: str, version: ssl.TLSVersion
    ) -> None:
        """And trying again does not help. In TLS 1.3 the server says so only after the handshake."""
        trustme = pytest.importorskip("trustme", reason="the promises about TLS need trustme")
        authority = trustme.CA()
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.verify_mode = ssl.CERT_REQUIRED
        server.minimum_version = server.maximum_version = version
        authority.configure_trust(server)
        authority.issue_cert("127.0.0.1").configure_cert(server)
        client = ssl.create_default_context()
        authority.configure_trust(client)
        if flaw != "missing":
            trustme.CA().issue_cert("somebody.example").configure_cert(client)
        with refusing(server) as url:
            ending = await send(self.open(ssl_context=client), make_request("PATCH", url, b"{}"))
        assert (type(ending.failure), ending.sent, ending.failure.retryable) == (TLSError, False, False)

    @pytest.mark.parametrize("earlier", [0, 1], ids=["new", "kept"])
    @in_a_loop
    async def test_a_client_certificate_that_is_asked_for_after_a_request_leaves_it_sent(
        self, certificates: Certificates, earlier: int
    ) -> None:
        """The server has read it by then, whether the connection is new or has served before."""
        trustme = pytest.importorskip("trustme", reason="the promises about TLS need trustme")
        authority = trustme.CA()
        server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
        authority.issue_cert("127.0.0.1").configure_cert(server)
        authority.configure_trust(client)
        server.verify_mode = ssl.CERT_REQUIRED
        server.minimum_version = ssl.TLSVersion.TLSv1_3
        server.post_handshake_auth = client.post_handshake_auth = True

        def answer(peer: ssl.SSLSocket) -> None:
            for _ in range(earlier):
                read_head(peer)
                peer.sendall(OK)
            read_head(peer)
            peer.verify_client_post_handshake()
            peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")  # which sends the question
            peer.recv(1)  # which reads that there is no certificate

        with refusing(server, answer) as url:
            transport = self.open(ssl_context=client)
            for _ in range(earlier):
                assert (await send(transport, make_request("GET", url))).response.body == b"ok"
            ending = await send(transport, make_request("DELETE", url))
        assert (type(ending.failure), ending.sent) == (TLSError, True)


def is_of_a_call(one: object) -> bool:
    """Whether something that was left is an error or something of ours; what the origin leaves does not count."""
    if isinstance(one, BaseException):
        frames = [frame.f_code.co_name for frame, _ in traceback.walk_tb(one.__traceback__)]
        return not any(name.startswith("_accept_connection") for name in frames)
    module = type(one).__module__
    return module.startswith("norce_order_async") and not module.startswith("norce_order_async.testing")


def bluntly(loop: asyncio.AbstractEventLoop, work: Any) -> None:
    """Run in a loop, and close it without its shutdown."""
    loop.run_until_complete(work)
    loop.close()


@contextmanager
def refusing(tls: ssl.SSLContext, answer: Callable[[ssl.SSLSocket], None] | None = None) -> Generator[str]:
    """A server that tells why it ends a handshake, which asyncio's do not; its address.

    Args:
        tls: With which it makes one connection.
        answer: What it does with the connection.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        plain, _ = listener.accept()
        with plain.dup() as spare:
            with suppress(OSError), tls.wrap_socket(plain, server_side=True) as peer:
                if answer is not None:
                    answer(peer)
            # To close with something unread would be a reset, which may overtake what was said.
            with suppress(OSError):
                while spare.recv(4096):
                    pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/a"
    finally:
        listener.close()
        thread.join()


def read_head(peer: ssl.SSLSocket) -> None:
    """Read a request without a body."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += peer.recv(65536)


@contextmanager
def unheard() -> Generator[str]:
    """An address on which nobody listens, and nobody else can."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@asynccontextmanager
async def failing(kind: str) -> AsyncGenerator[tuple[dict[str, Any], Callable[[], Request]]]:
    """How calls fail in some way: a transport's settings, and what makes a request."""
    lines: dict[str, Any] = {
        "closed": None,
        "cut": FAILURES["truncated"],
        "garbage": GARBAGE["ssh"],
        "silent": forever,
        "407": response_bytes(407, b"no"),
    }
    serve = {"hangs": Peer.end, "handshake": Peer.more}.get(kind) or responding(lines.get(kind, OK))
    with unheard() as closed:
        async with RawOrigin(serve) as origin:
            secure = origin.url.replace("http:", "https:")
            urls = {"refused": closed, "name": "http://norce.invalid", "handshake": secure, "hangs": secure}
            urls |= {"proxy": "https://norce.invalid", "407": "https://norce.invalid"}
            settings: dict[str, Any] = {"name": {"resolver": HostResolver(no_host)}, "407": {"proxy": origin.url}}
            settings["proxy"] = {"proxy": closed.replace("//", "//user:secret@")}
            if kind == "authority":
                certificates = Certificates.make()
                async with RawOrigin(tls=certificates.server) as other:
                    yield {}, lambda: make_request("PATCH", other.url, b"{}")
                return
            yield settings.get(kind, {}), lambda: make_request("PATCH", urls.get(kind, origin.url), b"{}")
