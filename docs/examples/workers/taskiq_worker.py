"""Consents are withdrawn by a taskiq worker.

Start it with `taskiq worker taskiq_worker:broker --workers 1 --max-async-tasks 20 --wait-tasks-timeout 60`.
"""

import os
from typing import Any

from redis.asyncio import Redis
from taskiq import Context, SimpleRetryMiddleware, TaskiqDepends, TaskiqEvents, TaskiqMessage, TaskiqResult, TaskiqState
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from norce_order_async import CallOptions, NorceOrderError, OrderClient, Receipt, RetryPolicy, Timeout, delete_consent
from norce_order_async.models import from_json, to_json

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost")
JOB_SECONDS = float(os.environ.get("JOB_SECONDS", "60"))
IDLE = round(2000 * JOB_SECONDS)  # milliseconds, waiting for its turn included: then another may take the task
LIMIT = 20  # requests at once; --max-async-tasks is the same number
TRIES = 10


class Tries(SimpleRetryMiddleware):
    """Counts how often a task was begun, which neither the stream nor taskiq tells, and tries again what may help."""

    async def startup(self) -> None:
        self.redis = Redis.from_url(REDIS_URL)

    async def shutdown(self) -> None:
        await self.redis.aclose()

    async def pre_execute(self, message: TaskiqMessage) -> TaskiqMessage:
        key = f"tries:{message.task_id}"
        message.labels["tries"] = await self.redis.incr(key)
        await self.redis.expire(key, 86400)
        return message

    async def on_error(self, message: TaskiqMessage, result: TaskiqResult[Any], exception: BaseException) -> None:
        if isinstance(exception, NorceOrderError) and not exception.permanent:
            await super().on_error(message, result, exception)


broker = (
    RedisStreamBroker(
        REDIS_URL,
        idle_timeout=IDLE,
        xread_count=LIMIT,  # what is read waits in the worker, and its idle time runs
        unacknowledged_batch_size=LIMIT,
        unacknowledged_lock_timeout=5,  # without it, a worker killed while it takes such messages locks out all others
    )
    .with_result_backend(RedisAsyncResultBackend(REDIS_URL, result_ex_time=3600))
    .with_middlewares(Tries(default_retry_count=TRIES))
)


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def startup(state: TaskiqState) -> None:
    timeout = Timeout(total=0.8 * JOB_SECONDS)  # over before another worker may get the task
    state.norce = OrderClient.from_env(limit=LIMIT, adaptive=True, retry=RetryPolicy.batch(), timeout=timeout)


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def shutdown(state: TaskiqState) -> None:
    await state.norce.aclose()


@broker.task(retry_on_error=True)
async def withdraw(order_id: str, consent_id: str, context: Context = TaskiqDepends()) -> str:  # noqa: B008
    message = context.message
    options = CallOptions(request_id=message.task_id, redelivered=message.labels["tries"] > 1)
    return to_json(await delete_consent(context.state.norce, order_id, consent_id, options=options))


# The shop's side


async def connect() -> RedisStreamBroker:
    await broker.startup()
    return broker


async def enqueue(broker: RedisStreamBroker, job_id: str, order_id: str, consent_id: str) -> None:
    await withdraw.kicker().with_task_id(job_id).kiq(order_id, consent_id)


async def result(broker: RedisStreamBroker, job_id: str) -> Receipt | BaseException | None:
    if not await broker.result_backend.is_result_ready(job_id):
        return None
    result = await broker.result_backend.get_result(job_id)
    return result.error or from_json(result.return_value, Receipt)
