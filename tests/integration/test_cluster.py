"""A batch on a Dask cluster: the same outcomes as in one process, and workers that come to grief."""

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from command import clean
from defective import Defective
from distributed import Client, Event, LocalCluster
from raw_server import RawServer
from staging import sandbox_of
from timeline import Answer, deletes, on_a_timeline, until

from norce_order_async import ConfigurationError, OutcomeKind, Timeout
from norce_order_async.batch import (
    Change,
    DeleteConsent,
    InputLine,
    Journal,
    JournalReader,
    Outcome,
    PatchAttributes,
    PatchConsent,
)
from norce_order_async.batch.cluster import ClusterBatch, run_batch_on_cluster
from norce_order_async.batch.kinds import CreateHook
from norce_order_async.batch.worker import WorkerBatch
from norce_order_async.core.errors import NotTheApiError
from norce_order_async.testing import SANDBOX_TOKEN, Fault
from norce_order_async.testing.conformance.base import settle
from norce_order_async.testing.conformance.origin import Peer, RawOrigin, response_bytes
from norce_order_async.wire.models import Hook

pytestmark = [
    # Dask leaves sockets of workers that are killed, and of a cluster that is closed, to the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed (<socket|transport|event loop):ResourceWarning"),
]

SCOPE = {"merchant": "norce", "channel": "1"}


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORCE_TOKEN", SANDBOX_TOKEN)


@asynccontextmanager
async def dask(workers: int = 2, *, processes: bool = False, **more: Any) -> AsyncGenerator[Any]:
    kind: Any = LocalCluster
    async with kind(
        n_workers=workers,
        threads_per_worker=4,
        processes=processes,
        dashboard_address="127.0.0.1:0",
        scheduler_kwargs={"dashboard": False},
        asynchronous=True,
        silence_logs=50,
        **more,
    ) as cluster:
        yield cluster


async def outcomes_of(batch: ClusterBatch) -> list[Outcome]:
    return [outcome async for outcome in batch]


def kinds_of(outcomes: list[Outcome]) -> Counter[str]:
    return Counter(outcome.outcome.value for outcome in outcomes)


async def test_a_batch_on_two_workers_is_made_in_order() -> None:
    changes: list[Change | InputLine] = [PatchAttributes(f"o_{n % 50}", {"n": n}) for n in range(500)]
    changes += [PatchConsent(f"o_{n}", "ci", checked=True) for n in range(50)]
    changes.append(InputLine(551, problem="not JSON"))
    async with dask() as cluster, sandbox_of(50) as (sandbox, settings):
        kind: Any = Client
        async with kind(cluster, asynchronous=True, set_as_default=False) as client:
            found = run_batch_on_cluster(changes, cluster=client, settings=settings, chunk=20)
            outcomes = [outcome async for outcome in found]
            assert client.status == "running"
            assert await client.nthreads()
        written: dict[str, list[int]] = {}
        for request in sandbox.requests:
            if request.target.endswith("attributes"):
                written.setdefault(request.target, []).append(json.loads(request.body)["n"])
        assert sandbox.order("o_7")["consents"][0]["checked"] is True
    assert kinds_of(outcomes) == {"applied": 550, "not_sent": 1}
    assert sorted(outcome.number for outcome in outcomes) == list(range(1, 552))
    assert all(outcome.change == changes[outcome.number - 1] for outcome in outcomes if outcome.number < 551)
    assert all(numbers == sorted(numbers) for numbers in written.values())
    assert sum(map(len, written.values())) == 500


async def test_a_resource_settles_after_an_answer_that_a_worker_lost() -> None:
    changes = [PatchAttributes("o_0", {"n": n}) for n in range(2)]
    async with dask() as cluster, sandbox_of(1, "apply-late:1:times=1") as (sandbox, settings):
        settings["timeout"] = Timeout(total=10.0, attempt=0.3)
        batch = ClusterBatch(changes, cluster=cluster, settings=settings, settle=1.5)
        outcomes = await outcomes_of(batch)
        assert kinds_of(outcomes) == {"applied": 2}
        assert [outcome.waited > 0 for outcome in outcomes] == [False, True]
        assert sandbox.order("o_0")["attributes"] == {"n": 1}
    assert sandbox.count == 3


