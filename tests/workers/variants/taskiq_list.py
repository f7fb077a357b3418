"""The taskiq example over a Redis list, from which a message is taken for good."""

from importlib import import_module
from typing import Any

example: Any = import_module("taskiq_worker")
events: Any = import_module("taskiq").TaskiqEvents
broker: Any = (
    import_module("taskiq_redis")
    .ListQueueBroker(example.REDIS_URL)
    .with_result_backend(example.broker.result_backend)
    .with_middlewares(example.Tries(default_retry_count=example.TRIES))
)
broker.add_event_handler(events.WORKER_STARTUP, example.startup)
broker.add_event_handler(events.WORKER_SHUTDOWN, example.shutdown)
withdraw = broker.register_task(example.withdraw.original_func, task_name="withdraw", retry_on_error=True)
result = example.result


async def connect() -> Any:
    """Connect."""
    await broker.startup()
    return broker


async def enqueue(broker: Any, job_id: str, order_id: str, consent_id: str) -> None:
    """Hand a job out."""
    await withdraw.kicker().with_task_id(job_id).kiq(order_id, consent_id)
