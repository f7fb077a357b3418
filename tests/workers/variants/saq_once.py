"""The SAQ example as SAQ is by default: a job has one try."""

from importlib import import_module
from typing import Any

example: Any = import_module("saq_worker")
example.TRIES = 1
connect, enqueue, result = example.connect, example.enqueue, example.result
settings = example.settings | {"concurrency": 4}