async def test_a_journal_is_continued_on_a_cluster(tmp_path: Path) -> None:
    changes = [DeleteConsent(f"o_{n}", "ci") for n in range(300)]
    path = tmp_path / "journal"
    async with dask() as cluster, sandbox_of(300, "latency:0.01") as (sandbox, settings):
        with Journal.open(path, inputs=[], target="a sandbox") as journal:
            async with ClusterBatch(changes, cluster=cluster, settings=settings, journal=journal, chunk=10) as batch:
                count = 0
                async for outcome in batch:
                    count += outcome.outcome.done
                    if count == 50:
                        batch.stop("enough")
            assert batch.stopped == "enough"
            assert not journal.summary().in_flight
        with Journal.open(path, inputs=[], target="a sandbox") as journal:
            assert journal.summary().outcomes.total() == count < 300
            second = ClusterBatch(changes, cluster=cluster, settings=settings, journal=journal)
            outcomes = await outcomes_of(second)
            assert second.progress.passed == count
            assert kinds_of(outcomes) == {"applied": 300 - count}
            assert journal.summary().outcomes == {OutcomeKind.APPLIED: 300}
        assert sandbox.count == 300


async def test_what_is_sent_at_most_once_is_not_sent_by_another_worker(tmp_path: Path) -> None:
    hook = Hook(adapter_id="a", subscribe_to="/cart", target="/cart", invoke="https://h.example")
    changes = [CreateHook("o_0", hook), DeleteConsent("o_0", "ci")]
    async with dask(1) as cluster, sandbox_of(1) as (sandbox, settings):
        with Journal.open(tmp_path / "journal", inputs=[], target="a sandbox") as journal:
            batch = ClusterBatch(changes, cluster=cluster, settings=settings, journal=journal, chunk=2, once=True)
            kind: Any = Client
            async with kind(cluster, asynchronous=True, set_as_default=False) as client:
                event: Any = Event
                await event(f"{batch.name}-1", client=client).set()  # a worker that is lost had begun the first chunk
                await outcomes_of(batch)
            rows = list(journal.rows())
        assert [request.method for request in sandbox.requests] == ["DELETE"]
    assert [row.outcome for row in rows] == [OutcomeKind.UNKNOWN, OutcomeKind.APPLIED]
    assert rows[0].message == "the worker that made it was lost"
    assert rows[0].request_id


async def test_a_merchant_that_is_refused_at_the_workers_is_left_and_others_go_on() -> None:
    async def serve(peer: Peer) -> None:
        while True:
            status = 403 if b"acme" in await peer.request() else 200
            peer.write(response_bytes(status, b"{}", Content_Type="application/json"))

    changes = [DeleteConsent(f"o_{n // 2}", "c", merchant="acme" if n % 2 else None) for n in range(400)]
    async with dask(1) as cluster, RawOrigin(serve) as origin:
        settings = {"base_url": origin.url, "merchant": "norce", "channel": "1"}
        batch = ClusterBatch(changes, cluster=cluster, settings=settings, chunk=20)
        async with asyncio.timeout(30):
            outcomes = await outcomes_of(batch)
    errors = Counter(outcome.error for outcome in outcomes)
    assert errors.total() == 400
    assert errors[None] == 200
    assert errors["NotTried"] > 150  # what is refused while a worker has nothing else to do ends as refused
    assert (batch.stopped or "").startswith("what is left of acme/1 was not made, because 10 orders in a row")


async def test_an_abort_leaves_open_what_was_under_way(tmp_path: Path) -> None:
    changes = [DeleteConsent(f"o_{n}", "ci") for n in range(100)]
    async with dask() as cluster, sandbox_of(100, "latency:0.1") as (sandbox, settings):
        with Journal.open(tmp_path / "journal", inputs=[], target="a sandbox") as journal:
            async with ClusterBatch(changes, cluster=cluster, settings=settings, journal=journal, chunk=10) as batch:
                outcomes: list[Outcome] = []
                async for outcome in batch:
                    outcomes.append(outcome)
                    batch.abort("interrupted")
            assert len(outcomes) == 100
            kinds = kinds_of(outcomes)
            assert kinds["unknown"] > 0
        with Journal.open(tmp_path / "journal", inputs=[], target="a sandbox") as journal:
            outcomes = await outcomes_of(ClusterBatch(changes, cluster=cluster, settings=settings, journal=journal))
        assert set(kinds_of(outcomes)) <= {"applied", "applied_inferred"}
        assert len(outcomes) == 100 - kinds["applied"]
        assert all(not sandbox.order(f"o_{n}")["consents"] for n in range(100))


