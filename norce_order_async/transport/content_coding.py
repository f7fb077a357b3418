"""Bodies in gzip or deflate, which are sent by some gateways although nobody asks for them."""

import re
import zlib

_WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
"""The window bits that zlib takes. ``deflate`` has zlib's header by the standard, and often comes without one."""
_MOST_PARTS = 10_000
"""A body in more parts is not unpacked."""
_PIECE = 4096
"""Bytes that zlib is given at once, because it copies what follows a part."""
_PADDING = re.compile(rb"\0*")


def unpack(coding: str, body: bytes, limit: int) -> bytes | None:
    """A body without its encoding, or more than ``limit`` bytes of it; None where that cannot be done."""
    if coding.lower() in ("", "identity"):
        return body
    for window in _WINDOWS.get(coding.lower(), ()):
        try:
            return _inflate(body, window, limit)
        except zlib.error:
            continue
    return None


def _inflate(body: bytes, window: int, limit: int) -> bytes:
    plain, at, parts = bytearray(), 0, 0
    while at < len(body) and len(plain) <= limit:
        if (parts := parts + 1) > _MOST_PARTS:
            raise zlib.error("too many parts")
        part = zlib.decompressobj(window)
        while len(plain) <= limit and not part.eof:
            piece = body[at : at + _PIECE]
            if not piece:
                raise zlib.error("the end is missing")
            plain += part.decompress(piece, limit + 1 - len(plain))
            at += len(piece) - len(part.unused_data)
        if (padding := _PADDING.match(body, at)) is not None:  # gzip may be in several parts, and padded
            at = padding.end()
    return bytes(plain)
