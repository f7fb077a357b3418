"""The SAQ example with few jobs at once: SAQ waits 5 s for each job of a dead worker before it gives it out again."""

from saq_worker import connect, enqueue, result
from saq_worker import settings as many

__all__ = ["connect", "enqueue", "result", "settings"]

settings = many | {"concurrency": 4}
