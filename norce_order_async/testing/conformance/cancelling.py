"""Cancelling, at any instant."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from norce_order_async.core.errors import ReadTimeout
from norce_order_async.core.http import Request
from norce_order_async.testing.conformance.base import (
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
from norce_order_async.testing.conformance.lines import LARGE, SHORT
from norce_order_async.testing.conformance.origin import OK, Hole, Peer, RawOrigin

MOST_TURNS = 20


class Cancelling(Promises):
    """Cancelling, at any instant."""

    @in_a_loop
    async def test_cancelling_ends_at_once_and_sends_nothing_more(self) -> None:
        """2,000 times at random instants of every phase, 500 over TLS; then the transport is as good as new.

        Each has to end after a few turns of the event loop: it waits for nothing that takes time.
        """
        sweep = Sweep(self, random.Random(20260))
        count = 500 if self.tls else 2000  # a handshake takes longer than all the rest
        await sweep.run(count)
        assert sweep.cancelled == count
        assert sweep.most_turns <= MOST_TURNS

    @in_a_loop
    async def test_a_cancelled_request_is_not_sent_on(self) -> None:
        """Also what already waits in a buffer stays there, and the connection is not kept for it."""
        async with self.origin(narrow=True) as origin:

            async def serve(peer: Peer) -> None:
                await peer.head()
                peer.pause()
                await stay.wait()

            stay = asyncio.Event()
            origin.serve = serve
            transport = self.open()
            for cancels in (True, False):
                before = sockets()
                call = asyncio.ensure_future(
                    send(transport, make_request("PATCH", origin.url, LARGE), timeout=5.0 if cancels else SHORT)
                )
                peer = await origin.peer(0 if cancels else 1)
                await settle(20)
                if cancels:
                    call.cancel()
                (ending,) = await together(call)
                if cancels:
                    assert isinstance(ending, asyncio.CancelledError)
                else:
                    assert (type(ending.failure), ending.sent) == (ReadTimeout, True)
                await settle()
                assert sockets() <= before + 1, "the connection stays open for what is unsent"  # 1 is the origin's end
                peer.resume()
                await peer.gone.wait()
                assert len(peer.received) < len(LARGE)
            stay.set()

    @in_a_loop
    async def test_what_is_said_of_a_cancelled_request_is_true(self) -> None:
        """At each turn of the event loop until it is sent, where another one is under way."""
        transport = self.open()
        async with self.origin() as origin, self.under_way(transport):
            for turns in range(12):
                assert (await send_to(origin, transport, make_request("GET", origin.url))).response.body == b"ok"
                request = make_request("PATCH", origin.url, b"{}")
                call = asyncio.ensure_future(transport.send(request, timeout=5.0))
                await settle(turns)
                call.cancel()
                await together(call)
                await settle(20)
                assert request.call.attempts[-1].sent or not origin.got(mark(request)), f"after {turns} turns"


class Sweep:
    """Many sends, each cancelled at some instant of one of its phases."""

    def __init__(self, promises: Promises, rng: random.Random) -> None:
        self.cancelled = 0
        self.most_turns = 0
        self._promises = promises
        self._transport = promises.open()
        self._rng = rng
        self._waiting: dict[bytes, asyncio.Event] = {}
        self._stay = asyncio.Event()

    async def run(self, count: int) -> None:
        """Cancel so many, ten at once; afterwards, see what the server has got."""
        make, serve = self._promises.origin, self._serve
        async with make(serve) as origin, make(serve, narrow=True) as narrow, self._promises.hole() as hole:
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
                request = make_request("GET", f"{origin.url}/respond")
                assert (await send_to(origin, self._transport, request)).response.body == b"ok"
            await self._transport.aclose()
            for peer in narrow.peers:
                peer.resume()
            for peer in origin.peers + narrow.peers:
                await peer.gone.wait()
                assert len(peer.received) < len(LARGE), "what was cancelled was sent on"
            self._stay.set()

    async def _serve(self, peer: Peer) -> None:
        while True:
            head = await peer.head()
            phase = head.split(b" ", 2)[1].strip(b"/")
            if phase == b"respond":
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
        arrival = asyncio.ensure_future(arrived.wait())
        await asyncio.wait([call, arrival], return_when=asyncio.FIRST_COMPLETED)
        if not arrived.is_set():
            arrival.cancel()
            raise AssertionError(f"the request did not arrive: {call.exception()!r}") from call.exception()
        await settle(self._rng.randrange(6))
        await self._cancel(call)
        del self._waiting[mark(request)]

    async def _anywhere(self, origin: RawOrigin) -> None:
        turns = 40  # more than a call takes; then as many as it took
        while True:
            call = self._start(make_request("GET", f"{origin.url}/respond"))
            wanted = self._rng.randrange(turns)
            turns = 1
            while turns <= wanted and not call.done():
                await settle(1)
                turns += 1
            if not call.done():
                await self._cancel(call)
                return
            assert (await call).body == b"ok"

    def _start(self, request: Request) -> "asyncio.Task[Any]":
        return asyncio.ensure_future(self._transport.send(request, timeout=10.0))

    async def _cancel(self, call: "asyncio.Task[Any]") -> None:
        call.cancel()
        turns = 0
        while not call.done():
            await settle(1)
            turns += 1
        self.most_turns = max(self.most_turns, turns)
        self.cancelled += call.cancelled()
        if not call.cancelled():
            error = call.exception()
            raise AssertionError(f"a cancelled send ended otherwise: {error!r}") from error
