"""Heads and bodies that are long, odd, or packed."""

import asyncio
import gzip
import zlib

import pytest

from norce_order_async.testing.conformance.base import Promises, in_a_loop, send_to
from norce_order_async.testing.conformance.lines import expect_no_answer, in_pieces, of, then_close
from norce_order_async.testing.conformance.origin import OK, Peer, responding, response_bytes
from norce_order_async.transport.messages import MAX_BODY

_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"

LONG: dict[str, bytes] = {
    "a header of 8.3 kB": b"X: " + b"x" * 8300,
    "a header of 60 kB": b"X: " + b"x" * 60_000,
    "150 headers": b"\r\n".join(b"X-%d: y" % n for n in range(150)),
    "900 headers": b"\r\n".join(b"X-%d: %s" % (n, b"y" * 40) for n in range(900)),
}
TOO_LONG: dict[str, bytes] = {
    "a header of 70 kB": b"X: " + b"x" * 70_000,
    "100 kB in 50 headers": b"\r\n".join(b"X-%d: %s" % (n, b"y" * 2000) for n in range(50)),
    "1,100 headers": b"\r\n".join(b"X-%d: y" % n for n in range(1100)),
}
ODD: dict[str, bytes] = {
    "padded chunk sizes": _CHUNKED + b"\r\n2  \r\nhe\r\n3 \r\nllo\r\n0  \r\n\r\n",
    "leading zeros": _CHUNKED + b"\r\n0005\r\nhello\r\n000\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nX-Folded: a b\nContent-Length: 5\n\nhello",
    "a folded header": b"HTTP/1.1 200 OK\r\nX-Folded: a\r\n  b\r\nContent-Length: 5\r\n\r\nhello",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
    "chunks, a space before the colon": _CHUNKED.replace(b"g:", b"g :") + b"\r\n5\r\nhello\r\n0\r\n\r\n",
    "trailers": _CHUNKED + b"\r\n5\r\nhello\r\n0\r\nX-Folded: c\r\nContent-Encoding: gzip\r\n\r\n",
    "odd characters": b"HTTP/1.1 200 \xe5\x07\r\nX-Odd: \xff\x07\r\nContent-Length: 5\r\n\r\nhello",
}
AMBIGUOUS: dict[str, bytes] = {
    "two equal lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
    "chunks, then a length": _CHUNKED + b"Content-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "a length, then chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk that ends with LF": _CHUNKED + b"\r\n5\nhello\n0\n\n",
    "a NUL in a header": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 5\r\n\r\nhello",
    "a CR in a header": b"HTTP/1.1 200 OK\r\nX: a\rContent-Length: 5\r\n\r\nhello",
}


