"""``norce-order batch plan`` as a process: into a file and a pipe, interrupted, and read by nobody."""

import asyncio
import json
import os
import shlex
import signal
import subprocess
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

import pytest
from command import CLI, clean, sandbox_settings

from norce_order_async.testing import Fault, Sandbox, SandboxServer

COMMAND = shlex.join(CLI)
NEWSLETTER = (
    "--status checkout --where-consent ci_newsletter=true --set op=delete_consent --set consent_id=ci_newsletter"
)
TERMS = "--status checkout --where-consent ci_terms=false --set op=patch_consent --set consent_id=ci_terms"


async def shell(server: SandboxServer, folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell, in a thread, as this one's event loop serves the sandbox."""
    line = line.replace("norce-order", COMMAND)
    return await asyncio.to_thread(
        subprocess.run, line, shell=True, cwd=folder, env=clean(sandbox_settings(server.url)),
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def without_stamps(order: Any) -> Any:
    return {name: value for name, value in order.items() if name != "lastModified"}


async def test_withdrawing_a_consent_of_every_order_in_checkout_through_a_file_and_through_a_pipe(
    tmp_path: Path,
) -> None:
    sandbox = Sandbox()
    ids = sandbox.seed_orders(300)
    before: dict[str, Any] = {name: sandbox.order(name) for name in ids}
    open_orders = {name for name, order in before.items() if order["state"]["currentStatus"] == "checkout"}
    async with SandboxServer(sandbox) as server:
        ended = await shell(
            server, tmp_path,
            f"norce-order batch plan {NEWSLETTER} --out withdraw.jsonl && norce-order batch run withdraw.jsonl",
        )  # fmt: skip
        assert ended.returncode == 0, ended
        ended = await shell(
            server,
            tmp_path,
            f"norce-order batch plan {TERMS} --set checked=true | norce-order batch run - --output json",
        )
        assert (ended.returncode, json.loads(ended.stdout)["done"]) == (0, len(open_orders)), ended
    for name, order in before.items():
        if name in open_orders:
            kept = [one for one in order["consents"] if one["id"] != "ci_newsletter" or not one["checked"]]
            order["consents"] = [one | {"checked": True} if one["id"] == "ci_terms" else one for one in kept]
        assert without_stamps(sandbox.order(name)) == without_stamps(order)


@pytest.mark.parametrize(("number", "out"), [(signal.SIGINT, ()), (signal.SIGTERM, ("--out", "plan.jsonl"))])
async def test_a_plan_that_is_interrupted_does_not_look_whole(
    tmp_path: Path, number: signal.Signals, out: tuple[str, ...]
) -> None:
    sandbox = Sandbox()
    sandbox.seed_orders(150)
    async with SandboxServer(sandbox) as server:
        arguments = ["batch", "plan", *shlex.split(NEWSLETTER.replace("checkout", "completed")), *out]
        sandbox.faults.add(Fault.latency(600))
        process = await asyncio.create_subprocess_exec(
            *CLI, *arguments, env=clean(sandbox_settings(server.url)), cwd=tmp_path, stdout=PIPE, stderr=PIPE
        )
        async with asyncio.timeout(60):
            while not sandbox.count:  # noqa: ASYNC110 (the request is another process's)
                await asyncio.sleep(0.01)
            process.send_signal(number)
            written, told = await process.communicate()
    assert (process.returncode, told) == (130, b"norce-order: interrupted\n")
    assert written == (b"" if out else b'{"_plan": "not whole')
    assert names_in(tmp_path) == []


async def test_a_plan_that_nobody_reads_ends_without_a_traceback() -> None:
    sandbox = Sandbox()
    sandbox.seed_orders(100)
    reading, writing = os.pipe()
    os.close(reading)
    async with SandboxServer(sandbox) as server:
        command, env = [*CLI, "batch", "plan", *shlex.split(NEWSLETTER)], clean(sandbox_settings(server.url))
        process = await asyncio.create_subprocess_exec(*command, env=env, stdout=writing, stderr=PIPE)
        os.close(writing)
        _, told = await process.communicate()
    assert process.returncode == 1
    assert told.startswith(b"13 orders read")
    assert b"Traceback" not in told
