"""A batch in several processes of one machine: the same promises as in one, and processes that come to grief."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from defective import Defective
from staging import sandbox_of as sandbox_without_token

from norce_order_async import ConfigurationError, OutcomeKind
from norce_order_async.batch import Change, DeleteConsent, Input, Journal, JournalReader
from norce_order_async.batch.engine.running import Progress
from norce_order_async.batch.kinds import CreateHook
from norce_order_async.batch.processes import ProcessBatch
from norce_order_async.core.errors import AuthenticationError
from norce_order_async.testing import SANDBOX_TOKEN
from norce_order_async.wire.models import Hook

sandbox_of = partial(sandbox_without_token, auth=SANDBOX_TOKEN)


def opened(path: Path) -> Journal:
    return Journal.open(path, inputs=[], target="a sandbox")


async def ended(batch: ProcessBatch) -> Progress:
    async for _ in batch:
        pass
    return batch.progress


def children() -> list[str]:
    """The command lines of the processes that this one has started."""
    found = subprocess.run(["ps", "-wweo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if line.split()[1] == str(os.getpid()) and "process_worker" in line]


async def test_a_batch_is_made_in_order_and_written_down(path: Path) -> None:
    lines = [{"op": "patch_attributes", "order_id": f"o_{n % 20}", "attributes": {"n": n}} for n in range(200)]
    file = path.with_name("changes.jsonl")
    file.write_text("\n".join([*map(json.dumps, lines), '{"op": "patch_attributes", "order_id": "o_1"}', "{"]))
    async with sandbox_of(20, "latency:0.05") as (sandbox, settings):
        with opened(path) as journal:
            async with ProcessBatch(Input(file), processes=2, settings=settings, journal=journal) as batch:
                seen = [line async for _ in batch for line in children()]
                progress = batch.progress
            assert (progress.ended, progress.done, progress.failed) == (202, 200, 2)
            rows = list(journal.rows())
            assert list(journal.samples())
        written: dict[str, list[int]] = {}
        for request in sandbox.requests:
            written.setdefault(request.target, []).append(json.loads(request.body)["n"])
    assert Counter(row.outcome for row in rows) == {OutcomeKind.APPLIED: 200, OutcomeKind.NOT_SENT: 2}
    assert [row.number for row in rows] == list(range(1, 203))
    assert [row.message for row in rows[200:]] == [entry.problem for entry in list(Input(file))[200:]]
    assert len(written) == 20
    assert all(numbers == sorted(numbers) for numbers in written.values())
    assert seen
    assert not any(SANDBOX_TOKEN in line for line in seen)
    assert not children()


@pytest.mark.parametrize("places", [[], [""]], ids=["as a command", "as an interactive session"])
async def test_modules_of_the_working_directory_are_found_where_they_are_here(
    path: Path, monkeypatch: pytest.MonkeyPatch, places: list[str]
) -> None:
    path.with_name("attrs.py").write_text(
        "import importlib, os, sys\n"
        "open('found', 'w').close()\n"
        "sys.path.remove(os.getcwd())\n"
        "del sys.modules['attrs']\n"
        "importlib.import_module('attrs')\n"
    )
    monkeypatch.chdir(path.parent)
    monkeypatch.setattr(sys, "path", [*places, *filter(None, sys.path)])
    async with sandbox_of(1) as (_, settings):
        with opened(path) as journal:
            progress = await ended(
                ProcessBatch([DeleteConsent("o_0", "ci")], processes=1, settings=settings, journal=journal)
            )
    assert (progress.done, path.with_name("found").exists()) == (1, bool(places))


async def test_processes_start_in_a_working_directory_that_is_gone(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(sys, "path", ["", *filter(None, sys.path)])
    async with sandbox_of(1) as (_, settings):
        with opened(path) as journal:
            progress = await ended(
                ProcessBatch([DeleteConsent("o_0", "ci")], processes=1, settings=settings, journal=journal)
            )
    assert progress.done == 1


async def test_a_batch_that_was_stopped_is_continued(path: Path) -> None:
    changes = [DeleteConsent(f"o_{n}", "ci") for n in range(100)]
    async with sandbox_of(100, "latency:0.01") as (sandbox, settings):
        with opened(path) as journal:
            async with ProcessBatch(changes, processes=1, settings=settings, journal=journal, rate=20) as batch:
                async for progress in batch:
                    if progress.ended > 10:
                        batch.stop("enough")
            assert batch.stopped == "enough"
            assert not journal.summary().in_flight
            count = journal.summary().outcomes.total()
            assert count == batch.progress.ended < 100
        with opened(path) as journal:
            async with ProcessBatch(changes, processes=1, settings=settings, journal=journal) as batch:
                progress = await ended(batch)
            assert (progress.passed, progress.done) == (count, 100 - count)
            assert journal.summary().outcomes == {OutcomeKind.APPLIED: 100}
        assert sandbox.count == 100


async def test_the_loss_of_a_process_loses_nothing_and_makes_nothing_twice_that_must_not_be(path: Path) -> None:
    hook = Hook(adapter_id="a", subscribe_to="/cart", target="/cart", invoke="https://h.example")
    changes: list[Change] = [CreateHook("o_0", hook), *(DeleteConsent(f"o_{n}", "ci") for n in range(200))]
    async with sandbox_of(200, "latency:3:operation=CreateCheckoutOrderHook", "latency:0.02") as (sandbox, settings):
        with opened(path) as journal:
            lost = False
            batch = ProcessBatch(
                changes, processes=1, settings=settings, journal=journal, rate=200, settle=0.1, once=True
            )
            async for progress in batch:
                if progress.ended > 20 and not lost:
                    lost = True
                    for line in children():
                        os.kill(int(line.split()[0]), signal.SIGKILL)
            assert lost
            progress, summary = batch.progress, journal.summary()
            assert (progress.ended, progress.done, progress.failed, progress.passed) == (201, 200, 1, 0)
            assert summary.outcomes.total() == 201
            assert set(summary.outcomes) <= {OutcomeKind.APPLIED, OutcomeKind.APPLIED_INFERRED, OutcomeKind.UNKNOWN}
            (row,) = [row for row in journal.rows() if row.outcome is OutcomeKind.UNKNOWN]
            assert (row.number, row.message) == (1, "the process that made it was lost")
        assert sum(request.method == "POST" for request in sandbox.requests) == 1
    assert not children()


async def test_an_abort_leaves_open_what_was_under_way(path: Path) -> None:
    changes = [DeleteConsent(f"o_{n}", "ci") for n in range(100)]
    async with sandbox_of(100, "latency:0.3") as (sandbox, settings):
        with opened(path) as journal:
            async with ProcessBatch(changes, processes=1, settings=settings, journal=journal) as batch:
                async for progress in batch:
                    if progress.ended:
                        batch.abort("interrupted")
            done = batch.progress.done
        with JournalReader.open(path) as reader:
            assert batch.progress.failed == reader.summary().failed > 0
        with opened(path) as journal:
            assert journal.summary().in_flight
            async with ProcessBatch(changes, processes=1, settings=settings, journal=journal, settle=0.0) as batch:
                assert (await ended(batch)).done == 100 - done
        assert all(not sandbox.order(f"o_{n}")["consents"] for n in range(100))


@pytest.mark.parametrize("how", [ProcessBatch.stop, ProcessBatch.abort])
async def test_a_process_that_has_not_begun_does_not_hold_up_the_end(
    path: Path, monkeypatch: pytest.MonkeyPatch, how: Callable[[ProcessBatch, str], None]
) -> None:
    hanging = path.with_name("python")
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o700)
    monkeypatch.setattr("norce_order_async.batch.process_link.sys.executable", str(hanging))
    changes = [DeleteConsent(f"o_{n}", "ci") for n in range(100)]
    with opened(path) as journal:
        async with (
            asyncio.timeout(20),
            ProcessBatch(changes, processes=2, settings={"merchant": "m", "channel": "1"}, journal=journal) as batch,
        ):
            async for progress in batch:
                if progress.waiting and batch.stopped is None:
                    how(batch, "interrupted")
        assert journal.summary().total == 0
    assert (batch.stopped, batch.progress.waiting, batch.progress.ended) == ("interrupted", 0, 0)


@pytest.mark.parametrize("how", [ProcessBatch.abort, None])
async def test_a_process_that_hangs_does_not_hold_up_the_end(
    path: Path, monkeypatch: pytest.MonkeyPatch, how: Callable[[ProcessBatch, str], None] | None
) -> None:
    """None: the batch is left, which closes it."""
    for module in ("processes", "process_link"):
        monkeypatch.setattr(f"norce_order_async.batch.{module}.GRACE", 0.5)
    changes = [DeleteConsent(f"o_{n}", "ci") for n in range(2_000)]
    async with sandbox_of(2_000, "latency:0.02") as (_, settings):
        with opened(path) as journal:
            batch = ProcessBatch(changes, processes=2, settings=settings, journal=journal, rate=200)
            async with asyncio.timeout(30), batch:
                async for progress in batch:
                    if progress.ended and batch.stopped is None:
                        os.kill(int(children()[0].split()[0]), signal.SIGSTOP)
                        if how is None:
                            break
                        how(batch, "interrupted")
            assert not children()
            assert 0 < journal.summary().total < 2_000


async def test_what_stops_a_process_stops_the_batch(path: Path) -> None:
    changes = [DeleteConsent(f"o_{n}", "ci") for n in range(500)]
    async with sandbox_of(1) as (sandbox, settings):
        with opened(path) as journal:
            batch = ProcessBatch(changes, processes=1, settings=settings | {"auth": "wrong"}, journal=journal)
            progress = await ended(batch)
            assert journal.summary().total == 0
        assert sandbox.count < 50
    assert (batch.stopped or "").startswith("everything fails alike: HTTP 401")
    assert not batch.worked
    assert isinstance(batch.error, AuthenticationError)
    assert progress.ended == 0


async def test_failures_are_counted_over_all_processes(path: Path) -> None:
    changes = [DeleteConsent(f"missing_{n}", "ci") for n in range(1000)]
    async with sandbox_of(1, "latency:0.1") as (_, settings):
        with opened(path) as journal:
            batch = ProcessBatch(changes, processes=2, settings=settings, journal=journal, max_failures=20)
            assert 20 <= (await ended(batch)).failed < 1000
    assert batch.stopped == "20 changes failed"


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), MemoryError(), BlockingIOError(11, "again")])
async def test_a_system_that_starts_no_process_is_told_as_that(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, after: int
) -> None:
    """Those that it has started are ended."""
    start, number = asyncio.create_subprocess_exec, 0

    async def refuse(*arguments: Any, **settings: Any) -> Any:
        nonlocal number
        number += 1
        if number > after:
            raise error
        return await start(*arguments, **settings)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
    with opened(path) as journal:
        batch = ProcessBatch([DeleteConsent("o", "c")], processes=3, settings={}, journal=journal)
        with pytest.raises(ConfigurationError, match=r"a worker process cannot be started: .+: see the limits of"):
            await ended(batch)
    assert not children()


@pytest.mark.parametrize(
    ("order_id", "settings", "error", "says"),
    [
        ("o_1", {}, RuntimeError, "LookupError: o_1"),
        ("o_exit", {}, ConfigurationError, "a worker process ended 3 times, last with exit code 7"),
        ("o_kill", {}, ConfigurationError, r"a worker process ended 3 times, last by SIGKILL: is memory short\?"),
        ("o_1", {"slug": 5}, ConfigurationError, "slug"),
    ],
)
async def test_what_must_not_happen_ends_the_batch(
    path: Path, order_id: str, settings: dict[str, Any], error: type[Exception], says: str
) -> None:
    async with sandbox_of(1) as (_, there):
        with opened(path) as journal:
            batch = ProcessBatch([Defective(order_id)], processes=1, settings=there | settings, journal=journal)
            with pytest.raises(error, match=says):
                await asyncio.wait_for(ended(batch), 30)
    assert not children()