class Reading(Promises):
    """Heads and bodies that are long, odd, or packed."""

    # Heads

    @pytest.mark.parametrize("which", LONG)
    @in_a_loop
    async def test_a_long_head_is_read(self, which: str) -> None:
        """With one request: to take it for no response would leave unknown what was done."""
        line = b"HTTP/1.1 200 OK\r\n" + LONG[which] + b"\r\nContent-Length: 2\r\n\r\nok"
        async with self.origin(responding(line)) as origin:
            ending = await send_to(origin, self.open(), of("DELETE", origin))
            assert (ending.response.status, ending.response.body) == (200, b"ok")
            assert len(origin.requests) == 1

    @pytest.mark.parametrize("which", TOO_LONG)
    @in_a_loop
    async def test_a_head_that_is_too_long_is_no_answer(self, which: str) -> None:
        """64 KiB and 1,000 headers are enough; the limits are the same in every transport."""
        line = b"HTTP/1.1 200 OK\r\n" + TOO_LONG[which] + b"\r\nContent-Length: 2\r\n\r\nok"
        await expect_no_answer(self, line)

    @pytest.mark.parametrize("which", ODD)
    @in_a_loop
    async def test_an_odd_answer_is_read_where_it_has_one_meaning(self, which: str) -> None:
        """In one piece or byte by byte, and the connection is as good as before."""
        pieces = [ODD[which][n : n + 1] for n in range(len(ODD[which]))]
        async with self.origin(responding(ODD[which], in_pieces(*pieces), OK)) as origin:
            transport = self.open()
            for _ in range(2):
                response = (await send_to(origin, transport, of("GET", origin))).response
                assert (response.status, response.body) == (200, b"hello")
                assert response.headers.get("x-folded", "a b").split() == ["a", "b"]
                assert "\n" not in response.headers.get("x-folded", "")
            assert (await send_to(origin, transport, of("GET", origin))).response.body == b"ok"
            assert len(origin.peers) == 1

    @pytest.mark.parametrize("which", AMBIGUOUS)
    @in_a_loop
    async def test_an_answer_with_two_meanings_is_none(self, which: str) -> None:
        """Where its body ends is a guess then, and what follows could answer another request."""
        await expect_no_answer(self, then_close(AMBIGUOUS[which]))

    # Bodies that are too large

    @pytest.mark.parametrize("status", [200, 404, 500])
    @pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
    @in_a_loop
    async def test_of_a_huge_body_the_beginning_is_read(self, status: int, chunked: bool) -> None:
        """The response stands, marked as truncated: a 2xx was applied, whatever the size of its body."""

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

        async with self.origin(responding(line, OK)) as origin:
            transport = self.open(max_body=50_000)
            ending = await send_to(origin, transport, of("PATCH", origin))
            assert (ending.response.status, ending.response.truncated) == (status, True)
            assert ending.response.body == b"x" * 50_000
            await origin.peers[0].gone.wait()
            assert (await send_to(origin, transport, of("GET", origin))).response.body == b"ok"

    @in_a_loop
    async def test_a_body_of_just_the_limit_is_whole(self) -> None:
        """The limit itself is not too much."""
        async with self.origin(responding(response_bytes(200, b"x" * 1000))) as origin:
            ending = await send_to(origin, self.open(max_body=1000), of("GET", origin))
            assert (ending.response.body, ending.response.truncated) == (b"x" * 1000, False)

    @in_a_loop
    async def test_sixteen_megabytes_are_read_without_asking(self) -> None:
        """And not more, unless the transport is told so."""
        async with self.origin(
            responding(response_bytes(200, bytes(MAX_BODY)), response_bytes(200, bytes(MAX_BODY + 1)))
        ) as origin:
            transport = self.open()
            whole, cut = [(await send_to(origin, transport, of("GET", origin))).response for _ in range(2)]
            assert (len(whole.body), whole.truncated) == (16 * 1024 * 1024, False)
            assert (len(cut.body), cut.truncated) == (16 * 1024 * 1024, True)

    # Bodies that are packed, though nobody asked for it

    @pytest.mark.parametrize(
        "coding",
        ["gzip", "gzip in padded parts", "GZIP", "x-gzip", "deflate", "deflate without a header", "identity", ""],
    )
    @in_a_loop
    async def test_a_packed_body_is_unpacked(self, coding: str) -> None:
        """Where its encoding is named; the header is gone then."""
        plain = b'{"a":1}' * 1000
        raw = zlib.compressobj(wbits=-15)
        packed = {
            "": plain,
            "identity": plain,
            "deflate": zlib.compress(plain),
            "deflate without a header": raw.compress(plain) + raw.flush(),
            "gzip in padded parts": gzip.compress(plain[:10]) + bytes(8) + gzip.compress(plain[10:]) + bytes(8),
        }.get(coding, gzip.compress(plain[:10]) + gzip.compress(plain[10:]))
        async with self.origin(
            responding(response_bytes(200, packed, Content_Encoding=coding.split(" ")[0]))
        ) as origin:
            response = (await send_to(origin, self.open(), of("GET", origin))).response
            assert (response.body, response.truncated) == (plain, False)
            assert "content-encoding" not in response.headers

    @in_a_loop
    async def test_of_a_packed_body_the_beginning_is_unpacked(self) -> None:
        """It may be a bomb."""
        bomb = gzip.compress(bytes(50_000_000))
        async with self.origin(responding(response_bytes(200, bomb, Content_Encoding="gzip"), OK)) as origin:
            transport = self.open(max_body=100_000)
            response = (await send_to(origin, transport, of("GET", origin))).response
            assert (response.body, response.truncated) == (bytes(100_000), True)
            assert (await send_to(origin, transport, of("GET", origin))).response.body == b"ok"

    @pytest.mark.parametrize("first", ["br", "gzip"])
    @in_a_loop
    async def test_a_body_with_two_encodings_is_returned_as_it_came(self, first: str) -> None:
        """In two lines as well as in one."""
        body = gzip.compress(gzip.compress(b"twice"))
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {first}\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}"
        async with self.origin(responding(head.encode() + b"\r\n\r\n" + body)) as origin:
            response = (await send_to(origin, self.open(), of("GET", origin))).response
            assert response.body == body
            assert "content-encoding" in response.headers

    @pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br", "gzip", "deflate"])
    @in_a_loop
    async def test_what_cannot_be_unpacked_is_returned_as_it_came(self, coding: str) -> None:
        """With the header that names its encoding: the status counts all the same. Very many parts are no encoding."""
        for body in (b"\x1f\x8b\x08 or not", gzip.compress(b"whole")[:-4], gzip.compress(b"") * 200_000):
            async with self.origin(responding(response_bytes(200, body, Content_Encoding=coding))) as origin:
                response = (await send_to(origin, self.open(), of("PATCH", origin))).response
                assert (response.status, response.body, response.truncated) == (200, body, False)
                assert response.headers["content-encoding"] == coding
