"""Consents are withdrawn by a Celery worker: each of its processes has one event loop, in a thread, and one client.

Start it with `celery --app celery_worker worker --concurrency 4`.
"""

import asyncio
import os
from collections.abc import Coroutine
from threading import Thread
from typing import Any, TypeVar

from celery import Celery, Task
from celery.result import AsyncResult
from celery.signals import worker_process_init, worker_process_shutdown

from norce_order_async import CallError, CallOptions, OrderClient, Receipt, RetryPolicy, Timeout, delete_consent
from norce_order_async.models import from_dict, to_dict

T = TypeVar("T")

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost")
JOB_SECONDS = float(os.environ.get("JOB_SECONDS", "60"))
TRIES = 10

app = Celery("celery_worker", broker=REDIS_URL, backend=REDIS_URL)
app.conf.update(
    task_acks_late=True,  # by default a message is acknowledged before its task runs, and lost with the worker
    task_reject_on_worker_lost=True,
    task_time_limit=JOB_SECONDS,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": 2 * JOB_SECONDS,  # what a dead worker had is given out again after that
        "unacked_restore_throttle": 1,
    },
)


class Norce:
    """The client of one process, and its loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = Thread(target=self.loop.run_forever)
        self.thread.start()
        timeout = Timeout(total=0.8 * JOB_SECONDS)  # over before another worker may get the task
        self.client = OrderClient.from_env(adaptive=True, retry=RetryPolicy.batch(), timeout=timeout)

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def close(self) -> None:
        self.run(self.client.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


norce: Norce


@worker_process_init.connect
def startup(**_: Any) -> None:
    global norce
    norce = Norce()


@worker_process_shutdown.connect
def shutdown(**_: Any) -> None:
    norce.close()


@app.task(bind=True, max_retries=TRIES)
def withdraw(self: Task, order_id: str, consent_id: str) -> dict[str, Any]:
    request = self.request
    redelivered = bool(request.delivery_info.get("redelivered")) or request.retries > 0
    options = CallOptions(request_id=request.id, redelivered=redelivered)
    try:
        return to_dict(norce.run(delete_consent(norce.client, order_id, consent_id, options=options)))
    except CallError as error:
        if error.permanent:
            raise
        wait = max(request.retries + 1, error.retry_after or 0)
        raise self.retry(exc=error, countdown=min(wait, JOB_SECONDS)) from error  # below visibility_timeout


# The shop's side


def connect() -> Celery:
    return app


def enqueue(app: Celery, job_id: str, order_id: str, consent_id: str) -> None:
    withdraw.apply_async((order_id, consent_id), task_id=job_id)


def result(app: Celery, job_id: str) -> Receipt | Exception | None:
    found = AsyncResult(job_id, app=app)
    if not found.ready():
        return None
    return from_dict(found.result, Receipt) if found.successful() else found.result
