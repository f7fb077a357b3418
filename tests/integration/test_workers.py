"""Work queues: the plain example, what goes through the serializers of brokers, and callers that are synchronous.

What needs a broker's package is skipped without it; the session `workers` of nox has them all, and a real Redis.
"""

import asyncio
import json
import pickle
import signal
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from command import clean, sandbox_settings

import norce_order_async
from norce_order_async import (
    AiohttpTransport,
    CallError,
    HttptoolsTransport,
    OrderClient,
    OutcomeKind,
    Receipt,
    create_payment,
    delete_consent,
    get_order,
)
from norce_order_async.models import Order, Payment, from_dict, from_json, to_dict, to_json
from norce_order_async.testing import SANDBOX_TOKEN, Fault, Sandbox, SandboxServer
from norce_order_async.transport import Transport

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples" / "workers"


def sandbox_of(count: int) -> Sandbox:
    sandbox = Sandbox()
    for number in range(count):
        sandbox.add_order(f"o_{number}", consents=["ci_newsletter"], cart={"total": {"includingVat": Decimal("10.10")}})
    return sandbox


# The plain queue


async def test_the_plain_queue_ends_what_it_has_read_when_it_is_asked_to_end() -> None:
    sandbox = sandbox_of(40)
    sandbox.faults.add(Fault.latency(0.2), Fault.drop_after(times=3))
    async with SandboxServer(sandbox) as server:
        pipe, env = asyncio.subprocess.PIPE, clean(sandbox_settings(server.url))
        worker = await asyncio.create_subprocess_exec(
            sys.executable, str(EXAMPLES / "asyncio_queue.py"), stdin=pipe, stdout=pipe, stderr=pipe, env=env
        )
        assert worker.stdin is not None
        assert worker.stdout is not None
        for number in (*range(40), -1):
            job = {"job_id": f"job-{number}", "order_id": f"o_{number}", "consent_id": "ci_newsletter"}
            worker.stdin.write(json.dumps(job).encode() + b"\n")
        first = await asyncio.wait_for(worker.stdout.readline(), 30)
        worker.send_signal(signal.SIGTERM)  # the input stays open
        rest, said = await asyncio.wait_for(worker.communicate(), 60)
    found = {line["job_id"]: line["outcome"] for line in map(json.loads, (first + rest).splitlines())}
    assert (worker.returncode, said) == (0, b"")
    name, *args = found.pop("job--1")
    refused = getattr(norce_order_async, name)(*args)
    assert (name, refused.outcome, refused.request_id) == ("NotFoundError", OutcomeKind.REJECTED, "job--1")
    receipts = {job_id: from_dict(outcome, Receipt) for job_id, outcome in found.items()}
    assert len(receipts) == 40
    assert {receipt.request_id for receipt in receipts.values()} == set(receipts)
    assert sorted(receipt.outcome for receipt in receipts.values())[-4:] == ["applied", *["applied_inferred"] * 3]
    assert [(sandbox.order(f"o_{number}") or {})["consents"] for number in range(40)] == [[]] * 40


async def test_a_line_that_is_no_job_ends_alone() -> None:
    sandbox = sandbox_of(4)
    sandbox.faults.add(Fault.latency(0.2))
    jobs = [
        {"job_id": f"job-{number}", "order_id": f"o_{number}", "consent_id": "ci_newsletter"} for number in range(4)
    ]
    bad = [b"{", b"[]", b"\xff", b"[" * 3000, b'{"order_id": "o_1"}', b'{"job_id": "7", "order_id": 7}']
    bad.append(json.dumps(jobs[0] | {"job_id": "8", "order_id": 8}).encode())
    lines = b"".join(line + b"\n" for line in [*(json.dumps(job).encode() for job in jobs), *bad])
    async with SandboxServer(sandbox) as server:
        pipe, env = asyncio.subprocess.PIPE, clean(sandbox_settings(server.url))
        worker = await asyncio.create_subprocess_exec(
            sys.executable, str(EXAMPLES / "asyncio_queue.py"), stdin=pipe, stdout=pipe, stderr=pipe, env=env
        )
        told, said = await asyncio.wait_for(worker.communicate(lines), 60)
    assert (worker.returncode, said) == (0, b"")
    outcomes = [line["outcome"] for line in map(json.loads, told.splitlines())]
    assert [outcome["outcome"] for outcome in outcomes if isinstance(outcome, dict)] == ["applied"] * 4
    refused: list[list[Any]] = [outcome for outcome in outcomes if isinstance(outcome, list)]
    assert len(refused) == len(bad)
    assert all(getattr(norce_order_async, name)(*args).permanent for name, *args in refused)


# Serializers


@pytest.fixture
def ended() -> tuple[Order, Receipt, CallError]:
    """What jobs end with: an order, a receipt, an error that knows what was tried."""
    sandbox = sandbox_of(1)

    async def end() -> tuple[Order, Receipt, CallError]:
        async with sandbox.client(retry=None) as client:
            await create_payment(client, "o_0", Payment(reference="p"))
            order = await get_order(client, "o_0")
            receipt = await delete_consent(client, "o_0", "ci_newsletter")
            sandbox.faults.add(Fault.status(503, retry_after=7, times=1))
            with pytest.raises(CallError) as caught:
                await delete_consent(client, "o_0", "ci_newsletter")
        return order, receipt, caught.value

    return asyncio.run(end())


