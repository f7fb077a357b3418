"""Sources that tell when they have a new token."""

from collections.abc import Callable

import attrs

from norce_order_async.auth.source import Secretive


@attrs.define(eq=False)
class Refreshing(Secretive):
    """A base of sources whose token changes."""

    _on_refresh: dict[Callable[[], None], None] = attrs.field(
        factory=dict[Callable[[], None], None], init=False, repr=False, kw_only=True
    )

    def tell_of_refresh(self, hook: Callable[[], None]) -> None:
        """Have a hook called whenever calls get another token from now on; once, however often it is given.

        It is called in the thread where that is known, after those that came before it. It must be quick and raise
        nothing.
        """
        self._on_refresh[hook] = None

    def _tell_refresh(self) -> None:
        for hook in tuple(self._on_refresh):
            hook()
