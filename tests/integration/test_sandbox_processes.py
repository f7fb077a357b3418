"""The sandbox as a command, and an adapter, in two processes: what callers get, and what is stored."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession

from norce_order_async import (
    CallError,
    CallOptions,
    OrderClient,
    OutcomeKind,
    create_hook,
    create_notification,
    create_order,
    get_order,
    patch_consent,
    update_reference,
)
from norce_order_async.models import Consent, Hook, Notification, Order
from norce_order_async.testing import SANDBOX_TOKEN

ADAPTER = Path(__file__).parent.parent / "adapter.py"


@contextmanager
def running(*command: str, stderr: int | None = None) -> Generator[tuple[subprocess.Popen[str], str]]:
    """A process, and the first line that it prints; what follows is in its ``stdout``."""
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


@contextmanager
def sandbox(stderr: int | None = None) -> Generator[tuple[subprocess.Popen[str], OrderClient]]:
    command = ("-m", "norce_order_async", "sandbox", "--port", "0", "--callback-deadline", "2")
    with running(*command, stderr=stderr) as (process, line):
        found = re.search(r"http://\S+", line)
        assert found is not None
        yield process, OrderClient(base_url=found[0], merchant="norce", channel="1", auth=SANDBOX_TOKEN)


CASES = {
    "pass": (OutcomeKind.APPLIED, None, None),
    "change": (OutcomeKind.APPLIED, None, "R-1"),
    "refuse": (OutcomeKind.REJECTED, "terms-missing", None),
    "sleep": (OutcomeKind.REJECTED, "hook-failed", None),
    "down": (OutcomeKind.REJECTED, "hook-failed", None),
}


async def test_what_an_adapter_in_fastapi_says_is_what_the_caller_gets_and_what_is_stored() -> None:
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    with sandbox() as (_, made), running(str(ADAPTER), "fastapi", "0") as (_, port):
        async with made as client:
            # The first request of a process that has just begun may take its time.
            async with ClientSession() as session, session.post(f"http://127.0.0.1:{port}/notifications") as answer:
                assert answer.status == 400
            for case, (outcome, code, reference) in CASES.items():
                order = Order(merchant="norce", channel="1", consents=[Consent(id="ci_news", checked=False)])
                order_id = await create_order(client, order)
                invoke = f"http://127.0.0.1:{1 if case == 'down' else port}/hooks/{case}"
                await create_hook(client, order_id, Hook(adapter_id="ours", subscribe_to="/consents", invoke=invoke))
                try:
                    got = (await patch_consent(client, order_id, "ci_news", checked=True)).outcome, None
                except CallError as error:
                    got = error.outcome, getattr(error, "code", None)
                stored = await get_order(client, order_id)
                assert stored.consents is not None
                assert (case, *got) == (case, outcome, code)
                assert (case, stored.consents[0].checked) == (case, outcome is OutcomeKind.APPLIED)
                assert stored.reference == reference


async def test_no_notification_is_lost_while_the_receiver_restarts() -> None:
    sent, taken = await notifications_through_restarts(30)
    assert set(taken) == set(sent)


async def notifications_through_restarts(count: int) -> tuple[list[str], list[str]]:
    """Change an order so often, and kill the adapter twice meanwhile; what was sent, and what was taken."""
    sent, taken = [f"R-{number}" for number in range(count)], list[str]()
    third = count // 3
    with sandbox() as (_, made):
        async with made as client:
            order_id = await create_order(client, Order(merchant="norce", channel="1"))
            with running(str(ADAPTER), "aiohttp", "0") as (process, port):
                invoke = f"http://127.0.0.1:{port}/notifications"
                await create_notification(client, order_id, Notification(scope="/reference", invoke=invoke))
                await _change(client, order_id, sent[:third])
                taken += _killed(process)
            with running(str(ADAPTER), "aiohttp", port) as (process, _):
                await _change(client, order_id, sent[third:-third])
                taken += _killed(process)
            await _change(client, order_id, sent[-third:])
            with running(str(ADAPTER), "aiohttp", port) as (process, _):
                assert process.stdout is not None
                async with asyncio.timeout(60):
                    while set(taken) < set(sent):
                        taken.append((await asyncio.to_thread(process.stdout.readline)).strip())
    return sent, taken


async def _change(client: OrderClient, order_id: str, references: list[str]) -> None:
    for reference in references:
        await update_reference(client, order_id, reference)


def _killed(process: subprocess.Popen[str]) -> list[str]:
    """Kill an adapter; what it took."""
    process.kill()
    assert process.stdout is not None
    return process.stdout.read().split()


async def test_the_command_tells_of_calls_that_fail_or_are_not_made() -> None:
    with sandbox(subprocess.PIPE) as (process, made):
        async with made as client:
            for adapter_id, invoke in (("far", "http://192.0.2.1/"), ("down", "http://127.0.0.1:1/")):
                await create_hook(
                    client, "o_123", Hook(adapter_id=adapter_id, subscribe_to="/reference", invoke=invoke)
                )
            with pytest.raises(CallError):
                await update_reference(client, "o_123", "R-1")
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 0
    assert re.search(r"^hook \S+ of far is not called: the host 192.0.2.1 is not on this machine", told, re.MULTILINE)
    assert re.search(r"^hook \S+ of down failed: no answer", told, re.MULTILINE)


async def test_the_command_prints_nothing_of_what_is_no_http() -> None:
    with running("-m", "norce_order_async", "sandbox", "--port", "0", stderr=subprocess.PIPE) as (process, line):
        found = re.search(r"http://(\S+):(\d+)", line)
        assert found is not None
        reader, writer = await asyncio.open_connection(*found.groups())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer canary\x01\r\n\r\n")
        async with asyncio.timeout(10):
            assert (await reader.read()).startswith(b"HTTP/1.")
        writer.close()
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (0, "")


async def test_the_command_goes_on_and_ends_where_nobody_reads_what_it_tells() -> None:
    with sandbox(subprocess.PIPE) as (process, made):
        async with made as client:
            hook = Hook(adapter_id="far" * 50, subscribe_to="/reference", invoke="http://192.0.2.1/")
            for _ in range(15):
                await create_hook(client, "o_123", hook)
            for number in range(60):  # a pipe takes 64 KiB
                await update_reference(client, "o_123", f"R-{number}", options=CallOptions(timeout=10))
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 30) == 0
