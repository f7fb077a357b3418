"""The token sources of a client and its scoped views, closed with it."""

import asyncio
from typing import Any, Protocol, runtime_checkable
from weakref import WeakSet


@runtime_checkable
class _Closable(Protocol):
    async def aclose(self) -> Any: ...


class TokenSources:
    """The sources that have to be closed.

    Those of scoped views are not kept alive: who throws one away closes it.

    Args:
        own: The client's own source, or its token.
    """

    def __init__(self, own: object) -> None:
        self._own = own if isinstance(own, _Closable) else None
        self._scoped: WeakSet[_Closable] = WeakSet()

    def add(self, source: object) -> None:
        """Take the source of a scoped view, or its token."""
        if isinstance(source, _Closable) and source is not self._own:
            self._scoped.add(source)

    async def aclose(self) -> None:
        """Close those that are still used."""
        sources = list(self._scoped)
        if self._own is not None:
            sources.append(self._own)
        for failure in await asyncio.gather(*(source.aclose() for source in sources), return_exceptions=True):
            if isinstance(failure, BaseException):
                raise failure
