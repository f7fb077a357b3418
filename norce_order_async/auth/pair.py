"""The two tokens that Norce hands out."""

import math

import attrs

from norce_order_async.auth.refreshing import Refreshing
from norce_order_async.core.checks import check_token
from norce_order_async.core.clock import Clock, SystemClock
from norce_order_async.core.errors import ConfigurationError

_PAUSE = 60.0  # seconds


def _check_one(instance: object, attribute: object, value: str) -> None:
    check_token(value)


@attrs.define(eq=False)
class TokenPair(Refreshing):
    """The primary and the secondary token that Norce hands out, so that either can be changed without an outage.

    All calls send the same one, at first the primary. A 401 on it moves all of them to the other, and the refused
    call is sent again with that. Where the other was refused within the last 60 seconds the 401 stands instead, so
    two bad tokens cost one try of the other a minute, not one a call. A call that is refused with both moves nobody:
    the calls go on with the token from before. Nothing else moves back by itself; a later 401 on the secondary tries
    the primary again. A new token needs a new pair, and so a new client.

    Attributes:
        primary: A token, without the word Bearer.
        secondary: Another one.
        clock: Where time comes from; tests replace it.

    Raises:
        ConfigurationError: One of them cannot be a token, or they are the same.
    """

    primary: str = attrs.field(repr=False, validator=_check_one)
    secondary: str = attrs.field(repr=False, validator=_check_one)
    clock: Clock = attrs.field(factory=SystemClock, kw_only=True, repr=False)
    _current: str = attrs.field(init=False, repr=False)
    _refused_at: dict[str, float] = attrs.field(factory=dict[str, float], init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.primary == self.secondary:
            raise ConfigurationError("primary and secondary are the same token")
        self._current = self.primary

    async def get(self, *, rejected: str | None = None) -> str:
        """The token that all calls use now; ``rejected`` moves them to the other, as the class describes."""
        current = self._current
        if rejected != current:
            return current
        now = self.clock.monotonic()
        self._refused_at[current] = now
        if now - self._refused_at.get(self._other, -math.inf) >= _PAUSE:
            self._move()
        return self._current

    def refused_too(self, token: str) -> None:
        """Go back from this token: what a call meets with both says nothing of either.

        :meta private:
        """
        self._refused_at[token] = self.clock.monotonic()
        if token == self._current:
            self._move()

    @property
    def _other(self) -> str:
        return self.secondary if self._current == self.primary else self.primary

    def _move(self) -> None:
        self._current = self._other
        self._tell_refresh()
