"""The token sources of a client and its scoped views, closed with it."""

import asyncio
from typing import Any, Protocol, TypeGuard
from weakref import WeakValueDictionary

from norce_order_async.core.errors import ConfigurationError


class _Closable(Protocol):
    async def aclose(self) -> Any: ...


def _is_closable(source: object) -> TypeGuard[_Closable]:
    # Not by a runtime_checkable protocol: that takes ten times as long as all else of a scoped view.
    return callable(getattr(source, "aclose", None))


class TokenSources:
    """The sources that have to be closed.

    Those of scoped views are not kept alive: who throws one away closes it.

    Args:
        own: The client's own source, or its token.
    """

    def __init__(self, own: object) -> None:
        self._own = own if _is_closable(own) else None
        # By identity, as two may be equal, or have no hash; and in the order in which they came.
        self._scoped: WeakValueDictionary[int, _Closable] = WeakValueDictionary()

    def add(self, source: object) -> None:
        """Take the source of a scoped view, or its token.

        Raises:
            ConfigurationError: It has an aclose(), and no place for weak references.
        """
        if _is_closable(source) and source is not self._own:
            try:
                self._scoped[id(source)] = source
            except TypeError:
                place = "a place for weak references, such as @dataclass(slots=True, weakref_slot=True)"
                raise ConfigurationError(f"a token source with aclose() needs {place}") from None

    async def aclose(self) -> None:
        """Close those that are still used."""
        # From a list of references, made at once: another thread may add a source meanwhile.
        sources = [source for reference in self._scoped.valuerefs() if (source := reference()) is not None]
        if self._own is not None:
            sources.append(self._own)
        for failure in await asyncio.gather(*(source.aclose() for source in sources), return_exceptions=True):
            if isinstance(failure, BaseException):
                raise failure