def _json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _pickle(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def _celery(value: Any) -> Any:
    serialization = pytest.importorskip("kombu.serialization")
    kind, encoding, data = serialization.dumps(value, serializer="json")
    return serialization.loads(data, kind, encoding)


def _saq(value: Any) -> Any:
    saq = pytest.importorskip("saq")
    queue = saq.Queue.from_url("redis://nowhere", dump=to_json)
    return queue.deserialize(queue.serialize(saq.Job("f", queue=queue, result=value))).result


def _arq(value: Any) -> Any:
    jobs = pytest.importorskip("arq.jobs")
    data = jobs.serialize_result("f", (value,), {}, 1, 0, True, value, 0, 0, "ref", "queue", job_id="1")
    return jobs.deserialize_result(data).result


def _taskiq(value: Any) -> Any:
    taskiq = pytest.importorskip("taskiq")
    serializers = pytest.importorskip("taskiq.serializers")
    serializer = serializers.JSONSerializer()
    data = serializer.dumpb(
        taskiq.TaskiqResult(is_err=False, return_value=value, execution_time=0).model_dump(mode="json")
    )
    return taskiq.TaskiqResult.model_validate(serializer.loadb(data)).return_value


@pytest.mark.parametrize("way", [_json, _celery, _saq, _arq, _taskiq])
def test_texts_of_orders_receipts_and_errors_go_through(
    way: Callable[[Any], Any], ended: tuple[Order, Receipt, CallError]
) -> None:
    order, receipt, error = ended
    assert from_json(way(to_json(order)), Order) == order
    assert from_json(way(to_json(receipt)), Receipt) == receipt
    name, *args = way([type(error).__name__, *error.args])
    rebuilt = getattr(norce_order_async, name)(*args)
    assert (str(rebuilt), rebuilt.__dict__) == (str(error), error.__dict__)


@pytest.mark.parametrize("way", [_pickle, _arq])
def test_what_is_pickled_goes_through_as_it_is(
    way: Callable[[Any], Any], ended: tuple[Order, Receipt, CallError]
) -> None:
    order, receipt, error = ended
    assert (way(order), way(receipt)) == (order, receipt)
    assert (str(way(error)), way(error).__dict__) == (str(error), error.__dict__)


def test_celery_takes_dicts_with_decimals(ended: tuple[Order, Receipt, CallError]) -> None:
    order, receipt, _ = ended
    assert from_dict(_celery(to_dict(order)), Order) == order
    assert from_dict(_celery(to_dict(receipt)), Receipt) == receipt


def test_saq_takes_orders_and_receipts_as_they_are(ended: tuple[Order, Receipt, CallError]) -> None:
    order, receipt, _ = ended
    assert from_dict(_saq(order), Order) == order
    assert from_dict(_saq(receipt), Receipt) == receipt


def test_celery_rebuilds_errors(ended: tuple[Order, Receipt, CallError]) -> None:
    celery = pytest.importorskip("celery")
    *_, error = ended
    with celery.Celery(backend="cache+memory://") as app:
        backend = app.backend
        rebuilt = backend.exception_to_python(_celery(backend.prepare_exception(error, "json")))
    assert (type(rebuilt), str(rebuilt), rebuilt.__dict__) == (type(error), str(error), error.__dict__)


def test_taskiq_rebuilds_errors(ended: tuple[Order, Receipt, CallError]) -> None:
    taskiq = pytest.importorskip("taskiq")
    *_, error = ended
    result = taskiq.TaskiqResult(is_err=True, return_value=None, execution_time=0, error=error)
    rebuilt = taskiq.TaskiqResult.model_validate(_json(result.model_dump(mode="json"))).error
    assert (type(rebuilt), str(rebuilt), rebuilt.__dict__) == (type(error), str(error), error.__dict__)


# Brokers in memory


async def test_a_task_of_taskiq_in_memory() -> None:
    taskiq = pytest.importorskip("taskiq")
    broker = taskiq.InMemoryBroker()
    client = sandbox_of(1).client(retry=None)

    async def withdraw(order_id: str, consent_id: str) -> str:
        return to_json(await delete_consent(client, order_id, consent_id))

    task = broker.register_task(withdraw)
    done = await (await task.kiq("o_0", "ci_newsletter")).wait_result()
    failed = await (await task.kiq("o_none", "ci_newsletter")).wait_result()
    assert from_json(done.return_value, Receipt).outcome is OutcomeKind.APPLIED
    assert failed.error.outcome is OutcomeKind.REJECTED
    await broker.shutdown()
    await client.aclose()


async def test_a_subscriber_of_faststream_in_memory() -> None:
    redis = pytest.importorskip("faststream.redis")
    broker = redis.RedisBroker()
    client = sandbox_of(1).client(retry=None)
    outcomes: list[Any] = []

    @broker.subscriber(stream="withdrawals")  # type: ignore[untyped-decorator]
    async def withdraw(order_id: str, consent_id: str) -> None:
        outcomes.append((await delete_consent(client, order_id, consent_id)).outcome)

    running = redis.TestRedisBroker(broker, connect_only=False)
    async with client, running:
        await broker.publish({"order_id": "o_0", "consent_id": "ci_newsletter"}, stream="withdrawals")
    assert outcomes == [OutcomeKind.APPLIED]


# What becomes of a job that failed


async def _arq_tries_again(example: Any, client: OrderClient, _: pytest.MonkeyPatch) -> bool:
    try:
        await example.withdraw({"norce": client, "job_id": "j", "job_try": 1}, "o_0", "ci_newsletter")
    except pytest.importorskip("arq").Retry:
        return True
    except CallError:
        return False
    raise AssertionError("it did not fail")


async def _saq_tries_again(example: Any, client: OrderClient, _: pytest.MonkeyPatch) -> bool:
    context = {"norce": client, "job": SimpleNamespace(key="j", attempts=1)}
    try:
        await example.withdraw(context, order_id="o_0", consent_id="ci_newsletter")
    except CallError:
        return True
    return False


async def _celery_tries_again(example: Any, client: OrderClient, patch: pytest.MonkeyPatch) -> bool:
    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, coroutine).result()

    def retry(**_: object) -> Exception:
        return RuntimeError()  # what the task raises, with no broker to send it to

    patch.setattr(example, "norce", SimpleNamespace(client=client, run=run), raising=False)
    task = example.withdraw
    task.push_request(id="j", delivery_info={})
    patch.setattr(task, "retry", retry)
    try:
        task.run("o_0", "ci_newsletter")
    except RuntimeError:
        return True
    except CallError:
        return False
    finally:
        task.pop_request()
    raise AssertionError("it did not fail")


