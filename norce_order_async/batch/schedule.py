"""Which change is next: in the order of the input for each resource, and never two of one resource at once."""

from collections import deque

from norce_order_async.batch.items import Item, Key


class Schedule:
    """The changes that wait for their turn.

    Of one resource only the first is ready; those behind it follow when it is done, so that they hold up nothing
    but each other.
    """

    def __init__(self) -> None:
        self.ready: deque[Item] = deque()
        self.held = 0
        """How many were added and are not done."""
        self.size = 0
        """The size of their lines."""
        self._behind: dict[Key, deque[Item] | None] = {}

    def add(self, item: Item) -> None:
        """Take in the next change of the input."""
        self.held += 1
        self.size += item.entry.size
        key = item.key
        if key not in self._behind:
            self._behind[key] = None
            self.ready.append(item)
            return
        behind = self._behind[key]
        if behind is None:
            behind = self._behind[key] = deque()
        behind.append(item)

    def put_back(self, item: Item) -> None:
        """Make a change ready again that was taken from ``ready``; it keeps its resource meanwhile."""
        self.ready.appendleft(item)

    def done(self, item: Item) -> None:
        """Let go of a change; the next one of its resource is ready, before all others."""
        self.held -= 1
        self.size -= item.entry.size
        key = item.key
        if behind := self._behind[key]:
            self.ready.appendleft(behind.popleft())
        else:
            del self._behind[key]

    def drain(self) -> list[Item]:
        """Take out every change that waits, in the order of the input; those under way stay."""
        waiting = [*self.ready, *(item for behind in self._behind.values() if behind for item in behind)]
        self.ready.clear()
        for item in waiting:
            self.held -= 1
            self.size -= item.entry.size
        self._behind = dict.fromkeys(self._behind)
        return sorted(waiting, key=lambda item: item.number)
