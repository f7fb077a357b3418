"""TLS, and proxies that refuse."""

from typing import Any

import pytest

from norce_order_async.core.errors import ConnectionLost, ConnectTimeout, ProxyError, TLSError
from norce_order_async.testing.conformance.base import (
    CANARY,
    PROXY_CANARY,
    Ending,
    Promises,
    in_a_loop,
    make_request,
    send,
    send_to,
)
from norce_order_async.testing.conformance.certificates import Certificates
from norce_order_async.testing.conformance.connecting import tunnel
from norce_order_async.testing.conformance.lines import (
    FAILURES,
    GARBAGE,
    SHORT,
    forever,
    in_pieces,
    no_host,
    no_tls,
    of,
    then_close,
)
from norce_order_async.testing.conformance.origin import OK, Peer, RawOrigin, responding, response_bytes
from norce_order_async.transport.resolver import HostResolver


class Tls(Promises):
    """TLS, and proxies that refuse."""

    # TLS

    @in_a_loop
    async def test_tls_works_with_a_certificate_that_is_trusted(self, certificates: Certificates) -> None:
        """The others of these tests would prove little without it."""
        async with RawOrigin(responding(OK, OK, None), tls=certificates.server) as origin:
            transport = self.open(ssl_context=certificates.trusted)
            for _ in range(2):
                assert (await send_to(origin, transport, of("PATCH", origin))).response.body == b"ok"
            ending = await send_to(origin, transport, of("PATCH", origin))
            assert (type(ending.failure), ending.sent is False) == (ConnectionLost, False)

    @pytest.mark.parametrize("measured", [True, False])
    @in_a_loop
    async def test_what_a_server_sends_before_it_closes_is_read_whole(
        self, certificates: Certificates, measured: bool
    ) -> None:
        """Event loops hand on what a small buffer does not hold a turn later, and not at all after the end."""
        body = bytes(range(256)) * 400
        response = response_bytes(200, body) if measured else b"HTTP/1.1 200 OK\r\n\r\n" + body

        async def serve(peer: Peer) -> None:
            await peer.request()
            peer.write(response)
            peer.half_close_below_tls()

        async with RawOrigin(serve, tls=certificates.server) as origin:
            transport = self.open(ssl_context=certificates.trusted)
            for _ in range(3):
                ending = await send_to(origin, transport, of("GET", origin))
                assert ending.response.body == body

    @pytest.mark.parametrize("flaw", ["unknown authority", "wrong host"])
    @in_a_loop
    async def test_a_certificate_that_is_not_accepted_was_not_sent(self, certificates: Certificates, flaw: str) -> None:
        """And trying again does not help."""
        wrong = flaw == "wrong host"
        async with RawOrigin(tls=certificates.wrong_host if wrong else certificates.server) as origin:
            transport = self.open(ssl_context=certificates.trusted) if wrong else self.open()
            ending = await send_to(origin, transport, of("DELETE", origin))
            assert (type(ending.failure), ending.sent, ending.failure.retryable) == (TLSError, False, False)
            assert f"127.0.0.1:{origin.port}: " in str(ending.failure)

    @pytest.mark.parametrize("way", ["reset at once", "closed at once", "reset", "closed"])
    @in_a_loop
    async def test_a_handshake_that_is_cut_was_not_sent_and_may_be_tried_again(self, way: str) -> None:
        """It says nothing about the certificate."""

        async def serve(peer: Peer) -> None:
            if "at once" not in way:
                await peer.more()
            if "reset" in way:
                peer.reset()

        async with RawOrigin(serve) as origin:
            request = make_request("DELETE", origin.url.replace("http:", "https:"))
            ending = await send_to(origin, self.open(), request)
            assert ending.sent is False
            assert ending.failure.retryable
            assert not isinstance(ending.failure, TLSError)

    @pytest.mark.parametrize("which", ["connect", "attempt"])
    @in_a_loop
    async def test_a_handshake_that_stops_is_a_connect_timeout(self, which: str) -> None:
        """A connection is made when its handshake is done."""
        async with RawOrigin(Peer.end) as origin:
            url = origin.url.replace("http:", "https:")
            request = make_request("DELETE", url, connect=SHORT if which == "connect" else 5.0)
            ending = await send_to(origin, self.open(), request, timeout=SHORT if which == "attempt" else 5.0)
            assert (type(ending.failure), ending.sent) == (ConnectTimeout, False)
            await origin.peers[0].gone.wait()

    @in_a_loop
    async def test_a_server_without_tls_was_not_sent(self) -> None:
        """It answers the handshake with something else."""
        async with RawOrigin(no_tls) as origin:
            ending = await send_to(origin, self.open(), make_request("DELETE", origin.url.replace("http:", "https:")))
            assert ending.failure.sent is False

    # A proxy

    async def _through(self, proxy: RawOrigin, connect: float = 5.0) -> Ending:
        """How a request through a proxy ends."""
        request = make_request("DELETE", "https://norce.invalid/a", connect=connect)
        return await send_to(proxy, self.open(proxy=with_password(proxy)), request)

    @pytest.mark.parametrize("status", [403, 407, 502])
    @in_a_loop
    async def test_a_proxy_that_refuses_was_not_sent(self, status: int) -> None:
        """Its response is not the API's; the proxy does not see the request."""
        async with RawOrigin(responding(response_bytes(status, b"no", Proxy_Authenticate="Basic"))) as proxy:
            ending = await self._through(proxy)
            assert (type(ending.failure), ending.sent) == (ProxyError, False)
            assert [request.split(b"\r\n")[0] for request in proxy.requests] == [b"CONNECT norce.invalid:443 HTTP/1.1"]

    @in_a_loop
    async def test_a_proxy_that_is_not_there_was_not_sent(self) -> None:
        """Nobody listens there."""
        async with RawOrigin() as proxy:
            pass
        for url in ("https://norce.invalid/a", "http://127.0.0.1:1/a"):
            ending = await send(self.open(proxy=with_password(proxy)), make_request("DELETE", url))
            assert (type(ending.failure), ending.sent) == (ProxyError, False)

    @in_a_loop
    async def test_a_proxy_whose_name_is_not_known_was_not_sent(self) -> None:
        """It is the proxy that is told of, not the server."""
        settings: dict[str, Any] = {"proxy": "http://proxy.invalid:3128", "resolver": HostResolver(no_host)}
        for url in ("https://norce.invalid/a", "http://127.0.0.1:1/a"):
            ending = await send(self.open(**settings), make_request("DELETE", url))
            assert (type(ending.failure), ending.sent) == (ProxyError, False)
            assert "proxy proxy.invalid:3128" in str(ending.failure)

    @pytest.mark.parametrize("way", ["closed", "reset", "closed in the head", "ssh"])
    @in_a_loop
    async def test_a_proxy_that_hangs_up_was_not_sent(self, way: str) -> None:
        """It did so before there was a way to the server, or it is no proxy."""
        line = then_close(GARBAGE[way]) if way in GARBAGE else FAILURES[way]
        async with RawOrigin(responding(line)) as proxy:
            ending = await self._through(proxy)
            assert (type(ending.failure), ending.failure.sent) == (ProxyError, False)

    @pytest.mark.parametrize("garbage", ["ssh", "a TLS alert"])
    @in_a_loop
    async def test_a_proxy_that_speaks_something_else_does_not_hang(self, garbage: str) -> None:
        """It keeps the connection open, as if there were more to come."""
        line = in_pieces(GARBAGE[garbage])
        async with RawOrigin(responding(line)) as proxy:
            ending = await self._through(proxy)
            assert (type(ending.failure), ending.sent) == (ProxyError, False)

    @pytest.mark.parametrize("answer", ["101 Switch", "201 Created", "204 None", "099 None", "200 OK\r\nno colon here"])
    @in_a_loop
    async def test_a_proxy_opens_a_tunnel_with_200_alone(self, answer: str) -> None:
        """And with a head that is one. What else it says is not shown: it may be the password."""
        head = f"HTTP/1.1 {answer} {PROXY_CANARY}\r\n\r\n".encode()
        async with RawOrigin(responding(head)) as proxy:
            ending = await self._through(proxy)
            assert (type(ending.failure), ending.sent) == (ProxyError, False)

    @in_a_loop
    async def test_a_proxy_that_says_nothing_is_a_connect_timeout(self) -> None:
        """There is no connection before it has answered."""
        async with RawOrigin(responding(forever)) as proxy:
            ending = await self._through(proxy, connect=SHORT)
            assert (type(ending.failure), ending.sent) == (ConnectTimeout, False)
            await proxy.peers[0].gone.wait()

    @pytest.mark.parametrize("interim", [b"", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nLink: </x>\r\n\r\n"])
    @in_a_loop
    async def test_a_proxy_carries_what_is_encrypted(self, certificates: Certificates, interim: bytes) -> None:
        """It sees where to, and nothing else. It may send interim answers first."""
        async with (
            RawOrigin(responding(OK), tls=certificates.server) as origin,
            RawOrigin(tunnel(origin, interim)) as proxy,
        ):
            transport = self.open(proxy=proxy.url, ssl_context=certificates.trusted)
            ending = await send_to(origin, transport, of("PATCH", origin))
            assert ending.response.body == b"ok"
            assert proxy.requests[0].startswith(f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1\r\n".encode())
            assert not proxy.got(CANARY.encode())
            await self.close_all()


def with_password(proxy: RawOrigin) -> str:
    """The URL of a proxy, with the name of a user and a password."""
    return proxy.url.replace("//", f"//user:{PROXY_CANARY}@")
