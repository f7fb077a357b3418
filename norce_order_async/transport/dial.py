"""Making a connection for :class:`HttptoolsTransport`: the host's addresses, a proxy's tunnel, TLS."""

import asyncio
import re
import socket
import ssl
from base64 import b64encode
from functools import lru_cache
from typing import Self

import attrs
from aiohappyeyeballs import remove_addr_infos, start_connection  # pyright: ignore[reportUnknownVariableType]
from yarl import URL

from norce_order_async.core.errors import InvalidRequestError, ProxyError
from norce_order_async.transport.errors import (
    PROXY_CUT_OFF,
    PROXY_NOT_HTTP,
    forget_frames,
    not_connected,
    place_of,
)
from norce_order_async.transport.messages import MAX_HEAD
from norce_order_async.transport.proxy import proxy_url
from norce_order_async.transport.resolver import Address, HostResolver

_HAPPY_EYEBALLS = 0.25
"""Seconds after which the next one of a host's addresses is tried beside the first."""
_HEAD_ENDS = re.compile(rb"\r?\n\r?\n")
_HEAD = re.compile(
    rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?\r?\n"
    rb"(?:[!#-'*+.^_`|~0-9A-Za-z-]+:[^\r\n\0]*\r?\n(?:[ \t][^\r\n\0]*\r?\n)*)*\r?\n"
)
"""The head of a proxy's answer, with its status: lines, and headers that may be folded."""
_BEGINNING = b"HTTP/1."


@attrs.frozen
class Origin:
    """Where requests go to.

    Attributes:
        host: A name, with its letters as DNS has them, or an address.
        port: The port.
        tls: Whether its URL is https.
        netloc: What the ``Host`` header says.
        url: All of it, without a path.
    """

    host: str
    port: int
    tls: bool
    netloc: str
    url: str

    @classmethod
    @lru_cache(maxsize=1024)  # one for each shop that has its own host
    def of(cls, url: str) -> "Origin":
        """The origin of a URL without a path.

        Raises:
            InvalidRequestError: It cannot be sent; a middleware has set it.
        """
        if not url.isprintable():
            raise InvalidRequestError("the address holds a line break, or is not text")
        parts = URL(url)
        netloc = parts.host_port_subcomponent or ""
        tls = parts.scheme == "https"
        return cls(parts.raw_host or "", parts.port or 0, tls, netloc, f"{parts.scheme}://{netloc}")

    @property
    def address(self) -> str:
        """Host and port, as a CONNECT request names them."""
        return place_of(self.host, self.port)


@attrs.frozen
class Proxy:
    """An HTTP proxy.

    Attributes:
        host: Its host.
        port: Its port.
        authorization: What ``Proxy-Authorization`` says; None without credentials.
    """

    host: str
    port: int
    authorization: str | None = attrs.field(repr=False)

    @property
    def lines(self) -> list[str]:
        """The lines that the head of a request through it has besides."""
        return [] if self.authorization is None else [f"Proxy-Authorization: {self.authorization}"]

    @classmethod
    def parse(cls, url: object) -> Self:
        """The proxy at a URL, which may hold a user and a password.

        Raises:
            ConfigurationError: It is none; see :func:`proxy_url`.
        """
        parts = proxy_url(url, ("http",))
        authorization = None
        if parts.user is not None or parts.password is not None:
            credentials = f"{parts.user or ''}:{parts.password or ''}".encode("latin-1")
            authorization = f"Basic {b64encode(credentials).decode()}"
        return cls(parts.raw_host or "", parts.port or 0, authorization)


async def dial(
    protocol: asyncio.BaseProtocol,
    origin: Origin,
    *,
    resolver: HostResolver,
    context: ssl.SSLContext | None,
    proxy: Proxy | None,
) -> None:
    """Connect a protocol to an origin.

    Raises:
        OSError: That failed.
        ProxyError: The proxy failed, or refused.
    """
    try:
        host, port = (origin.host, origin.port) if proxy is None else (proxy.host, proxy.port)
        addresses = await resolver.resolve(host.rstrip(".") + "." if host.endswith("..") else host, port)
        while True:
            # As aiohttp does it: asyncio's own way of trying several addresses leaves sockets open when cancelled.
            sock = await start_connection(addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS)
            others = _others(addresses, sock)
            try:
                await _connect(sock, protocol, origin, context, proxy)
            except OSError:
                if not others:
                    raise
                addresses = others
            else:
                return
    except (OSError, RuntimeError) as error:
        if proxy is None or isinstance(error, ssl.SSLError):
            raise
        forget_frames(error)
        failure = not_connected(error, place_of(proxy.host, proxy.port), ProxyError)
    try:
        raise failure
    finally:
        del failure


def _others(addresses: list[Address], sock: socket.socket) -> list[Address]:
    """The addresses besides the one that a socket is connected to."""
    others = list(addresses)
    try:
        remove_addr_infos(others, sock.getpeername())
    except (OSError, ValueError):  # it was reset already, or its address has another form there
        del others[0]
    return others


async def _connect(
    sock: socket.socket,
    protocol: asyncio.BaseProtocol,
    origin: Origin,
    context: ssl.SSLContext | None,
    proxy: Proxy | None,
) -> None:
    is_ours = True

    def hand_over() -> asyncio.BaseProtocol:
        nonlocal is_ours
        is_ours = False  # the loop owns it from here on, and may still use its descriptor after a cancellation
        return protocol

    try:
        if proxy is not None and origin.tls:
            await _open_tunnel(sock, origin, proxy)
        name = origin.host.rstrip(".") if context else None  # no certificate has the dot
        await asyncio.get_running_loop().create_connection(hand_over, sock=sock, ssl=context, server_hostname=name)
    finally:
        if is_ours:
            sock.close()


async def _open_tunnel(sock: socket.socket, origin: Origin, proxy: Proxy) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, _connect_request(origin, proxy))
    status, came, size = 100, b"", 0
    while 100 <= status < 200 and status != 101:  # an interim answer, or none yet
        while (end := _HEAD_ENDS.search(came)) is None:
            more = await loop.sock_recv(sock, 4096)
            came = (came + more).lstrip(b"\r\n")
            size += len(more)
            if not _BEGINNING.startswith(came[: len(_BEGINNING)]):
                raise ProxyError(PROXY_NOT_HTTP, sent=False)
            if not more or size > MAX_HEAD:
                raise ProxyError(PROXY_CUT_OFF, sent=False)
        head = _HEAD.fullmatch(came, 0, end.end())
        if head is None:
            raise ProxyError(PROXY_NOT_HTTP, sent=False)
        status, came = int(head[1]), came[end.end() :]
    if status != 200:
        raise ProxyError(f"the proxy answered {status}", sent=False)
    if came:
        raise ProxyError("the proxy sent something before the server could", sent=False)


def _connect_request(origin: Origin, proxy: Proxy) -> bytes:
    lines = [f"CONNECT {origin.address} HTTP/1.1", f"Host: {origin.address}", *proxy.lines]
    return "\r\n".join([*lines, "", ""]).encode()
