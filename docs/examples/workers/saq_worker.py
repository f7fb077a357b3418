"""Consents are withdrawn by a SAQ worker.

Start it with `saq saq_worker.settings`.
"""

import os
from typing import Any

from saq import Job, Queue

import norce_order_async
from norce_order_async import CallOptions, NorceOrderError, OrderClient, Receipt, RetryPolicy, Timeout, delete_consent
from norce_order_async.models import from_dict, to_json

JOB_SECONDS = float(os.environ.get("JOB_SECONDS", "60"))  # what a dead worker had is given out again after that
LIMIT = 20  # jobs at once, and requests at once
TRIES = 10  # a worker's death counts as one; by default there is one, and the job of a dead worker is given up

queue = Queue.from_url(os.environ.get("REDIS_URL", "redis://localhost"), dump=to_json)


async def startup(ctx: dict[str, Any]) -> None:
    timeout = Timeout(total=0.8 * JOB_SECONDS)  # over before another worker may get the job
    ctx["norce"] = OrderClient.from_env(limit=LIMIT, adaptive=True, retry=RetryPolicy.batch(), timeout=timeout)


async def shutdown(ctx: dict[str, Any]) -> None:
    await ctx["norce"].aclose()


async def withdraw(ctx: dict[str, Any], *, order_id: str, consent_id: str) -> Any:
    job: Job = ctx["job"]
    options = CallOptions(request_id=job.key, redelivered=job.attempts > 1)
    try:
        return await delete_consent(ctx["norce"], order_id, consent_id, options=options)
    except NorceOrderError as error:
        if not error.permanent and job.attempts < TRIES:
            raise  # SAQ tries again
        return [type(error).__name__, *error.args]  # of an error that is raised, SAQ keeps the traceback only


settings = {
    "queue": queue,
    "functions": [withdraw],
    "startup": startup,
    "shutdown": shutdown,
    "concurrency": LIMIT,
    "dequeue_timeout": 1,
    "timers": {"sweep": max(1, round(JOB_SECONDS / 4))},  # how often it looks for what dead workers had
    "shutdown_grace_period_s": round(JOB_SECONDS),  # SIGTERM: without it jobs are cancelled, and begun again later
}


# The shop's side


async def connect() -> Queue:
    await queue.connect()
    return queue


async def enqueue(queue: Queue, job_id: str, order_id: str, consent_id: str) -> None:
    timeout = round(JOB_SECONDS)
    await queue.enqueue(
        "withdraw",
        key=job_id,
        order_id=order_id,
        consent_id=consent_id,
        timeout=timeout,
        retries=TRIES,
        retry_delay=1.0,
        ttl=3600,
    )


async def result(queue: Queue, job_id: str) -> Receipt | Exception | None:
    job = await queue.job(job_id)
    match job.result if job else None:
        case None:
            return None
        case [name, *args]:
            return getattr(norce_order_async, name)(*args)
        case receipt:
            return from_dict(receipt, Receipt)