async def test_the_loss_of_a_worker_loses_and_refuses_nothing(tmp_path: Path) -> None:
    changes = [DeleteConsent(f"o_{n}", "ci") for n in range(300)]
    async with dask(processes=True) as cluster, sandbox_of(300, "latency:0.02") as (sandbox, settings):
        with Journal.open(tmp_path / "journal", inputs=[], target="a sandbox") as journal:
            async with ClusterBatch(changes, cluster=cluster, settings=settings, journal=journal, chunk=20) as batch:
                outcomes: list[Outcome] = []
                async for outcome in batch:
                    outcomes.append(outcome)
                    if len(outcomes) == 60:
                        os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
            assert journal.summary().outcomes.total() == 300
    assert set(kinds_of(outcomes)) <= {"applied", "applied_inferred"}
    assert sorted(outcome.number for outcome in outcomes) == list(range(1, 301))
    assert 300 <= sandbox.count <= 600


@pytest.mark.parametrize(
    ("variables", "says"),
    [({}, "no token: set NORCE_TOKEN"), ({"NORCE_TOKEN_FILE": "/nowhere"}, "NORCE_TOKEN_FILE cannot be read")],
)
async def test_a_worker_without_a_token(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], says: str) -> None:
    monkeypatch.delenv("NORCE_TOKEN")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with dask(1) as cluster, sandbox_of(1) as (sandbox, settings):
        batch = ClusterBatch([DeleteConsent("o_0", "ci")] * 20, cluster=cluster, settings=settings)
        with pytest.raises(ConfigurationError, match=f"worker inproc://.*{says}"):
            await outcomes_of(batch)
        assert batch.progress.ended == sandbox.count == 0


async def test_what_stops_a_worker_stops_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORCE_TOKEN", "wrong")
    changes = [DeleteConsent(f"o_{n}", "ci") for n in range(500)]
    async with dask() as cluster, sandbox_of(1) as (sandbox, settings):
        batch = ClusterBatch(changes, cluster=cluster, settings=settings)
        outcomes = await outcomes_of(batch)
        assert sandbox.count < 50
    assert batch.stopped is not None
    assert batch.stopped.startswith("everything fails alike: HTTP 401")
    assert not batch.worked
    assert type(batch.error).__name__ == "AuthenticationError"
    assert kinds_of(outcomes) == {"not_sent": len(outcomes)}  # what was refused is taken again by the next run
    assert len(outcomes) >= sandbox.count
    assert outcomes[-1].error == "NotTried"


async def test_web_pages_stop_a_batch_on_a_cluster() -> None:
    changes = [DeleteConsent(f"o_{n}", "ci") for n in range(500)]
    page = Fault.status(200, body=b"<!DOCTYPE html><title>Sign in</title>")
    async with dask() as cluster, sandbox_of(1, page) as (sandbox, settings):
        batch = ClusterBatch(changes, cluster=cluster, settings=settings)
        outcomes = await outcomes_of(batch)
        assert sandbox.count < 100
    assert (batch.stopped or "").startswith("everything fails alike: ")
    assert not batch.worked
    assert isinstance(batch.error, NotTheApiError)
    assert not any(outcome.outcome.done for outcome in outcomes)


async def test_what_is_accepted_is_no_failure_on_a_cluster() -> None:
    changes = [DeleteConsent(f"o_{n}", "ci") for n in range(40)]
    async with dask() as cluster, sandbox_of(40, "status:202:times=3") as (_, settings):
        batch = ClusterBatch(changes, cluster=cluster, settings=settings, max_failures=1)
        outcomes = await outcomes_of(batch)
    assert kinds_of(outcomes) == {"applied": 37, "accepted": 3}
    assert (batch.progress.done, batch.progress.accepted, batch.progress.failed) == (37, 3, 0)


