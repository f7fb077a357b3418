"""The promises, one test each."""

import asyncio
import gzip
import math
import random
import socket
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from norce_order_async.errors import (
    ClientStateError,
    ConnectError,
    ConnectionLost,
    ConnectTimeout,
    ProxyError,
    ReadTimeout,
    TLSError,
)
from norce_order_async.http import Request
from norce_order_async.testing.conformance.base import (
    CANARY,
    Promises,
    in_a_loop,
    make_request,
    mark,
    send,
    send_to,
    settle,
    sockets,
    together,
)
from norce_order_async.testing.conformance.certificates import Certificates
from norce_order_async.testing.conformance.origin import OK, Hole, Line, Peer, RawOrigin, answer, answering
from norce_order_async.transport import Transport

METHODS = ["GET", "PUT", "DELETE", "POST", "PATCH"]
BODIES = {"PUT": b'{"a":1}', "POST": b'{"b":2}', "PATCH": b'{"c":3}'}
SHORT = 0.15
"""The time limit of tests in which it has to strike."""
LARGE = bytes(8 * 1024 * 1024)
"""A body that no pair of socket buffers holds."""


async def forever(peer: Peer) -> bool:
    """Say nothing."""
    await peer.end()
    return False


async def reset(peer: Peer) -> bool:
    """Cut with a TCP reset."""
    peer.reset()
    return False


def then_close(data: bytes) -> Line:
    """Write these bytes and close."""

    async def line(peer: Peer) -> bool:
        peer.write(data)
        return False

    return line


def then_reset(data: bytes) -> Line:
    """Write these bytes, and cut when they have arrived."""

    async def line(peer: Peer) -> bool:
        peer.write(data)
        await settle()
        peer.reset()
        return False

    return line


def in_pieces(*pieces: bytes, pause: float = 0.0) -> Line:
    """Write these one after the other, so that each arrives alone."""

    async def line(peer: Peer) -> bool:
        for piece in pieces:
            peer.write(piece)
            await settle()
            if pause:
                await asyncio.sleep(pause)
        return True

    return line


def of(method: str, origin: RawOrigin | Hole, path: str = "/api/v0/checkout/orders/o_123", **more: Any) -> Request:
    """A request of that method, with a body where the method usually has one."""
    return make_request(method, origin.url + path, BODIES.get(method), **more)


