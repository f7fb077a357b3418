"""The resolver in the interface that aiohttp asks for."""

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from norce_order_async.transport.resolver import HostResolver


class AiohttpResolver(AbstractResolver):
    """Gives aiohttp the addresses that a :class:`HostResolver` knows."""

    def __init__(self, resolver: HostResolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host."""
        return [
            ResolveResult(hostname=host, host=address[0], port=address[1], family=kind, proto=0, flags=0)
            for kind, _, _, _, address in await self._resolver.resolve(host, port)
        ]

    async def close(self) -> None:
        """Nothing is kept here."""
