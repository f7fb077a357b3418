"""Consents are withdrawn by a FastStream worker that reads a Redis stream.

Start it with `faststream run faststream_worker:app`.
"""

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated

from faststream import AckPolicy, Context, ContextRepo, FastStream
from faststream.redis import RedisBroker, RedisStreamMessage, StreamSub
from redis.asyncio import Redis
from redis.exceptions import ResponseError

import norce_order_async
from norce_order_async import CallOptions, NorceOrderError, OrderClient, Receipt, RetryPolicy, Timeout, delete_consent
from norce_order_async.models import from_dict, from_json, to_json

REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost")
JOB_SECONDS = float(os.environ.get("JOB_SECONDS", "60"))
IDLE = round(2000 * JOB_SECONDS)  # milliseconds, waiting for a slot included: then another may take the message
LIMIT = 20  # jobs at once, and requests at once
TRIES = 10  # a worker's death counts as one
STREAM, GROUP, OUTCOMES = "withdrawals", "norce", "withdrawn"

broker = RedisBroker(REDIS_URL, graceful_timeout=JOB_SECONDS)  # SIGTERM: so long may what has begun take


@asynccontextmanager
async def lifespan(context: ContextRepo) -> AsyncIterator[None]:
    timeout = Timeout(total=0.8 * JOB_SECONDS)  # over before another worker may get the job
    client = OrderClient.from_env(limit=LIMIT, adaptive=True, retry=RetryPolicy.batch(), timeout=timeout)
    async with client, Redis.from_url(REDIS_URL) as redis:
        context.set_global("norce", client)
        context.set_global("outcomes", redis)
        yield


app = FastStream(broker, lifespan=lifespan)


def stream(min_idle_time: int | None = None) -> StreamSub:
    consumer = f"{socket.gethostname()}-{os.getpid()}"
    # max_records: without it, one worker takes all that there is, and holds it in memory.
    return StreamSub(STREAM, group=GROUP, consumer=consumer, max_records=1, min_idle_time=min_idle_time)


@broker.subscriber(stream=stream(), ack_policy=AckPolicy.NACK_ON_ERROR, max_workers=LIMIT)
@broker.subscriber(stream=stream(IDLE), ack_policy=AckPolicy.NACK_ON_ERROR, max_workers=LIMIT)
async def withdraw(
    job_id: str,
    order_id: str,
    consent_id: str,
    message: RedisStreamMessage,
    norce: Annotated[OrderClient, Context()],
    outcomes: Annotated[Redis, Context()],
) -> None:
    tries = await message.get_delivery_count()
    options = CallOptions(request_id=job_id, redelivered=tries > 1)
    try:
        receipt = await delete_consent(norce, order_id, consent_id, options=options)
    except NorceOrderError as error:
        if not error.permanent and tries < TRIES:
            raise  # not acknowledged: it is given out again
        outcome = to_json([type(error).__name__, *error.args])
    else:
        outcome = to_json(receipt)
    await outcomes.hset(OUTCOMES, job_id, outcome)


# The shop's side


async def connect() -> Redis:
    redis = Redis.from_url(REDIS_URL)
    with suppress(ResponseError):  # there is one; without it, what is sent before the first worker starts is lost
        await redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    await broker.connect()
    return redis


async def enqueue(redis: Redis, job_id: str, order_id: str, consent_id: str) -> None:
    await broker.publish({"job_id": job_id, "order_id": order_id, "consent_id": consent_id}, stream=STREAM)


async def result(redis: Redis, job_id: str) -> Receipt | Exception | None:
    found = await redis.hget(OUTCOMES, job_id)
    match found and from_json(found):
        case None:
            return None
        case [name, *args]:
            error: type[Exception] = getattr(norce_order_async, name)
            return error(*args)
        case receipt:
            return from_dict(receipt, Receipt)
