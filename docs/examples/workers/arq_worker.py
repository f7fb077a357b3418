"""Consents are withdrawn by an arq worker.

Start it with `arq arq_worker.WorkerSettings`.
"""

import os
from typing import Any

from arq import Retry
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.jobs import Job

from norce_order_async import CallError, CallOptions, OrderClient, Receipt, RetryPolicy, Timeout, delete_consent

REDIS = RedisSettings.from_dsn(os.environ.get("REDIS_URL", "redis://localhost"))
JOB_SECONDS = float(os.environ.get("JOB_SECONDS", "60"))  # what a dead worker had is given out again 10 s after that
LIMIT = 20  # jobs at once, and requests at once
TRIES = 10  # a worker's death counts as one


async def startup(ctx: dict[str, Any]) -> None:
    timeout = Timeout(total=0.8 * JOB_SECONDS)  # over before another worker may get the job
    ctx["norce"] = OrderClient.from_env(limit=LIMIT, adaptive=True, retry=RetryPolicy.batch(), timeout=timeout)


async def shutdown(ctx: dict[str, Any]) -> None:
    await ctx["norce"].aclose()


async def withdraw(ctx: dict[str, Any], order_id: str, consent_id: str) -> Receipt:
    options = CallOptions(request_id=ctx["job_id"], redelivered=ctx["job_try"] > 1)
    try:
        return await delete_consent(ctx["norce"], order_id, consent_id, options=options)
    except CallError as error:
        if error.permanent or ctx["job_try"] == TRIES:
            raise  # it is the job's result: arq pickles receipts and errors
        wait = max(ctx["job_try"], error.retry_after or 0)
        raise Retry(defer=min(wait, 3600)) from error


class WorkerSettings:
    functions = [withdraw]  # noqa: RUF012
    on_startup = startup
    on_shutdown = shutdown
    redis_settings = REDIS
    max_jobs = LIMIT
    max_tries = TRIES
    poll_delay = 0.1  # no more than max_jobs are begun in one
    job_timeout = JOB_SECONDS
    job_completion_wait = int(JOB_SECONDS)  # SIGTERM: without it jobs are cancelled, and begun again later


# The shop's side


async def connect() -> ArqRedis:
    return await create_pool(REDIS)


async def enqueue(redis: ArqRedis, job_id: str, order_id: str, consent_id: str) -> None:
    await redis.enqueue_job("withdraw", order_id, consent_id, _job_id=job_id)


async def result(redis: ArqRedis, job_id: str) -> Receipt | Exception | None:
    info = await Job(job_id, redis).result_info()
    return info.result if info else None