async def _faststream_tries_again(example: Any, client: OrderClient, _: pytest.MonkeyPatch) -> bool:
    async def first() -> int:
        return 1

    async def keep(*_: object) -> None:
        pass

    message, outcomes = SimpleNamespace(get_delivery_count=first), SimpleNamespace(hset=keep)
    try:
        await example.withdraw("j", "o_0", "ci_newsletter", message, client, outcomes)
    except CallError:
        return True
    return False


async def _taskiq_tries_again(example: Any, client: OrderClient, patch: pytest.MonkeyPatch) -> bool:
    tried: list[object] = []

    async def on_error(*_: object) -> None:
        tried.append(1)

    patch.setattr(pytest.importorskip("taskiq").SimpleRetryMiddleware, "on_error", on_error)
    message = SimpleNamespace(task_id="j", labels={"tries": 1})
    context = SimpleNamespace(message=message, state=SimpleNamespace(norce=client))
    with pytest.raises(CallError) as caught:
        await example.withdraw.original_func("o_0", "ci_newsletter", context)
    await example.Tries().on_error(message, None, caught.value)
    return bool(tried)


@pytest.mark.parametrize(
    ("status", "again"), [(400, False), (404, False), (401, True), (403, True), (408, True), (429, True), (503, True)]
)
@pytest.mark.parametrize(
    ("broker", "tries_again"),
    [
        ("arq", _arq_tries_again),
        ("saq", _saq_tries_again),
        ("taskiq", _taskiq_tries_again),
        ("celery", _celery_tries_again),
        ("faststream", _faststream_tries_again),
    ],
)
async def test_a_job_fails_for_good_only_on_what_another_try_cannot_change(
    broker: str,
    tries_again: Callable[[Any, OrderClient, pytest.MonkeyPatch], Coroutine[Any, Any, bool]],
    status: int,
    again: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip(broker)
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
    sandbox = sandbox_of(1)
    sandbox.faults.add(Fault.status(status, retry_after=600))
    async with sandbox.client() as client:
        assert await tries_again(import_module(f"{broker}_worker"), client, monkeypatch) is again


# Synchronous callers


def _to_sync(function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    return lambda *args: asyncio.run(function(*args))


@pytest.mark.parametrize("transport", [AiohttpTransport, HttptoolsTransport])
@pytest.mark.parametrize("way", ["asyncio.run", "async_to_sync"])
async def test_threads_share_a_client(way: str, transport: Callable[[], Transport]) -> None:
    """Each call of each thread has an event loop of its own."""
    to_sync: Any = _to_sync if way == "asyncio.run" else pytest.importorskip("asgiref.sync").async_to_sync
    read = to_sync(get_order)
    async with SandboxServer(sandbox_of(20)) as server:
        client = OrderClient(
            base_url=server.url, merchant="norce", channel="1", auth=SANDBOX_TOKEN, transport=transport()
        )
        with ThreadPoolExecutor(4) as threads:
            loop = asyncio.get_running_loop()
            ids = [f"o_{number}" for number in range(20)]
            orders = await asyncio.gather(*(loop.run_in_executor(threads, read, client, order_id) for order_id in ids))
        await client.aclose()
    assert [order.id for order in orders] == ids
    assert client.stats().calls == 20
