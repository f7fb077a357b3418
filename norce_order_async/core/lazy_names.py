"""Names that a module gives and another one has, each loaded when it is first used."""

import os
import sys
from threading import RLock

_PACKAGE = "norce_order_async"
_LOADING = RLock()
"""Held while a name is loaded, as modules that two threads load at once may be seen half made. No module of the package
uses such a name while it is imported itself: it would wait here, with its own lock held, for who may wait for that."""
if hasattr(os, "register_at_fork"):  # a forked process has no thread that would let go of it
    os.register_at_fork(before=_LOADING.acquire, after_in_parent=_LOADING.release, after_in_child=_LOADING.release)


class LazyNames:
    """The names that a module gives and does not load by itself.

    Attributes:
        names: The names, sorted.

    Args:
        module: The module's own name.
        exports: Names, separated by spaces, by the module that has them, without the package.
        modules: Modules of the package, separated by spaces, that are given as attributes too.
    """

    def __init__(self, module: str, exports: dict[str, str], *, modules: str = "") -> None:
        self._module = module
        self._homes = {name: home for home, names in exports.items() for name in names.split()}
        self._modules = modules.split()
        self.names = sorted(self._homes)

    def load(self, name: str) -> object:
        """The module's ``__getattr__``: load a name, and keep it. One thread at a time does so.

        Raises:
            AttributeError: The module has no such name.
        """
        if name not in self._homes and name not in self._modules:
            raise AttributeError(f"module {self._module!r} has no attribute {name!r}")
        with _LOADING:
            from importlib import import_module

            if name in self._modules:
                return import_module(f"{_PACKAGE}.{name}")
            value = getattr(import_module(f"{_PACKAGE}.{self._homes[name]}"), name)
            setattr(sys.modules[self._module], name, value)
            return value

    def listed(self) -> list[str]:
        """The module's ``__dir__``."""
        return [*self.names, *self._modules]
