"""Sources that tell when they have a new token."""

from collections.abc import Callable

import attrs

from norce_order_async.core.secretive import Secretive


@attrs.define(eq=False)
class Refreshing(Secretive):
    """A base of sources whose token changes.

    Attributes:
        on_refresh: Called, one after the other, whenever calls get another token from now on, in the thread where that
            is known. They must be quick and raise nothing.
    """

    on_refresh: list[Callable[[], None]] = attrs.field(
        factory=list[Callable[[], None]], init=False, repr=False, kw_only=True
    )

    def refused_too(self, token: str) -> None:
        """Hear that a token, which took the place of a refused one, was refused in the same call as well.

        :meta private:
        """

    def _tell_refresh(self) -> None:
        for hook in tuple(self.on_refresh):
            hook()
