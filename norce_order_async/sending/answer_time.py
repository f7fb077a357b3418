"""How long answers take, and whether a call that has waited for its turn can still get one."""

_OF_LAST = 8


class AnswerTime:
    """A moving average of the seconds that the attempts of a shop take."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds = 0.0

    def add(self, seconds: float) -> None:
        """Note how long an attempt took."""
        self._seconds += (seconds - self._seconds) / _OF_LAST

    def is_too_late(self, came: float, turn: float, deadline: float) -> bool:
        """Whether a call that came at a time is better not begun when its turn comes.

        Most of what it had is over then, and what is left is less than twice the time of an answer: such a call takes
        the place of one that could succeed, and ends in its deadline with an unknown outcome. One that does not wait
        is always begun.

        Args:
            came: When it began to wait.
            turn: When its turn comes.
            deadline: When it must have ended.
        """
        return deadline - turn < min(2 * self._seconds, (deadline - came) / 2)
