"""The SAQ example with few jobs at once: SAQ waits 5 s for each job of a dead worker before it gives it out again."""

from importlib import import_module
from typing import Any

example: Any = import_module("saq_worker")
connect, enqueue, result = example.connect, example.enqueue, example.result
settings = example.settings | {"concurrency": 4}