async def test_what_a_lost_worker_may_have_made_is_not_said_to_be_unsent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("NORCE_TOKEN")  # so that the worker looks at nothing
    changes = [DeleteConsent(f"o_{n}", "ci") for n in range(20)]
    connect: Any = Client
    event: Any = Event
    async with dask(1) as cluster, sandbox_of(1) as (_, settings), connect(cluster, asynchronous=True) as client:
        with Journal.open(tmp_path / "journal", inputs=[], target="a sandbox") as journal:
            batch = ClusterBatch(changes, cluster=cluster, settings=settings, journal=journal, chunk=10)
            # As a worker does that begins the chunk.
            await event(f"{batch.name}-1", client=client).set()
            outcomes: list[Outcome] = []

            async def run() -> None:
                async for outcome in batch:
                    outcomes.append(outcome)

            with pytest.raises(ConfigurationError, match="no token"):
                await run()
            assert kinds_of(outcomes)["unknown"] == 10
            assert [number for number, state in journal.states(1, 20).items() if state.outcome is None] == [
                *range(1, 11)
            ]


async def test_the_rate_is_shared_by_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    changes = [DeleteConsent(f"o_{n}", "ci") for n in range(150)]
    rates: list[float | None] = []

    def note(batch: WorkerBatch, rate: float | None) -> None:
        rates.append(rate)

    monkeypatch.setattr(WorkerBatch, "set_rate", note)
    async with dask(3) as cluster, sandbox_of(150) as (_, settings):
        begin = time.monotonic()
        async with ClusterBatch(changes, cluster=cluster, settings=settings, rate=100) as batch:
            outcomes = await outcomes_of(batch)
            assert batch.progress.rate == 100
    assert kinds_of(outcomes) == {"applied": 150}
    assert rates[-1] == pytest.approx(100 / 3)
    assert time.monotonic() - begin > 1.3


async def test_a_defect_in_a_change_ends_the_batch_as_it_does_in_one_process() -> None:
    async with dask(1) as cluster, sandbox_of(1) as (_, settings):
        with pytest.raises(RuntimeError, match="LookupError: o_1"):
            await outcomes_of(ClusterBatch([Defective("o_1")], cluster=cluster, settings=settings))


async def test_the_token_is_in_nothing_that_travels() -> None:
    async with RawServer() as server:
        settings = {"base_url": server.url, "merchant": "norce", "channel": "1", "auth": SANDBOX_TOKEN}
        with pytest.raises(ConfigurationError, match="no token goes to the workers"):
            ClusterBatch([], cluster=2, settings=settings)


async def test_a_cluster_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("norce_order_async.batch.dask._CONNECT", 0.3)
    batch = ClusterBatch([], cluster="tcp://127.0.0.1:9", settings=SCOPE)
    with pytest.raises(ConfigurationError, match="the cluster cannot be used"):
        async for _ in batch:
            pass


