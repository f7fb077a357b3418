"""Answers that break rules, or that others than the API give; with each, whether the origin made the change."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from enum import Enum, auto

import attrs

from norce_order_async.testing.conformance.origin import Peer, Serve, response_bytes


class Truth(Enum):
    """What the origin does before it answers so."""

    MADE = auto()
    """It makes the change: what is or may be read as a yes."""
    EITHER = auto()
    """It makes the change or not, which such an answer does not tell."""
    REFUSED = auto()
    """It makes no change: a no."""


@attrs.frozen
class Kind:
    """One kind of answer.

    Attributes:
        truth: What it means.
        write: Makes the bytes, or the behaviour, of a good body and its type.
        goes_on: Whether the connection takes another request afterwards.
    """

    truth: Truth
    write: Callable[[bytes], bytes | Serve]
    goes_on: bool = True


JSON_TYPE = "application/json"
SHAPED = json.dumps({"code": "internal", "message": "it broke"}).encode()
PROBLEM = json.dumps({"type": "about:blank", "title": "Gateway", "status": 500, "detail": "x"}).encode()
PAGE = b"<!doctype html><html><title>Sign in</title></html>"
LATE = 0.6
"""Seconds after which a late answer comes: longer than an attempt may take while the event loop turns."""


def head(start: str, *lines: str) -> bytes:
    return "\r\n".join([start, *lines, "", ""]).encode("latin-1")


def typed(body: bytes, status: int = 200, **headers: str) -> bytes:
    return response_bytes(status, body, **({"Content_Type": JSON_TYPE} | headers))


def measured(*lines: str, start: str = "HTTP/1.1 200 OK") -> Callable[[bytes], bytes]:
    """A whole good answer with these headers beside the usual ones."""
    return lambda body: head(start, f"Content-Type: {JSON_TYPE}", f"Content-Length: {len(body)}", *lines) + body


def chunked(*pieces: str, lines: tuple[str, ...] = ()) -> Callable[[bytes], bytes]:
    """A good answer in chunks; SIZE and BODY stand for those of the body."""

    def write(body: bytes) -> bytes:
        text = "".join(pieces).replace("SIZE", f"{len(body):x}").replace("BODY", body.decode())
        return (
            head("HTTP/1.1 200 OK", f"Content-Type: {JSON_TYPE}", "Transfer-Encoding: chunked", *lines) + text.encode()
        )

    return write


def before(data: bytes) -> Callable[[bytes], bytes]:
    return lambda body: data + typed(body)


def after(data: bytes) -> Callable[[bytes], bytes]:
    return lambda body: typed(body) + data


def fixed(data: bytes) -> Callable[[bytes], bytes]:
    return lambda _: data


def packed(coding: str, pack: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda body: typed(pack(body), Content_Encoding=coding)


def raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def then_reset(make: Callable[[bytes], bytes]) -> Callable[[bytes], Serve]:
    """Write it, and cut when it has arrived."""

    def write(body: bytes) -> Serve:
        async def behave(peer: Peer) -> None:
            peer.write(make(body))
            await asyncio.sleep(0.005)
            peer.reset()

        return behave

    return write


def in_pieces(body: bytes) -> Serve:
    async def behave(peer: Peer) -> None:
        data = typed(body)
        for start in range(0, len(data), 40):
            peer.write(data[start : start + 40])
            await asyncio.sleep(0.001)

    return behave


def later(seconds: float) -> Callable[[bytes], Serve]:
    def write(body: bytes) -> Serve:
        async def behave(peer: Peer) -> None:
            await asyncio.sleep(seconds)
            peer.write(typed(body))

        return behave

    return write


def silence(_: bytes) -> Serve:
    async def behave(peer: Peer) -> None:
        await peer.end()

    return behave


def half_closed(data: bytes | None) -> Callable[[bytes], Serve]:
    """Answer, or not, and send the end of the stream while still reading."""

    def write(body: bytes) -> Serve:
        async def behave(peer: Peer) -> None:
            peer.write(typed(body) if data is None else data)
            peer.half_close()
            await peer.end()

        return behave

    return write


def cut(make: Callable[[bytes], bytes], short: int = 3) -> Callable[[bytes], bytes]:
    return lambda body: make(body)[:-short]


def error(status: int, body: bytes = SHAPED, kind: str = JSON_TYPE, **headers: str) -> Callable[[bytes], bytes]:
    return fixed(response_bytes(status, body, Content_Type=kind, **headers))


Write = Callable[[bytes], bytes | Serve]


def made(write: Write, *, goes_on: bool = True) -> Kind:
    return Kind(Truth.MADE, write, goes_on)


def either(write: Write, *, goes_on: bool = True) -> Kind:
    return Kind(Truth.EITHER, write, goes_on)


def refused(write: Write) -> Kind:
    return Kind(Truth.REFUSED, write)


MADE = {
    "empty 200": made(fixed(response_bytes(200))),
    "204": made(fixed(head("HTTP/1.1 204 No Content"))),
    "204 with a body": made(fixed(response_bytes(204, b"surprise"))),
    "205": made(fixed(response_bytes(205))),
    "203, 206, 226": made(lambda body: typed(body, 203) if len(body) % 2 else typed(body, 226)),
    "plain text": made(fixed(response_bytes(200, b"OK", Content_Type="text/plain"))),
    "no type": made(lambda body: response_bytes(200, body)),
    "Connection: close": made(measured("Connection: close"), goes_on=False),
    "Connection: close, kept open": made(measured("Connection: close")),
    "HTTP/1.0": made(measured(start="HTTP/1.0 200 OK"), goes_on=False),
    "HTTP/1.0 to the end": Kind(
        Truth.MADE, lambda body: head("HTTP/1.0 200 OK", f"Content-Type: {JSON_TYPE}") + body, goes_on=False
    ),
    "to the end": Kind(
        Truth.MADE, lambda body: head("HTTP/1.1 200 OK", f"Content-Type: {JSON_TYPE}") + body, goes_on=False
    ),
    "chunks": made(chunked("SIZE\r\nBODY\r\n0\r\n\r\n")),
    "padded chunks": made(chunked("SIZE  \r\nBODY\r\n0\r\n\r\n")),
    "chunks with extensions": made(chunked('SIZE;a="b"\r\nBODY\r\n0;c\r\n\r\n')),
    "chunks with trailers": made(chunked("SIZE\r\nBODY\r\n0\r\nX-Sum: 1\r\n\r\n", lines=("Trailer: X-Sum",))),
    "cut chunks": made(cut(chunked("SIZE\r\nBODY\r\n0\r\n\r\n"), 7), goes_on=False),
    "cut JSON": made(cut(measured()), goes_on=False),
    "reset JSON": made(then_reset(cut(measured())), goes_on=False),
    "gzip": made(packed("gzip", lambda body: gzip.compress(body, mtime=0))),
    "deflate": made(packed("deflate", zlib.compress)),
    "raw deflate": made(packed("deflate", raw_deflate)),
    "brotli": made(packed("br", lambda body: b"\x8b\x00\x80" + body)),
    "a long header": made(measured("X-Long: " + "x" * 8300)),
    "many headers": made(measured(*(f"X-{number}: y" for number in range(150)))),
    "a doubled length": made(lambda body: measured(f"Content-Length: {len(body)}")(body), goes_on=False),
    "a folded header": made(measured("X-Folded: a\r\n b")),
    "bare line feeds": made(lambda body: measured()(body).replace(b"\r\n", b"\n")),
    "no reason": made(measured(start="HTTP/1.1 200")),
    "a reason in latin-1": made(measured("X-Name: \xe5\xe4\xf6", start="HTTP/1.1 200 \xc5\xc4\xd6")),
    "cookies": made(measured("Set-Cookie: session=stray; Path=/")),
    "100 first": made(before(b"HTTP/1.1 100 Continue\r\n\r\n")),
    "103 first": made(before(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")),
    "an upgrade offered": made(measured("Upgrade: h2c", "Connection: Upgrade")),
    "stray bytes": made(after(b"\r\nstray\r\n")),
    "a second answer": made(after(response_bytes(200, b'{"id":"o_of_another","attributes":{"nonce":"stray"}}'))),
    "reset afterwards": made(then_reset(typed), goes_on=False),
    "half-closed afterwards": made(half_closed(None), goes_on=False),
    "in pieces": made(in_pieces),
    "slow": made(later(0.05)),
    "too late": made(later(LATE)),  # it is read as a yes where the event loop stands still until then
    "a large body": made(lambda body: typed(b" " * 300_000 + body)),
}

EITHER = {
    "HTML": either(fixed(response_bytes(200, PAGE, Content_Type="text/html; charset=utf-8"))),
    "HTML that is called JSON": either(fixed(typed(b"\xef\xbb\xbf\r\n " + PAGE))),
    "XML": either(fixed(response_bytes(200, b"<?xml?><soap/>", Content_Type="application/soap+xml"))),
    "packed HTML": Kind(
        Truth.EITHER,
        fixed(response_bytes(200, gzip.compress(PAGE, mtime=0), Content_Type="x/y", Content_Encoding="gzip")),
    ),
    "an error with 200": either(fixed(typed(SHAPED))),
    "an error with 201": either(fixed(typed(SHAPED, 201))),
    "problem details with 200": either(fixed(response_bytes(200, PROBLEM, Content_Type="application/problem+json"))),
    "202": either(fixed(response_bytes(202))),
    "101": either(fixed(head("HTTP/1.1 101 Switching", "Upgrade: x", "Connection: upgrade")), goes_on=False),
    "304": either(fixed(head("HTTP/1.1 304 Not Modified", "ETag: x"))),
    "302": either(fixed(response_bytes(302, Location="/api/v0/checkout/orders/elsewhere"))),
    "307": either(fixed(response_bytes(307, Location="/api/v0/checkout/orders/elsewhere"))),
    "300": either(error(300)),
    "status 42": either(lambda body: measured(start="HTTP/1.1 42 X")(body)),
    "status 600": either(error(600)),
    "status 999": either(error(999)),
    "status 2000": either(measured(start="HTTP/1.1 2000 OK"), goes_on=False),
    "a cut head": either(fixed(b"HTTP/1.1 200 OK\r\nContent-Ty"), goes_on=False),
    "a cut status": either(fixed(b"HTTP/1.1 2"), goes_on=False),
    "a cut body": either(cut(lambda body: response_bytes(200, body)), goes_on=False),
    "a cut page": either(cut(lambda _: response_bytes(200, PAGE, Content_Type="text/html")), goes_on=False),
    "nothing": either(fixed(b""), goes_on=False),
    "reset": either(then_reset(lambda _: b""), goes_on=False),
    "half-closed": either(half_closed(b""), goes_on=False),
    "only 100": either(fixed(b"HTTP/1.1 100 Continue\r\n\r\n"), goes_on=False),
    "ssh": either(fixed(b"SSH-2.0-OpenSSH_9.2\r\n"), goes_on=False),
    "noise": either(fixed(b"\x00\xff\x15\x03\x01" * 20), goes_on=False),
    "silence": either(silence, goes_on=False),
    "500": either(error(500)),
    "501": either(error(501)),
    "502": either(error(502, PAGE, "text/html")),
    "503": either(error(503, b"", Retry_After="1")),
    "522": either(error(522, PAGE, "text/html")),
    "530": either(error(530, b"error code: 1033", "text/plain")),
    "two lengths": either(lambda body: measured(f"Content-Length: {len(body) + 1}")(body), goes_on=False),
    "length and chunks": either(measured("Transfer-Encoding: chunked"), goes_on=False),
    "a bad length": either(fixed(head("HTTP/1.1 200 OK", "Content-Length: -5") + b"hello"), goes_on=False),
    "a bad chunk": either(fixed(head("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + b"zz\r\n"), goes_on=False),
    "a header with NUL": either(measured("X-Nul: a\0b"), goes_on=False),
    "no colon": either(measured("no colon here"), goes_on=False),
    "a huge head": either(measured("X: " + "x" * 200_000), goes_on=False),
}

REFUSED = (
    {
        str(status): refused(error(status))
        for status in (400, 401, 403, 405, 408, 409, 410, 413, 418, 422, 425, 451, 499)
    }
    | {
        "404 of the order": refused(error(404, b'{"code":"order-not-found","message":"none"}')),
        "404 as a page": refused(error(404, PAGE, "text/html")),
        "404 without a body": refused(error(404, b"")),
        "404 of a gateway": refused(error(404, b'{"message":"no Route matched with those values"}')),
        "404 as problem details": refused(
            error(404, b'{"title":"Not Found","status":404}', "application/problem+json")
        ),
        "400 and gone": refused(error(400, Connection="close")),
        "403 in gzip": refused(error(403, gzip.compress(SHAPED, mtime=0), Content_Encoding="gzip")),
        "403 in no charset": refused(error(403, SHAPED, "application/json; charset=idna")),
        "429": refused(error(429, Retry_After="1")),
    }
    | {
        f"429 with Retry-After {value!r}": refused(error(429, Retry_After=value))
        for value in ("2.0", "soon", "-1", "", "1e3", "inf", "9" * 400, "0", "Wed, 31 Feb 2026 25:61:00 GMT")
    }
)

KINDS: dict[str, Kind] = MADE | EITHER | REFUSED
