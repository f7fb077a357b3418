"""Bodies in gzip or deflate, which are sent by some gateways although nobody asks for them."""

import zlib

_WINDOWS = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}
"""The window bits that zlib takes. ``deflate`` has zlib's header by the standard, and often comes without one."""
_MOST_PARTS = 100
"""A body in more parts is not unpacked: zlib copies what follows each."""


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
    plain, parts = bytearray(), 0
    while body and len(plain) <= limit:
        if (parts := parts + 1) > _MOST_PARTS:
            raise zlib.error("too many parts")
        part = zlib.decompressobj(window)
        plain += part.decompress(body, limit + 1 - len(plain))
        if len(plain) <= limit and not part.eof:
            raise zlib.error("the end is missing")
        body = part.unused_data.lstrip(b"\0")  # gzip may be in several parts, and padded
    return bytes(plain)