@pytest.mark.parametrize("missing", ["merchant", "channel"])
async def test_workers_elsewhere_take_merchant_and_channel_from_here(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setenv(f"NORCE_{missing.upper()}", "1")
    settings = {name: value for name, value in SCOPE.items() if name != missing}
    with pytest.raises(ConfigurationError, match="merchant and channel among the settings"):
        ClusterBatch([], cluster="tcp://127.0.0.1:9", settings=settings)


async def test_what_is_no_cluster_is_told_and_leaves_no_warning() -> None:
    async def refuse(peer: Peer) -> None:
        peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with RawOrigin(refuse) as origin:
        for address, why in ((f"tcp://127.0.0.1:{origin.port}", "no Dask scheduler"), ("nowhere", "missing port")):
            with pytest.raises(ConfigurationError, match=f"the cluster cannot be used: .*{why}"):
                await outcomes_of(ClusterBatch([], cluster=address, settings=SCOPE))
    gc.collect()


async def test_a_cluster_without_workers() -> None:
    changes = [DeleteConsent("o_0", "ci")]
    async with dask(0) as cluster, sandbox_of(1) as (sandbox, settings):
        batch = ClusterBatch(changes, cluster=cluster, settings=settings, patience=0.5)
        outcomes = await outcomes_of(batch)
        assert sandbox.count == 0
    assert batch.stopped == "no worker for 1 s"
    assert len(outcomes) == 1


CLI = [sys.executable, "-m", "norce_order_async", "batch", "run", "changes.jsonl", "--sandbox"]
on_this_machine = pytest.mark.parametrize("how", ["--workers", "--processes"])


def _write_changes(folder: Path, count: int) -> None:
    lines = [json.dumps({"op": "delete_consent", "order_id": f"o_{n}", "consent_id": "ci"}) for n in range(count)]
    (folder / "changes.jsonl").write_text("\n".join(lines))


def _is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(90):
        while not condition():  # noqa: ASYNC110 (what other processes do)
            await asyncio.sleep(0.1)


async def _started(folder: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *CLI, *arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def _done(journal: Path) -> int:
    with suppress(ConfigurationError), JournalReader.open(journal) as account:
        return account.summary().outcomes[OutcomeKind.APPLIED]
    return 0  # it has only just begun


def _under_way(journal: Path) -> set[int]:
    with JournalReader.open(journal) as account:
        return {row.line for row in account.rows() if row.outcome is None}


@on_this_machine
async def test_the_command_starts_workers_and_ends_them(tmp_path: Path, how: str) -> None:
    _write_changes(tmp_path, 100)
    process = await _started(tmp_path, how, "2")
    output, errors = await process.communicate()
    assert process.returncode == 0, errors
    assert b"100 changes in" in output
    assert b"Traceback" not in errors, errors.decode()
    await _until(lambda: _is_gone(process.pid))


async def test_the_command_runs_on_a_cluster_that_is_there_and_needs_no_token_itself(tmp_path: Path) -> None:
    _write_changes(tmp_path, 60)
    async with (
        dask(protocol="tcp", host="127.0.0.1") as cluster,
        sandbox_of(60) as (sandbox, settings),
    ):
        command = [sys.executable, "-m", "norce_order_async", "batch", "run", "changes.jsonl"]
        command += ["--cluster", cluster.scheduler_address, "--base-url", settings["base_url"]]
        env = clean({"NORCE_MERCHANT": "norce", "NORCE_CHANNEL": "1"})
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        output, errors = await process.communicate()
        assert sandbox.count == 60
    assert process.returncode == 0, errors
    assert b"60 changes in" in output


def _workers(parent: int) -> list[int]:
    found = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(maxsplit=2) for line in found.splitlines()]
    return [
        int(pid)
        for pid, ppid, command in rows
        if int(ppid) == parent and ("spawn_main" in command or "process_worker" in command)
    ]


@on_this_machine
async def test_no_worker_outlives_a_command_that_is_killed(tmp_path: Path, how: str) -> None:
    _write_changes(tmp_path, 5000)
    process = await _started(tmp_path, how, "2", "--rate", "100")
    await _until(lambda: _done(tmp_path / "changes.jsonl.sandbox.journal") > 20)
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    await _until(lambda: _is_gone(process.pid))


@pytest.mark.parametrize(("how", "one_is_lost"), [("--workers", False), ("--processes", True)])
async def test_the_command_is_interrupted_as_at_a_terminal(tmp_path: Path, how: str, one_is_lost: bool) -> None:
    _write_changes(tmp_path, 5000)
    process = await _started(tmp_path, how, "2", "--rate", "100")
    journal = tmp_path / "changes.jsonl.sandbox.journal"
    await _until(lambda: _done(journal) > 50)
    if one_is_lost:
        lost = _workers(process.pid)[0]
        os.kill(lost, signal.SIGKILL)
        await _until(lambda: len({*_workers(process.pid)} - {lost}) == 2)
        left = _under_way(journal)
        await _until(lambda: not left & _under_way(journal))  # the new one has made what the lost one had
    os.killpg(process.pid, signal.SIGINT)
    output, errors = await process.communicate()
    assert process.returncode == 130, errors
    assert b"Stopped: interrupted" in output
    assert b"Traceback" not in errors, errors.decode()
    with JournalReader.open(journal) as account:
        summary = account.summary()
    assert set(summary.outcomes) <= {OutcomeKind.APPLIED, OutcomeKind.APPLIED_INFERRED}
    assert 50 < summary.total < 5000
    await _until(lambda: _is_gone(process.pid))


async def test_what_a_worker_leaves_is_to_be_continued_and_has_not_ended() -> None:
    answers: dict[str, Answer] = {"o_0": 200, "o_1": (429, {"retry-after": "50"}), "o_2": 502, "o_3": 403}
    client, origin, _ = on_a_timeline(lambda sent: answers[sent.order])
    batch = WorkerBatch(client, concurrency=4, patience=300.0)
    lines = [InputLine(number, change) for number, change in enumerate(deletes(4), 1)]
    making = asyncio.create_task(batch.make(lines))
    await until(lambda: len(origin.sent) == 4 and not origin.now)
    await settle(10)
    batch.stop("enough")
    async with asyncio.timeout(20):
        endings = await making
    assert [ending is not None and ending.final for ending in endings] == [True, False, False, False]
    await batch.leave()
