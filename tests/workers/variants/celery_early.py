"""The Celery example as Celery is by default: a message is acknowledged before its task runs."""

from importlib import import_module
from typing import Any

example: Any = import_module("celery_worker")
app, connect, enqueue, result = example.app, example.connect, example.enqueue, example.result
app.conf.task_acks_late = False
