"""Requests and responses: what goes out, what comes back, and one request for one send."""

import random
import socket
from pathlib import Path
from typing import Any

import pytest

from norce_order_async.core.errors import ConnectError, ConnectionLost, ConnectTimeout, InvalidRequestError
from norce_order_async.testing.conformance.base import (
    CANARY,
    Promises,
    check_error,
    in_a_loop,
    make_request,
    mark,
    send,
    send_to,
)
from norce_order_async.testing.conformance.lines import (
    BODIES,
    FAILURES,
    METHODS,
    SHORT,
    in_pieces,
    no_host,
    of,
    then_close,
)
from norce_order_async.testing.conformance.origin import OK, Peer, responding, response_bytes


class Exchange(Promises):
    """Requests and responses: what goes out, what comes back, and one request for one send."""

    # What goes out and what comes back

    @pytest.mark.parametrize("method", METHODS)
    @in_a_loop
    async def test_a_request_arrives_as_it_stands(self, method: str) -> None:
        """Its method, target, headers and body; no more headers than the connection needs; nothing compressed."""
        path = "/a%2Fb/%C3%A5%20;,@/..%2e/x?y=%26+1&z"
        async with self.origin() as origin:
            request = of(method, origin, path, headers={"X-Plain": "a  b", "x-latin": "\xe5"})
            await send_to(origin, self.open(), request)
            (received,) = origin.requests
        head, _, body = received.partition(b"\r\n\r\n")
        start, *lines = head.split(b"\r\n")
        assert start == f"{method} {path} HTTP/1.1".encode()
        assert body == BODIES.get(method, b"")
        sent = {(name.lower(), value.strip(b" ")) for name, _, value in (line.partition(b":") for line in lines)}
        assert len(sent) == len(lines), "a header twice"
        assert (b"host", f"127.0.0.1:{origin.port}".encode()) in sent
        for name, value in request.headers.items():
            values = [other for own, other in sent if own == name.lower().encode()]
            assert values in ([value.encode("latin-1")], [value.encode()]), name
        added = {name.decode() for name, _ in sent} - {name.lower() for name in request.headers}
        assert added <= {"host", "content-length", "connection"}

    @pytest.mark.parametrize("method", METHODS)
    @in_a_loop
    async def test_no_body_is_no_body(self, method: str) -> None:
        """And nothing is said about its type."""
        async with self.origin() as origin:
            await send_to(origin, self.open(), make_request(method, origin.url))
            (received,) = origin.requests
        assert received.endswith(b"\r\n\r\n")
        assert b"content-type" not in received.lower()

    @pytest.mark.parametrize("status", [200, 201, 204, 301, 302, 304, 307, 308, 400, 401, 404, 407, 418, 429, 500, 599])
    @in_a_loop
    async def test_every_status_is_an_answer(self, status: int) -> None:
        """With its headers. Also a redirect, which is not followed, and a 401, on which nothing is sent again."""
        body = b"" if status in (204, 304) else b"{}"
        async with self.origin() as elsewhere, self.origin() as origin:
            origin.serve = responding(
                response_bytes(status, body, Location=elsewhere.url, X_Request_ID="a", WWW_Authenticate="Basic")
            )
            headers = {"location": elsewhere.url, "x-request-id": "a", "www-authenticate": "Basic"}
            for method in METHODS:
                ending = await send_to(origin, self.open(), of(method, origin))
                assert (ending.response.status, ending.response.body) == (status, body)
                assert {name: ending.response.headers.get(name) for name in headers} == headers
                assert ending.response.truncated is False
            assert len(origin.requests) == len(METHODS)
            assert not elsewhere.peers

    @pytest.mark.parametrize(
        "data",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello",
            b"HTTP/1.0 200 OK\r\n\r\nhello",
        ],
        ids=["length", "chunks", "until the end", "until the end, coded", "http/1.0"],
    )
    @in_a_loop
    async def test_a_body_is_read_whole(self, data: bytes) -> None:
        """Whatever tells its end, and however it is cut into pieces."""
        for line in (then_close(data), in_pieces(*(data[n : n + 1] for n in range(len(data))))):

            async def once(peer: Peer, line: Any = line) -> bool:
                await line(peer)
                return False

            async with self.origin(responding(once)) as origin:
                ending = await send_to(origin, self.open(), of("GET", origin))
            assert ending.response.body == b"hello"

    @in_a_loop
    async def test_a_large_body_arrives_whole_both_ways(self) -> None:
        """A megabyte out, half a megabyte back."""
        back = random.Random(1).randbytes(500_000)
        out = random.Random(2).randbytes(1_000_000)
        async with self.origin(responding(response_bytes(200, back))) as origin:
            ending = await send_to(origin, self.open(), make_request("PATCH", origin.url, out))
            assert ending.response.body == back
            assert origin.requests[0].endswith(b"\r\n\r\n" + out)

    @in_a_loop
    async def test_an_interim_answer_is_not_the_answer(self) -> None:
        """100, 102 and 103 come before the response, in one piece with it or not."""
        interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        for line in (interim + OK, in_pieces(interim, b"HTTP/1.1 102 Processing\r\n\r\n", OK)):
            async with self.origin(responding(line)) as origin:
                ending = await send_to(origin, self.open(), of("PATCH", origin))
            assert (ending.response.status, ending.response.body) == (200, b"ok")

    @pytest.mark.parametrize("header", [{"a": "b\r\nc: d"}, {"a": "b\nc"}, {"a\r\nb": "c"}, {"a": "\0"}])
    @pytest.mark.parametrize("method", METHODS)
    @in_a_loop
    async def test_a_header_cannot_begin_another(self, method: str, header: dict[str, str]) -> None:
        """Such a request is not sent."""
        async with self.origin() as origin:
            request = of(method, origin, headers=header)
            with pytest.raises(InvalidRequestError, match="line break") as caught:
                await send(self.open(), request)
            check_error(caught.value)
            assert request.call.attempts[-1].sent is False
            assert not any(peer.received for peer in origin.peers)

    @in_a_loop
    async def test_no_cookie_is_kept(self) -> None:
        """What is set for one tenant must not reach the next."""
        async with self.origin(responding(response_bytes(200, Set_Cookie="session=1; Path=/"))) as origin:
            transport = self.open()
            for _ in range(2):
                # By name: many a jar takes no cookies from a bare address.
                await send_to(origin, transport, make_request("GET", origin.url.replace("127.0.0.1", "localhost")))
            assert len(origin.requests) == 2
            assert not origin.got(b"session=1")

    @in_a_loop
    async def test_the_environment_is_not_looked_at(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither for a proxy nor for a password."""
        netrc = tmp_path / "netrc"
        netrc.write_text("default login a password b\n")
        netrc.chmod(0o600)
        async with self.origin() as proxy, self.origin() as origin:
            monkeypatch.setenv("NETRC", str(netrc))
            for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            await send_to(origin, self.open(), of("GET", origin))
            assert origin.got(f"Authorization: Bearer {CANARY}".encode(), f"authorization: Bearer {CANARY}".encode())
            assert not proxy.peers

    # One send is one request

    @pytest.mark.parametrize("kept", [False, True], ids=["fresh", "kept"])
    @pytest.mark.parametrize("failure", FAILURES)
    @pytest.mark.parametrize("method", METHODS)
    @in_a_loop
    async def test_one_send_is_one_request(self, method: str, failure: str, kept: bool) -> None:
        """Whatever becomes of its connection, a fresh one or one that has served before."""
        line = FAILURES[failure]
        async with self.origin(responding(OK, line, OK) if kept else responding(line, OK)) as origin:
            transport = self.open()
            if kept:
                await send_to(origin, transport, of("GET", origin))
            request = of(method, origin)
            ending = await send_to(origin, transport, request)
            assert isinstance(ending.failure, ConnectionLost)
            assert ending.sent is not False
            assert sum(mark(request) in received for received in origin.requests) == 1
            assert (await send_to(origin, transport, of("GET", origin))).response.body == b"ok"

    # No connection

    @in_a_loop
    async def test_a_refused_connection_was_not_sent(self) -> None:
        """Nobody listens there."""
        async with self.origin() as origin:
            pass
        ending = await send(self.open(), of("DELETE", origin))
        assert (type(ending.failure), ending.sent) == (ConnectError, False)

    @in_a_loop
    async def test_a_name_that_is_not_known_was_not_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its look-up fails."""
        monkeypatch.setattr(socket, "getaddrinfo", no_host)
        ending = await send(self.open(), make_request("DELETE", f"{self.scheme}://absent.invalid/a"))
        assert (type(ending.failure), ending.sent) == (ConnectError, False)

    @pytest.mark.parametrize("which", ["connect", "attempt"])
    @in_a_loop
    async def test_a_connection_that_is_not_made_in_time_was_not_sent(self, which: str) -> None:
        """Whichever of the two limits is reached first."""
        async with self.hole() as hole:
            if not hole.works:
                pytest.skip("this system takes every connection")
            request = of("DELETE", hole, connect=SHORT if which == "connect" else 5.0)
            ending = await send(self.open(), request, timeout=SHORT if which == "attempt" else 5.0)
        assert (type(ending.failure), ending.sent) == (ConnectTimeout, False)