FAILURES: dict[str, Line] = {
    "closed": None,
    "reset": reset,
    "closed in the head": then_close(b"HTTP/1.1 200 O"),
    "closed after the head": then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
    "reset after the head": then_reset(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
    "truncated": then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
    "truncated chunks": then_close(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
}

GARBAGE: dict[str, bytes] = {
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "noise": b"\x00\xff" * 100,
    "a TLS alert": b"\x15\x03\x01\x00\x02\x02\x46",
    "http/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + bytes(18),
    "no status": b"HTTP/1.1 abc OK\r\n\r\n",
    "a bad length": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
    "a bad header": b"HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
    "a bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "a huge header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
}


class TransportConformance(Promises):
    """What every transport promises, tested over real sockets against servers that misbehave.

    Subclass it, say how your transport is made, and let pytest collect the subclass::

        class TestMine(TransportConformance):
            def make_transport(self, **settings: Any) -> Transport:
                return MyTransport(**settings)

    Each test runs in an event loop of its own and ends with a look at what is left: no task, and no socket.
    """

    # What goes out and what comes back

    @pytest.mark.parametrize("method", METHODS)
    @in_a_loop
    async def test_a_request_arrives_as_it_stands(self, method: str) -> None:
        """Its method, target, headers and body; no more headers than the connection needs; nothing compressed."""
        path = "/a%2Fb/%C3%A5%20;,@/..%2e/x?y=%26+1&z"
        async with RawOrigin() as origin:
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
        async with RawOrigin() as origin:
            await send_to(origin, self.open(), make_request(method, origin.url))
            (received,) = origin.requests
        assert received.endswith(b"\r\n\r\n")
        assert b"content-type" not in received.lower()

    @pytest.mark.parametrize("status", [200, 201, 204, 301, 302, 304, 307, 308, 400, 401, 404, 407, 418, 429, 500, 599])
    @in_a_loop
    async def test_every_status_is_an_answer(self, status: int) -> None:
        """Also a redirect, which is not followed, and a 401, on which nothing is sent again."""
        body = b"" if status in (204, 304) else b"{}"
        async with RawOrigin() as elsewhere, RawOrigin() as origin:
            origin.serve = answering(
                answer(status, body, Location=elsewhere.url, X_Request_ID="a", WWW_Authenticate="Basic")
            )
            for method in METHODS:
                ending = await send_to(origin, self.open(), of(method, origin))
                assert (ending.answer.status, ending.answer.body) == (status, body)
                assert (ending.answer.headers["x-request-id"], ending.answer.truncated) == ("a", False)
            assert len(origin.requests) == len(METHODS)
            assert not elsewhere.peers

    @pytest.mark.parametrize(
        "data",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
            b"HTTP/1.0 200 OK\r\n\r\nhello",
        ],
        ids=["length", "chunks", "until the end", "http/1.0"],
    )
    @in_a_loop
    async def test_a_body_is_read_whole(self, data: bytes) -> None:
        """Whatever tells its end, and however it is cut into pieces."""
        for line in (then_close(data), in_pieces(*(data[n : n + 1] for n in range(len(data))))):

            async def once(peer: Peer, line: Any = line) -> bool:
                await line(peer)
                return False

            async with RawOrigin(answering(once)) as origin:
                ending = await send_to(origin, self.open(), of("GET", origin))
            assert ending.answer.body == b"hello"

    @in_a_loop
    async def test_a_large_body_arrives_whole_both_ways(self) -> None:
        """A megabyte out, half a megabyte back."""
        back = random.Random(1).randbytes(500_000)
        out = random.Random(2).randbytes(1_000_000)
        async with RawOrigin(answering(answer(200, back))) as origin:
            ending = await send_to(origin, self.open(), make_request("PATCH", origin.url, out))
            assert ending.answer.body == back
            assert origin.requests[0].endswith(b"\r\n\r\n" + out)

    @in_a_loop
    async def test_an_interim_answer_is_not_the_answer(self) -> None:
        """100, 102 and 103 come before the answer, in one piece with it or not."""
        interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        for line in (interim + OK, in_pieces(interim, b"HTTP/1.1 102 Processing\r\n\r\n", OK)):
            async with RawOrigin(answering(line)) as origin:
                ending = await send_to(origin, self.open(), of("PATCH", origin))
            assert (ending.answer.status, ending.answer.body) == (200, b"ok")

    @in_a_loop
    async def test_no_cookie_is_kept(self) -> None:
        """What is set for one tenant must not reach the next."""
        async with RawOrigin(answering(answer(200, Set_Cookie="session=1; Path=/"))) as origin:
            transport = self.open()
            for _ in range(2):
                # By name: many a jar takes no cookies from a bare address.
                await send_to(origin, transport, make_request("GET", f"http://localhost:{origin.port}/"))
            assert len(origin.requests) == 2
            assert not origin.got(b"session=1")

    @in_a_loop
    async def test_the_environment_is_not_looked_at(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither for a proxy nor for a password."""
        netrc = tmp_path / "netrc"
        netrc.write_text("default login a password b\n")
        netrc.chmod(0o600)
        async with RawOrigin() as proxy, RawOrigin() as origin:
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
        async with RawOrigin(answering(OK, line, OK) if kept else answering(line, OK)) as origin:
            transport = self.open()
            if kept:
                await send_to(origin, transport, of("GET", origin))
            request = of(method, origin)
            ending = await send_to(origin, transport, request)
            assert isinstance(ending.failure, ConnectionLost)
            assert ending.sent is not False
            assert sum(mark(request) in received for received in origin.requests) == 1
            assert (await send_to(origin, transport, of("GET", origin))).answer.body == b"ok"

    # No connection

    @in_a_loop
    async def test_a_refused_connection_was_not_sent(self) -> None:
        """Nobody listens there."""
        async with RawOrigin() as origin:
            pass
        ending = await send(self.open(), of("DELETE", origin))
        assert (type(ending.failure), ending.sent) == (ConnectError, False)

    @in_a_loop
    async def test_a_name_that_is_not_known_was_not_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its look-up fails."""

        def unknown(*_: object, **__: object) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        ending = await send(self.open(), make_request("DELETE", "http://absent.invalid/a"))
        assert (type(ending.failure), ending.sent) == (ConnectError, False)

    @pytest.mark.parametrize("which", ["connect", "attempt"])
    @in_a_loop
    async def test_a_connection_that_is_not_made_in_time_was_not_sent(self, which: str) -> None:
        """Whichever of the two limits is reached first."""
        async with Hole() as hole:
            if not hole.works:
                pytest.skip("this system takes every connection")
            request = of("DELETE", hole, connect=SHORT if which == "connect" else 5.0)
            ending = await send(self.open(), request, timeout=SHORT if which == "attempt" else 5.0)
        assert (type(ending.failure), ending.sent) == (ConnectTimeout, False)

    # Answers that are none

    @pytest.mark.parametrize("garbage", GARBAGE)
    @in_a_loop
    async def test_garbage_is_no_answer(self, garbage: str) -> None:
        """It may never pass for a 400 of the API's."""
        async with RawOrigin(answering(then_close(GARBAGE[garbage]), OK)) as origin:
            transport = self.open()
            ending = await send_to(origin, transport, of("GET", origin))
            assert (type(ending.failure), ending.sent is False) == (ConnectionLost, False)
            assert (await send_to(origin, transport, of("GET", origin))).answer.body == b"ok"

    @in_a_loop
    async def test_silence_is_a_read_timeout(self) -> None:
        """The request went out, and nothing came."""
        async with RawOrigin(answering(forever)) as origin:
            ending = await send_to(origin, self.open(), of("PATCH", origin), timeout=SHORT)
            assert (type(ending.failure), ending.sent) == (ReadTimeout, True)
            await origin.peers[0].gone.wait()

    @pytest.mark.parametrize(
        "start",
        [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", b"HTTP/1.1 100 Continue\r\n\r\n"],
        ids=["head", "body", "interim"],
    )
    @in_a_loop
    async def test_an_answer_that_stops_is_a_read_timeout(self, start: bytes) -> None:
        """In its head, in its body, or after an interim one."""
        async with RawOrigin(answering(in_pieces(start), OK)) as origin:
            ending = await send_to(origin, self.open(), of("PATCH", origin), timeout=SHORT)
            assert (type(ending.failure), ending.sent) == (ReadTimeout, True)
            await origin.peers[0].gone.wait()

    @in_a_loop
    async def test_a_bad_chunk_in_a_later_segment_ends_at_the_latest_with_the_timer(self) -> None:
        """Some parsers hang there, and their own timers with them."""
        line = in_pieces(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", b"zz\r\n")
        async with RawOrigin(answering(line, OK)) as origin:
            transport = self.open()
            ending = await send_to(origin, transport, of("GET", origin), timeout=SHORT)
            assert isinstance(ending.failure, (ConnectionLost, ReadTimeout))
            assert ending.sent is not False
            assert (await send_to(origin, transport, of("GET", origin))).answer.body == b"ok"

    @in_a_loop
    async def test_an_answer_that_drips_is_read_if_it_ends_in_time(self) -> None:
        """The limit is for the whole attempt: pauses that are shorter do not lengthen it."""
        pieces = [OK[n : n + 10] for n in range(0, len(OK), 10)]
        async with RawOrigin(answering(in_pieces(*pieces, pause=0.01), in_pieces(*pieces, pause=SHORT / 2))) as origin:
            transport = self.open()
            assert (await send_to(origin, transport, of("GET", origin))).answer.body == b"ok"
            ending = await send_to(origin, transport, of("GET", origin), timeout=SHORT)
            assert (type(ending.failure), ending.sent) == (ReadTimeout, True)

    @in_a_loop
    async def test_no_limit_is_no_limit(self) -> None:
        """None, or infinitely many seconds."""
        async with RawOrigin() as origin:
            for timeout in (None, math.inf):
                request = of("GET", origin, connect=math.inf)
                assert (await send_to(origin, self.open(), request, timeout=timeout)).answer.body == b"ok"

    @in_a_loop
    async def test_a_204_with_a_body_answers_nothing_else(self) -> None:
        """It is an answer without a body, or none at all; its body is not read as the next answer."""
        async with RawOrigin(answering(answer(204, b"HTTP/1.1 200 OK\r\n\r\n"), answer(404, b"{}"))) as origin:
            transport = self.open()
            ending = await send_to(origin, transport, of("DELETE", origin))
            if ending.error is None:
                assert (ending.answer.status, ending.answer.body) == (204, b"")
            else:
                assert (type(ending.failure), ending.sent is False) == (ConnectionLost, False)
            assert (await send_to(origin, transport, of("DELETE", origin))).answer.status == 404

    @in_a_loop
    async def test_a_switch_of_protocols_is_an_answer_and_ends_its_connection(self) -> None:
        """Nobody asked for it."""
        switch = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
        async with RawOrigin(answering(switch, OK)) as origin:
            transport = self.open()
            ending = await send_to(origin, transport, of("GET", origin), timeout=SHORT)
            assert ending.sent is not False
            assert ending.response is None or ending.response.status == 101
            assert (await send_to(origin, transport, of("GET", origin))).answer.body == b"ok"

    @pytest.mark.parametrize("seed", range(10))
    @in_a_loop
    async def test_whatever_comes_only_known_errors_come_out(self, seed: int) -> None:
        """Random bytes, answers with random changes, and answers cut off at random, in random pieces."""
        rng = random.Random(seed)
        whole = [
            answer(200, b"x" * 12, Set_Cookie="a=b", Content_Type="x/y; charset=z"),
            b"HTTP/1.1 302 X\r\nLocation: http://[::\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            b"HTTP/1.1 503 X\r\nRetry-After: 1\r\nConnection: close\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08",
        ]

        def draw() -> bytes:
            data = bytearray(rng.choice(whole))
            kind = rng.randrange(4)
            if kind == 0:
                return rng.randbytes(rng.randrange(1, 200))
            if kind == 1:
                return bytes(data[: rng.randrange(len(data))])
            for _ in range(rng.randrange(1, 4)):
                place = rng.randrange(len(data))
                data[place : place + rng.randrange(3)] = rng.choice(
                    [rng.randbytes(rng.randrange(1, 4)), b"\r\n", b"\0", b":", b"\xff", b" ", b"9" * 30]
                )
            return bytes(data)

        async def line(peer: Peer) -> bool:
            data = draw()
            cut = rng.randrange(len(data) + 1)
            peer.write(data[:cut])
            if rng.random() < 0.5:
                await settle(3)
            peer.write(data[cut:])
            return False

        async with RawOrigin(answering(line)) as origin:
            transport = self.open()
            for _ in range(40):
                ending = await send_to(origin, transport, of(rng.choice(METHODS), origin), timeout=2.0)
                assert ending.sent is not False
                assert ending.response is None or ending.response.status not in (400, 413)

    @in_a_loop
    async def test_a_body_that_is_reset_is_not_whole(self) -> None:
        """Also where nothing but the connection's end tells that of the body: a reset is no end."""
        line = then_reset(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{")
        async with RawOrigin(answering(line)) as origin:
            ending = await send_to(origin, self.open(), of("GET", origin))
            assert (type(ending.failure), ending.sent is False) == (ConnectionLost, False)

    # Bodies that are too large

    @pytest.mark.parametrize("status", [200, 404, 500])
    @pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
    @in_a_loop
    async def test_of_a_huge_body_the_beginning_is_read(self, status: int, chunked: bool) -> None:
        """The answer stands, marked as truncated: a 2xx was applied, whatever the size of its body."""

        async def line(peer: Peer) -> bool:
            if chunked:
                peer.write(f"HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
                while not peer.gone.is_set():
                    peer.write(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
                    await asyncio.sleep(0)
            else:
                peer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 1000000000000\r\n\r\n".encode() + b"x" * 100_000)
                await peer.gone.wait()
            return False

        async with RawOrigin(answering(line, OK)) as origin:
            transport = self.open(max_body=50_000)
            ending = await send_to(origin, transport, of("PATCH", origin))
            assert (ending.answer.status, ending.answer.truncated) == (status, True)
            assert ending.answer.body == b"x" * 50_000
            await origin.peers[0].gone.wait()
            assert (await send_to(origin, transport, of("GET", origin))).answer.body == b"ok"

    @in_a_loop
    async def test_a_body_of_just_the_limit_is_whole(self) -> None:
        """The limit itself is not too much."""
        async with RawOrigin(answering(answer(200, b"x" * 1000))) as origin:
            ending = await send_to(origin, self.open(max_body=1000), of("GET", origin))
            assert (ending.answer.body, ending.answer.truncated) == (b"x" * 1000, False)

    @in_a_loop
    async def test_a_megabyte_is_read_without_asking(self) -> None:
        """And not more, unless the transport is told so."""
        async with RawOrigin(answering(answer(200, bytes(1024 * 1024)), answer(200, bytes(1024 * 1024 + 1)))) as origin:
            transport = self.open()
            whole, cut = [(await send_to(origin, transport, of("GET", origin))).answer for _ in range(2)]
            assert (len(whole.body), whole.truncated, cut.truncated) == (1024 * 1024, False, True)

    @in_a_loop
    async def test_a_compressed_body_is_not_unpacked(self) -> None:
        """It was not asked for, and may be a bomb."""
        bomb = gzip.compress(bytes(50_000_000))
        async with RawOrigin(answering(answer(200, bomb, Content_Encoding="gzip"))) as origin:
            ending = await send_to(origin, self.open(), of("GET", origin))
            assert ending.answer.body == bomb

    # Answers at the wrong time

    @pytest.mark.parametrize("closes", [True, False])
    @in_a_loop
    async def test_an_early_answer_does_not_hang(self, closes: bool) -> None:
        """The server answers before it has read the request's body; the rest of it goes nowhere."""
        again = make_request("GET", "")
        open_then = 0

        async def serve(peer: Peer) -> None:
            nonlocal open_then
            head = await peer.head()
            if mark(again) in head:
                peer.write(OK)
                return
            peer.pause()
            await settle(20)
            open_then = sockets()
            peer.write(answer(413, b"too large"))
            await settle()
            if closes:
                peer.reset()
            else:
                await stay.wait()

        stay = asyncio.Event()
        async with RawOrigin(serve, window=4096) as origin:
            transport = self.open()
            ending = await send_to(origin, transport, make_request("PATCH", origin.url, LARGE))
            if ending.error is None:
                assert (ending.answer.status, ending.answer.body) == (413, b"too large")
            else:
                assert (type(ending.failure), ending.sent is False) == (ConnectionLost, False)
            await settle()
            assert not open_then or sockets() < open_then, "the connection stays open for what is unsent"
            first = origin.peers[0]
            first.resume()
            await first.gone.wait()
            assert len(first.received) < len(LARGE)
            assert (await send_to(origin, transport, make_request_as(again, origin.url))).answer.body == b"ok"
            assert len(origin.peers) == 2
            stay.set()

    @pytest.mark.parametrize("arrives", ["with the answer", "later", "at the last moment", "in part", "with the end"])
    @in_a_loop
    async def test_a_stray_answer_does_not_answer_the_next_request(self, arrives: str) -> None:
        """What comes on an idle connection belongs to no request: never to the next."""
        stray, mine = answer(200, b"stray"), answer(404, b"mine")

        async def second(peer: Peer) -> bool:
            peer.write(stray[20:] + mine if arrives == "in part" else mine)
            return False

        first = OK + stray if arrives == "with the answer" else OK
        async with RawOrigin(answering(first, second, mine)) as origin:
            transport = self.open()
            assert (await send_to(origin, transport, of("GET", origin))).answer.body == b"ok"
            idle = origin.peers[0]
            if arrives != "with the answer":
                idle.write(stray[:20] if arrives == "in part" else stray)
            if arrives == "with the end":
                idle.close()
            if arrives not in ("at the last moment", "with the end"):
                await settle(20)
            ending = await send_to(origin, transport, of("DELETE", origin))
            if ending.error is None:
                assert (ending.answer.status, ending.answer.body) == (404, b"mine")
            else:
                assert isinstance(ending.failure, ConnectionLost)

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("when", ["before", "while"])
    @in_a_loop
    async def test_the_end_of_an_idle_connection_at_the_moment_of_sending(self, when: str, method: str) -> None:
        """The request goes over another connection, or is reported lost; it is not sent twice."""

        async def serve(peer: Peer) -> None:
            await peer.request()
            peer.write(OK)
            if peer is origin.peers[0] and when == "while":
                with_bytes.set()
                await peer.head()
                peer.reset()
            elif peer is origin.peers[0]:
                await with_bytes.wait()
            else:
                await peer.request()

        with_bytes = asyncio.Event()
        async with RawOrigin(serve) as origin:
            transport = self.open()
            await send_to(origin, transport, of("GET", origin))
            if when == "before":
                origin.peers[0].close()
            ending = await send_to(origin, transport, of(method, origin))
            if ending.error is not None:
                assert isinstance(ending.failure, ConnectionLost)
            elif len(origin.peers) > 1:
                assert ending.answer.body == b"ok"
            with_bytes.set()

    # Cancelling

    @in_a_loop
    async def test_cancelling_ends_at_once_and_sends_nothing_more(self) -> None:
        """2,000 times at random instants of every phase; then the transport is as good as new.

        Each has to end within 0.1 s. A machine that is busy with something else may add to one, so that is asked
        of 99 in 100, and half a second of all.
        """
        sweep = Sweep(self.open(), random.Random(20260))
        await sweep.run(2000)
        assert sweep.cancelled == 2000
        sweep.times.sort()
        assert sweep.times[int(len(sweep.times) * 0.99)] < 0.1
        assert sweep.times[-1] < 0.5

    @in_a_loop
    async def test_a_cancelled_request_is_not_sent_on(self) -> None:
        """Also what already waits in a buffer stays there, and the connection is not kept for it."""
        async with RawOrigin(window=4096) as origin:

            async def serve(peer: Peer) -> None:
                await peer.head()
                peer.pause()
                await stay.wait()

            stay = asyncio.Event()
            origin.serve = serve
            transport = self.open()
            for cancels in (True, False):
                call = asyncio.ensure_future(
                    send(transport, make_request("PATCH", origin.url, LARGE), timeout=5.0 if cancels else SHORT)
                )
                peer = await origin.peer(0 if cancels else 1)
                await settle(20)
                open_then = sockets()
                if cancels:
                    call.cancel()
                (ending,) = await together(call)
                if cancels:
                    assert isinstance(ending, asyncio.CancelledError)
                else:
                    assert (type(ending.failure), ending.sent) == (ReadTimeout, True)
                await settle()
                assert not open_then or sockets() < open_then, "the connection stays open for what is unsent"
                peer.resume()
                await peer.gone.wait()
                assert len(peer.received) < len(LARGE)
            stay.set()

    # TLS

    @in_a_loop
    async def test_tls_works_with_a_certificate_that_is_trusted(self, certificates: Certificates) -> None:
        """The others of these tests would prove little without it."""
        async with RawOrigin(answering(OK, OK, None), tls=certificates.server) as origin:
            transport = self.open(ssl_context=certificates.trusted)
            for _ in range(2):
                assert (await send_to(origin, transport, of("PATCH", origin))).answer.body == b"ok"
            ending = await send_to(origin, transport, of("PATCH", origin))
            assert (type(ending.failure), ending.sent is False) == (ConnectionLost, False)

    @pytest.mark.parametrize("flaw", ["unknown authority", "wrong host"])
    @in_a_loop
    async def test_a_certificate_that_is_not_accepted_was_not_sent(self, certificates: Certificates, flaw: str) -> None:
        """And trying again does not help."""
        wrong = flaw == "wrong host"
        async with RawOrigin(tls=certificates.wrong_host if wrong else certificates.server) as origin:
            transport = self.open(ssl_context=certificates.trusted) if wrong else self.open()
            ending = await send_to(origin, transport, of("DELETE", origin))
            assert (type(ending.failure), ending.sent, ending.failure.retryable) == (TLSError, False, False)

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

        async def serve(peer: Peer) -> None:
            await peer.more()
            peer.write(answer(400, b"plain HTTP only"))
            await peer.end()

        async with RawOrigin(serve) as origin:
            ending = await send_to(origin, self.open(), make_request("DELETE", origin.url.replace("http:", "https:")))
            assert ending.failure.sent is False

    # A proxy

    @pytest.mark.parametrize("status", [403, 407, 502])
    @in_a_loop
    async def test_a_proxy_that_refuses_was_not_sent(self, status: int) -> None:
        """Its answer is not the API's; the proxy does not see the request."""
        async with RawOrigin(answering(answer(status, b"no", Proxy_Authenticate="Basic"))) as proxy:
            ending = await send_to(proxy, self.open(proxy=proxy.url), make_request("DELETE", "https://norce.invalid/a"))
            assert (type(ending.failure), ending.sent) == (ProxyError, False)
            assert [request.split(b"\r\n")[0] for request in proxy.requests] == [b"CONNECT norce.invalid:443 HTTP/1.1"]

    @in_a_loop
    async def test_a_proxy_that_is_not_there_was_not_sent(self) -> None:
        """Nobody listens there."""
        async with RawOrigin() as proxy:
            pass
        for url in ("https://norce.invalid/a", "http://127.0.0.1:1/a"):
            ending = await send(self.open(proxy=proxy.url), make_request("DELETE", url))
            assert (type(ending.failure), ending.sent) == (ProxyError, False)

    @pytest.mark.parametrize("way", ["closed", "reset", "closed in the head"])
    @in_a_loop
    async def test_a_proxy_that_hangs_up_was_not_sent(self, way: str) -> None:
        """It did so before there was a way to the server."""
        async with RawOrigin(answering(FAILURES[way])) as proxy:
            ending = await send_to(proxy, self.open(proxy=proxy.url), make_request("DELETE", "https://norce.invalid/a"))
            assert ending.failure.sent is False

    @in_a_loop
    async def test_a_proxy_that_says_nothing_is_a_connect_timeout(self) -> None:
        """There is no connection before it has answered."""
        async with RawOrigin(answering(forever)) as proxy:
            request = make_request("DELETE", "https://norce.invalid/a", connect=SHORT)
            ending = await send_to(proxy, self.open(proxy=proxy.url), request)
            assert (type(ending.failure), ending.sent) == (ConnectTimeout, False)
            await proxy.peers[0].gone.wait()

    @in_a_loop
    async def test_a_proxy_carries_what_is_encrypted(self, certificates: Certificates) -> None:
        """It sees where to, and nothing else."""
        async with RawOrigin(answering(OK), tls=certificates.server) as origin:

            async def serve(peer: Peer) -> None:
                await peer.request()
                reader, writer = await asyncio.open_connection("127.0.0.1", origin.port)
                peer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
                given = len(peer.received)

                async def back() -> None:
                    while data := await reader.read(65536):
                        peer.write(data)

                returning = asyncio.ensure_future(back())
                try:
                    while True:
                        await peer.more()
                        writer.write(peer.received[given:])
                        given = len(peer.received)
                finally:
                    returning.cancel()
                    writer.transport.abort()
                    await together(returning, writer.wait_closed())

            async with RawOrigin(serve) as proxy:
                transport = self.open(proxy=proxy.url, ssl_context=certificates.trusted)
                ending = await send_to(origin, transport, of("PATCH", origin))
                assert ending.answer.body == b"ok"
                assert proxy.requests[0].startswith(f"CONNECT 127.0.0.1:{origin.port} HTTP/1.1\r\n".encode())
                assert not proxy.got(CANARY.encode())
                await self.close_all()

    # Life

    def test_it_serves_several_event_loops_one_after_another(self) -> None:
        """Three times ``asyncio.run``, without a warning of a connection left open."""
        transport = self.make_transport()

        async def once() -> None:
            async with RawOrigin() as origin:
                for _ in range(2):
                    assert (await send_to(origin, transport, of("GET", origin))).answer.body == b"ok"

        before = sockets()
        for _ in range(3):
            self.run(once)
            assert sockets() <= before
        self.run(transport.aclose)

    def test_it_serves_several_event_loops_at_once_and_closes_in_all(self) -> None:
        """Each in a thread of its own."""
        transport = self.make_transport()
        used, closed, failures = threading.Barrier(4), threading.Event(), list[BaseException]()

        async def elsewhere() -> None:
            async with RawOrigin() as origin:
                calls = [send_to(origin, transport, of("PATCH", origin)) for _ in range(20)]
                assert {ending.answer.body for ending in await asyncio.gather(*calls)} == {b"ok"}
                await asyncio.to_thread(used.wait, 10)
                await asyncio.to_thread(closed.wait, 10)
                for peer in origin.peers:
                    await peer.gone.wait()
                assert isinstance((await send(transport, of("GET", origin))).error, ClientStateError)

        def run() -> None:
            try:
                self.run(elsewhere)
            except BaseException as error:
                failures.append(error)
                used.abort()

        async def here() -> None:
            async with RawOrigin() as origin:
                await send_to(origin, transport, of("GET", origin))
                await asyncio.to_thread(used.wait, 10)
                await transport.aclose()
                closed.set()

        before = sockets()
        threads = [threading.Thread(target=run) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            self.run(here)
        finally:
            closed.set()
            for thread in threads:
                thread.join()
        assert not failures
        assert sockets() <= before

    @in_a_loop
    async def test_closed_is_closed_however_often(self) -> None:
        """Unused or used, twice, or twice at once."""
        async with RawOrigin() as origin:
            for used in (False, True):
                for at_once in (False, True):
                    transport = self.make_transport()
                    if used:
                        await send_to(origin, transport, of("GET", origin))
                    if at_once:
                        assert await together(transport.aclose(), transport.aclose()) == [None, None]
                    else:
                        await transport.aclose()
                        await transport.aclose()
                    request = of("GET", origin)
                    assert isinstance((await send_to(origin, transport, request)).error, ClientStateError)
                    assert not origin.got(mark(request))
            async with self.make_transport() as transport:
                await send_to(origin, transport, of("GET", origin))
            assert isinstance((await send_to(origin, transport, of("GET", origin))).error, ClientStateError)

    @pytest.mark.parametrize("phase", ["name", "connect", "handshake", "send", "wait", "read", "idle"])
    @in_a_loop
    async def test_closing_with_calls_in_flight_cancels_nobody(
        self, phase: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They end with an answer, a TransportError or a ClientStateError, and their connections are gone."""
        stay, asked, answered = asyncio.Event(), threading.Event(), threading.Event()

        async def serve(peer: Peer) -> None:
            if phase == "handshake":
                await stay.wait()
            await peer.head()
            peer.pause()
            if phase == "read":
                peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            if phase == "idle":
                peer.write(OK)
                peer.resume()
            await stay.wait()

        def slow(*_: object, **__: object) -> Any:
            asked.set()
            answered.wait(10)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        async with Hole() as hole, RawOrigin(serve, window=4096) as origin:
            transport = self.open()
            scheme = "https" if phase == "handshake" else "http"
            url = hole.url if phase == "connect" else f"{scheme}://127.0.0.1:{origin.port}"
            if phase == "connect" and not hole.works:
                pytest.skip("this system takes every connection")
            if phase == "name":
                monkeypatch.setattr(socket, "getaddrinfo", slow)
                url = "http://absent.invalid"
            body = LARGE if phase == "send" else b"{}"
            requests = [make_request("PATCH", url, body, connect=0.5) for _ in range(3)]
            calls = [asyncio.ensure_future(send(transport, request)) for request in requests]
            if phase == "name":
                await asyncio.to_thread(asked.wait, 10)
            elif phase != "connect":
                await origin.peer(2)
            await settle(20)
            try:
                await transport.aclose()
                for request, ending in zip(requests, await together(*calls), strict=True):
                    assert not isinstance(ending, BaseException), f"{ending!r} came out"
                    assert (phase == "idle") == (ending.error is None)
                    if phase in ("name", "connect", "handshake"):
                        assert ending.sent is False
                        assert not origin.got(mark(request))
            finally:
                answered.set()
            for peer in origin.peers:
                peer.resume()
                await peer.gone.wait()
                assert len(peer.received) < len(LARGE)
            stay.set()


def make_request_as(request: Request, url: str) -> Request:
    """The same request to another address."""
    return Request(request.call, request.method, url, request.headers, request.body)


class Sweep:
    """Many sends, each cancelled at some instant of one of its phases."""

    def __init__(self, transport: Transport, rng: random.Random) -> None:
        self.cancelled = 0
        self.times: list[float] = []
        self._transport = transport
        self._rng = rng
        self._waiting: dict[bytes, asyncio.Event] = {}
        self._stay = asyncio.Event()

    async def run(self, count: int) -> None:
        """Cancel so many, ten at once; afterwards, see what the server has got."""
        async with RawOrigin(self._serve) as origin, RawOrigin(self._serve, window=4096) as narrow, Hole() as hole:
            phases: dict[str, Callable[[], Awaitable[None]]] = {
                "connect": partial(self._connect, hole if hole.works else origin),
                "send": partial(self._in_phase, "send", narrow, LARGE),
                "wait": partial(self._in_phase, "wait", origin, b"{}"),
                "read": partial(self._in_phase, "read", origin, b"{}"),
                "any": partial(self._anywhere, origin),
            }
            names = list(phases)
            left = count

            async def work() -> None:
                nonlocal left
                while left > 0:
                    left -= 1
                    await phases[self._rng.choices(names, [4, 1, 5, 5, 5])[0]]()

            workers = [asyncio.ensure_future(work()) for _ in range(10)]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await together(*workers)
            # As good as new, and one connection is enough for it.
            for _ in range(3):
                request = make_request("GET", f"{origin.url}/answer")
                assert (await send_to(origin, self._transport, request)).answer.body == b"ok"
            await self._transport.aclose()
            for peer in origin.peers + narrow.peers:
                peer.resume()
                await peer.gone.wait()
                assert len(peer.received) < len(LARGE), "what was cancelled was sent on"
            self._stay.set()

    async def _serve(self, peer: Peer) -> None:
        while True:
            head = await peer.head()
            phase = head.split(b" ", 2)[1].strip(b"/")
            if phase == b"answer":
                peer.write(OK)
                continue
            if phase == b"send":
                peer.pause()
            if phase == b"read":
                peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            for name, event in self._waiting.items():
                if name in head:
                    event.set()
            if phase == b"send":
                await self._stay.wait()
            await peer.end()
            return

    async def _connect(self, target: RawOrigin | Hole) -> None:
        call = self._start(make_request("PATCH", f"{target.url}/wait", b"{}"))
        await settle(self._rng.randrange(12))
        await self._cancel(call)

    async def _in_phase(self, phase: str, origin: RawOrigin, body: bytes) -> None:
        request = make_request("PATCH", f"{origin.url}/{phase}", body)
        arrived = self._waiting[mark(request)] = asyncio.Event()
        call = self._start(request)
        await arrived.wait()
        await settle(self._rng.randrange(6))
        await self._cancel(call)
        del self._waiting[mark(request)]

    async def _anywhere(self, origin: RawOrigin) -> None:
        while True:
            call = self._start(make_request("GET", f"{origin.url}/answer"))
            await settle(self._rng.randrange(40))
            if not call.done():
                await self._cancel(call)
                return
            assert (await call).body == b"ok"

    def _start(self, request: Request) -> "asyncio.Task[Any]":
        return asyncio.ensure_future(self._transport.send(request, timeout=10.0))

    async def _cancel(self, call: "asyncio.Task[Any]") -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        call.cancel()
        await asyncio.wait([call])
        self.times.append(loop.time() - start)
        self.cancelled += call.cancelled()
        if not call.cancelled():
            error = call.exception()
            raise AssertionError(f"a cancelled send ended otherwise: {error!r}") from error
