"""Pairing elements with as many places, each with one where it fits."""

from collections import deque
from collections.abc import Callable, Sequence


def pairing(count: int, fits: Callable[[int, int], bool]) -> Sequence[int] | None:
    """The place of each element, no two with the same; None if there is no such pairing.

    Args:
        count: How many elements and places there are.
        fits: Whether an element fits at a place.
    """
    place_of: list[int] = []
    owner: dict[int, int] = {}
    for element in range(count):
        path = _path_to_free_place(element, count, fits, owner)
        if path is None:
            return None
        place_of.append(-1)
        for place, taker in path:
            owner[place], place_of[taker] = taker, place
    return place_of


def _path_to_free_place(
    element: int, count: int, fits: Callable[[int, int], bool], owner: dict[int, int]
) -> Sequence[tuple[int, int]] | None:
    """Who moves to which place, so that the element gets one (an augmenting path)."""
    came_from: dict[int, tuple[int, int | None]] = {}  # who wants a place, and which one it leaves for it
    asking: deque[tuple[int, int | None]] = deque([(element, None)])
    while asking:
        taker, left = asking.popleft()
        for place in range(count):
            if place in came_from or not fits(taker, place):
                continue
            came_from[place] = taker, left
            if place in owner:
                asking.append((owner[place], place))
                continue
            path, step = list[tuple[int, int]](), place
            while True:
                mover, before = came_from[step]
                path.append((step, mover))
                if before is None:
                    return path
                step = before
    return None
