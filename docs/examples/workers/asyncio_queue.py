"""Consents are withdrawn by a plain asyncio queue: jobs are read from the input, outcomes written to the output.

    echo '{"job_id": "1", "order_id": "o_1", "consent_id": "ci_newsletter"}' | python asyncio_queue.py

SIGTERM ends it when all that was read is done, and so does a line of more than 4 KiB, with an error. A line that is no
job has an outcome, too. A job may have ``"redelivered": true``: it was read before, by one that died. Nobody but who
writes the input knows that.
"""

import asyncio
import json
import signal
import sys
from typing import Any

from norce_order_async import CallOptions, NorceOrderError, OrderClient, Receipt, RetryPolicy, Timeout, delete_consent
from norce_order_async.models import to_json

LIMIT = 20  # jobs at once, and requests at once

Queue = asyncio.Queue[bytes]


async def work(client: OrderClient, queue: Queue) -> None:
    while True:
        line = await queue.get()
        job_id: str | None = None
        outcome: Receipt | list[str] | None = None
        try:
            job = json.loads(line)
            job_id = job["job_id"]
            options = CallOptions(request_id=job_id, redelivered=job.get("redelivered", False))
            outcome = await delete_consent(client, job["order_id"], job["consent_id"], options=options)
        except NorceOrderError as error:
            outcome = [type(error).__name__, *error.args]
        except (LookupError, RecursionError, TypeError, ValueError) as error:
            outcome = ["InvalidRequestError", f"this is no job: {error!r}"]
        print(to_json({"job_id": job_id, "outcome": outcome}), flush=True)
        queue.task_done()


async def main() -> None:
    loop, queue = asyncio.get_running_loop(), Queue(maxsize=1)
    lines = asyncio.StreamReader(limit=4096)  # bytes: no line is longer, and not much more is read ahead
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    loop.add_signal_handler(signal.SIGTERM, pipe.close)
    settings: dict[str, Any] = {"retry": RetryPolicy.batch(), "timeout": Timeout.batch()}
    async with OrderClient.from_env(limit=LIMIT, adaptive=True, **settings) as client, asyncio.TaskGroup() as tasks:
        workers = [tasks.create_task(work(client, queue)) for _ in range(LIMIT)]
        try:
            while (line := await lines.readline()).endswith(b"\n"):
                await queue.put(line)  # waits while all are busy
        finally:
            await queue.join()
            for worker in workers:
                worker.cancel()


if __name__ == "__main__":
    asyncio.run(main())
