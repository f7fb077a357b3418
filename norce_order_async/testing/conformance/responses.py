"""Responses that are none, or that come at the wrong time."""

import asyncio
import math
import random
from contextlib import nullcontext
from typing import Any

import attrs
import pytest

from norce_order_async.core.errors import ConnectionLost, ReadTimeout
from norce_order_async.testing.conformance.base import (
    Promises,
    in_a_loop,
    make_request,
    mark,
    send_to,
    settle,
    sockets,
)
from norce_order_async.testing.conformance.lines import (
    GARBAGE,
    LARGE,
    METHODS,
    SHORT,
    echo,
    expect_no_answer,
    forever,
    in_pieces,
    of,
    then_close,
    then_reset,
)
from norce_order_async.testing.conformance.origin import OK, Peer, responding, response_bytes

_INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"


class Responses(Promises):
    """Responses that are none, or that come at the wrong time."""

    # Responses that are none

    @pytest.mark.parametrize("garbage", GARBAGE)
    @in_a_loop
    async def test_garbage_is_no_answer(self, garbage: str) -> None:
        """It may never pass for a 400 of the API's."""
        await expect_no_answer(self, then_close(GARBAGE[garbage]))

    @pytest.mark.parametrize("method", METHODS)
    @in_a_loop
    async def test_a_request_that_comes_back_is_no_answer(self, method: str) -> None:
        """And what is said of it shows nothing of it."""
        await expect_no_answer(self, echo, method)

    @in_a_loop
    async def test_silence_is_a_read_timeout(self) -> None:
        """The request went out, and nothing came."""
        async with self.origin(responding(forever)) as origin:
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
        async with self.origin(responding(in_pieces(start), OK)) as origin:
            ending = await send_to(origin, self.open(), of("PATCH", origin), timeout=SHORT)
            assert (type(ending.failure), ending.sent) == (ReadTimeout, True)
            await origin.peers[0].gone.wait()

    @pytest.mark.parametrize("bad", [b"zz\r\n", b"f" * 19 + b"\r\n", b"3\r\n{}}xx\r\n"])
    @pytest.mark.parametrize("end", ["before", "with it"])
    @in_a_loop
    async def test_a_bad_chunk_in_a_later_segment_is_no_answer(self, end: str, bad: bytes) -> None:
        """And does not wait for the timer, wherever the chunk before it ends."""
        chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello"
        pieces = (chunk + b"\r\n", bad) if end == "before" else (chunk, b"\r\n" + bad)
        await expect_no_answer(self, in_pieces(*pieces))

    @in_a_loop
    async def test_an_answer_that_drips_is_read_if_it_ends_in_time(self) -> None:
        """The limit is for the whole attempt: pauses that are shorter do not lengthen it."""
        pieces = [OK[n : n + 10] for n in range(0, len(OK), 10)]
        lines = [in_pieces(*pieces, pause=pause) for pause in (0.01, SHORT / 2)]
        async with self.origin(responding(*lines)) as origin:
            transport = self.open()
            assert (await send_to(origin, transport, of("GET", origin))).response.body == b"ok"
            ending = await send_to(origin, transport, of("GET", origin), timeout=SHORT)
            assert (type(ending.failure), ending.sent) == (ReadTimeout, True)

    @in_a_loop
    async def test_no_limit_is_no_limit(self) -> None:
        """None, or infinitely many seconds."""
        async with self.origin() as origin:
            for timeout in (None, math.inf):
                request = of("GET", origin, connect=math.inf)
                assert (await send_to(origin, self.open(), request, timeout=timeout)).response.body == b"ok"

    @in_a_loop
    async def test_a_204_with_a_body_answers_nothing_else(self) -> None:
        """It is a response without a body, or none at all; its body is not read as the next response."""
        async with self.origin(
            responding(response_bytes(204, b"HTTP/1.1 200 OK\r\n\r\n"), response_bytes(404, b"{}"))
        ) as origin:
            transport = self.open()
            ending = await send_to(origin, transport, of("DELETE", origin))
            if ending.error is None:
                assert (ending.response.status, ending.response.body) == (204, b"")
            else:
                assert (type(ending.failure), ending.sent is False) == (ConnectionLost, False)
            assert (await send_to(origin, transport, of("DELETE", origin))).response.status == 404

    @pytest.mark.parametrize("named", [True, False])
    @in_a_loop
    async def test_a_switch_of_protocols_is_an_answer_or_an_error_and_ends_its_connection(self, named: bool) -> None:
        """Nobody asked for it, and it may not say to which."""
        switch = b"HTTP/1.1 101 Switching Protocols\r\n" + named * b"Upgrade: x\r\nConnection: upgrade\r\n" + b"\r\n"
        faults: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        async with self.origin(responding(switch, OK)) as origin:
            transport = self.open()
            ending = await send_to(origin, transport, of("GET", origin), timeout=SHORT)
            assert ending.sent is not False
            assert ending.received is None or ending.received.status == 101
            assert (await send_to(origin, transport, of("GET", origin))).response.body == b"ok"
            assert len(origin.peers) == 2
            assert not faults

    @pytest.mark.parametrize("seed", range(10))
    @in_a_loop
    async def test_whatever_comes_only_known_errors_come_out(self, seed: int) -> None:
        """Random bytes, responses with random changes, and responses cut off at random, in random pieces."""
        rng = random.Random(seed)
        whole = [
            response_bytes(200, b"x" * 12, Set_Cookie="a=b", Content_Type="x/y; charset=z"),
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

        async with self.origin(responding(line)) as origin:
            transport = self.open()
            for _ in range(40):
                ending = await send_to(origin, transport, of(rng.choice(METHODS), origin), timeout=2.0)
                assert ending.sent is not False
                assert ending.received is None or ending.received.status not in (400, 413)

    @pytest.mark.parametrize("header", [b"Connection: close", b"Transfer-Encoding: gzip"])
    @in_a_loop
    async def test_a_body_that_is_reset_is_not_whole(self, header: bytes) -> None:
        """Also where nothing but the connection's end tells that of the body: a reset is no end."""
        line = then_reset(b"HTTP/1.1 200 OK\r\n" + header + b"\r\n\r\n{")
        async with self.origin(responding(line)) as origin:
            ending = await send_to(origin, self.open(), of("GET", origin))
            assert (type(ending.failure), ending.sent is False) == (ConnectionLost, False)

    # Responses at the wrong time

    @pytest.mark.parametrize("then", ["reset", "open", "to be closed"])
    @in_a_loop
    async def test_an_early_answer_does_not_hang(self, then: str) -> None:
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
            peer.write(response_bytes(413, b"too large", **({"Connection": "close"} if then == "to be closed" else {})))
            await settle()
            if then == "reset":
                peer.reset()
            else:
                await stay.wait()

        stay = asyncio.Event()
        async with self.origin(serve, narrow=True) as origin:
            transport = self.open()
            ending = await send_to(origin, transport, make_request("PATCH", origin.url, LARGE))
            if ending.error is None:
                assert (ending.response.status, ending.response.body) == (413, b"too large")
            else:
                assert (type(ending.failure), ending.sent is False) == (ConnectionLost, False)
            await settle()
            assert not open_then or sockets() < open_then, "the connection stays open for what is unsent"
            first = origin.peers[0]
            first.resume()
            await first.gone.wait()
            assert len(first.received) < len(LARGE)
            assert (await send_to(origin, transport, attrs.evolve(again, url=origin.url))).response.body == b"ok"
            assert len(origin.peers) == 2
            stay.set()

    @pytest.mark.parametrize("with_others", [False, True])
    @pytest.mark.parametrize("arrives", ["with the response", "later", "at the last moment", "in part", "with the end"])
    @in_a_loop
    async def test_a_stray_answer_does_not_answer_the_next_request(self, arrives: str, with_others: bool) -> None:
        """What comes on an idle connection belongs to no request: never to the next, alone or with others under way."""
        stray, mine = response_bytes(200, b"stray"), response_bytes(404, b"mine")

        async def second(peer: Peer) -> bool:
            peer.write(stray[20:] + mine if arrives == "in part" else mine)
            return False

        first = OK + stray if arrives == "with the response" else OK
        transport = self.open()
        others = self.under_way(transport) if with_others else nullcontext()
        async with self.origin(responding(first, second, mine)) as origin, others:
            assert (await send_to(origin, transport, of("GET", origin))).response.body == b"ok"
            idle = origin.peers[0]
            if arrives != "with the response":
                idle.write(stray[:20] if arrives == "in part" else stray)
            if arrives == "with the end":
                idle.close()
            if arrives not in ("at the last moment", "with the end"):
                await settle(20)
            ending = await send_to(origin, transport, of("DELETE", origin))
            if ending.error is None:
                assert (ending.response.status, ending.response.body) == (404, b"mine")
            else:
                assert isinstance(ending.failure, ConnectionLost)

    @pytest.mark.parametrize("part", [b"\r\n", b"H", OK[:30], _INTERIM[:-4], _INTERIM[:-2], _INTERIM])
    @in_a_loop
    async def test_a_connection_on_which_part_of_an_answer_has_come_is_used_no_more(self, part: bytes) -> None:
        """However little of it: the rest would come as the answer to the next request."""
        stray, mine = _INTERIM + response_bytes(200, b"stray"), response_bytes(404, b"mine")
        rest = stray.removeprefix(part) if stray.startswith(part) else stray
        async with self.origin(responding(OK, mine)) as origin:
            transport = self.open()
            assert (await send_to(origin, transport, of("GET", origin))).response.body == b"ok"
            idle = origin.peers[0]
            idle.write(part)
            await settle(20)
            call = asyncio.ensure_future(send_to(origin, transport, of("DELETE", origin)))
            await settle(20)
            if not idle.gone.is_set():
                idle.write(rest)
            assert (await call).response.body == b"mine"
            assert len(origin.peers) == 2

    @pytest.mark.parametrize("parts", [1, 2])
    @in_a_loop
    async def test_what_comes_before_a_request_goes_out_does_not_answer_it(self, parts: int) -> None:
        """At each turn of the event loop until it is sent, where another one is under way."""
        stray = response_bytes(200, b"stray")
        rest = stray[20:] if parts == 2 else b""
        transport = self.open()
        async with self.under_way(transport):
            for turns in range(12):
                async with self.origin(responding(OK, rest + response_bytes(404, b"mine"))) as origin:
                    assert (await send_to(origin, transport, of("GET", origin))).response.body == b"ok"
                    request = of("PATCH", origin)
                    call = asyncio.ensure_future(send_to(origin, transport, request))
                    await settle(turns)
                    if comes_early := request.call.attempts[-1].sent is not True:
                        origin.peers[0].write(stray[:20] if parts == 2 else stray)
                    ending = await call
                if ending.error is not None:
                    assert isinstance(ending.failure, ConnectionLost)
                elif comes_early:
                    assert (ending.response.status, ending.response.body) == (404, b"mine"), f"after {turns} turns"

    @pytest.mark.parametrize("with_others", [False, True])
    @in_a_loop
    async def test_a_server_that_answers_and_closes_before_it_reads_has_answered(self, with_others: bool) -> None:
        """As one does that has no time: its answer says when to come again."""

        async def refuse(peer: Peer) -> None:
            peer.write(response_bytes(503, b"later", Retry_After="7"))

        transport = self.open()
        others = self.under_way(transport) if with_others else nullcontext()
        async with self.origin(refuse) as origin, others:
            for _ in range(20):
                ending = await send_to(origin, transport, of("GET", origin))
                if ending.error is None:  # a reset may overtake the answer
                    assert (ending.response.status, ending.response.headers["retry-after"]) == (503, "7")
                else:
                    assert ending.sent is not False, "it was answered, and the answer is lost"

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
        async with self.origin(serve) as origin:
            transport = self.open()
            await send_to(origin, transport, of("GET", origin))
            if when == "before":
                origin.peers[0].close()
            ending = await send_to(origin, transport, of(method, origin))
            if ending.error is not None:
                assert isinstance(ending.failure, ConnectionLost)
            elif len(origin.peers) > 1:
                assert ending.response.body == b"ok"
            with_bytes.set()
