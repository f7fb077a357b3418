"""How long answers take, and whether a call that has waited for its turn can still get one."""

_FIRST = 0.001
_STEP = 1.1
_ENOUGH = 1.5


class AnswerTime:
    """The median of the seconds that the attempts of a shop take.

    It is followed in small steps, from a millisecond on: few answers that take long change little.
    """

    __slots__ = ("_median",)

    def __init__(self) -> None:
        self._median = _FIRST

    def add(self, seconds: float) -> None:
        """Note how long an attempt took."""
        self._median *= _STEP if seconds > self._median else 1 / _STEP

    def is_too_late(self, came: float, turn: float, deadline: float) -> bool:
        """Whether a call that came at a time is better not begun when its turn comes.

        Most of what it had is over then, and what is left is less than half as much again as an answer takes: such a
        call takes the place of one that could succeed, and ends in its deadline with an unknown outcome. One that does
        not wait is always begun.

        Args:
            came: When it began to wait.
            turn: When its turn comes.
            deadline: When it must have ended.
        """
        return deadline - turn < min(_ENOUGH * self._median, (deadline - came) / 2)
