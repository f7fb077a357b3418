"""The sandbox's calls over sockets: to loopback addresses, and to hosts that were named."""

import asyncio
import re
import socket
from collections.abc import Collection

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from norce_order_async.core.settings import is_loopback
from norce_order_async.core.wording import beginning
from norce_order_async.receiving.replies import Reply
from norce_order_async.testing.sandbox.checks import MAX_BODY
from norce_order_async.testing.sandbox.exchange import AdapterCall, NoAnswerError, NotAllowedError
from norce_order_async.transport.resolver import is_address

_MOST_NOTIFICATIONS = 50
_IS_URL = re.compile(r"(?:[\w.~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*", re.ASCII).fullmatch


class Network:
    """POSTs to adapters. It follows no redirect and uses no proxy; no answer is read beyond 2 MiB.

    Args:
        hosts: Names of hosts that may be called whatever their address.

    Attributes:
        notifications: How many of them may be under way. Other calls never wait: a change, and its adapter's deadline,
            would wait with them.
    """

    def __init__(self, hosts: Collection[str]) -> None:
        self.notifications = asyncio.Semaphore(_MOST_NOTIFICATIONS)
        self._hosts = frozenset(host.lower() for host in hosts)
        resolver = _Resolver(self._hosts)
        self._session = aiohttp.ClientSession(
            # A kept connection may have been closed by an adapter that restarted.
            connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, limit=0, force_close=True),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def __call__(self, call: AdapterCall) -> Reply:
        """Make one call.

        Raises:
            NotAllowedError: Neither a loopback address nor a named host, or no URL of HTTP.
            NoAnswerError: The answer is too large, or its status is none from 200 to 599.
            OSError: There is no connection. What else aiohttp raises comes as it is.
        """
        url = _url(call.url)
        host = url.host or ""
        if host.lower() not in self._hosts and is_address(host):
            _check(host, host)
        headers = {**call.headers, "content-type": "application/json"}
        async with self._session.post(url, data=call.body, headers=headers, allow_redirects=False) as response:
            body = await read_body(response.content, MAX_BODY)
            if len(body) > MAX_BODY:
                raise NoAnswerError("its answer is too large")
            if not 200 <= response.status <= 599:
                raise NoAnswerError(f"it answered with status {response.status}")
            return Reply(response.status, body)

    async def aclose(self) -> None:
        """Cut the connections."""
        await self._session.close()


async def read_body(content: aiohttp.StreamReader, most: int) -> bytes:
    """A body, or a little more than ``most`` bytes of it."""
    body = bytearray()
    while len(body) <= most and (part := await content.readany()):
        body += part
    return bytes(body)


class _Resolver(AbstractResolver):
    """Looks names up; the addresses that it gives are those that are connected to."""

    def __init__(self, hosts: frozenset[str]) -> None:
        self._hosts = hosts

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await aiohttp.ThreadedResolver().resolve(host, port, family)
        if host.lower() not in self._hosts:
            for one in found:
                _check(one["host"], host)
        return found

    async def close(self) -> None:
        """There is nothing to close."""


def _url(text: str) -> URL:
    """The URL as it is connected to: another parser might find another host in it."""
    try:
        # As it is registered; only what cannot stand in a URL is escaped.
        url = URL(text, encoded=_IS_URL(text) is not None)
        if url.scheme in ("http", "https") and url.host and "{" not in text:
            return url
    except ValueError:
        pass
    raise NotAllowedError("its address is no URL of HTTP, or has placeholders that nobody fills")


def _check(address: str, host: str) -> None:
    if not is_loopback(address):
        raise NotAllowedError(f"the host {beginning(host)} is not on this machine, and was not allowed")
