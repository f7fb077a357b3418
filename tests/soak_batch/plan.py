"""Withdraw a consent on every order in state checkout: planned and run, through a file and through a pipe.

    PYTHONPATH=tests python -m soak_batch.plan 5000

Plans of few and of many orders show that memory stays flat. Every order of the sandbox is compared with what it was.
Plans are killed while they write into a pipe, and what they had written is given to batch run.
"""

import argparse
import asyncio
import json
import random
import shlex
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from command import CLI, clean, measured, sandbox_settings
from soak_batch.processes import sandbox
from soak_injectors.programs import main

COMMAND = shlex.join(CLI)
WITHDRAW = "--set op=delete_consent --set consent_id=ci_newsletter"
OPEN = f"batch plan --status checkout --where-consent ci_newsletter=true {WITHDRAW}"
ALL = f"batch plan --created-from 2000-01-01T00:00:00Z {WITHDRAW}"
THROUGH = {
    "a file": f"{COMMAND} {OPEN} --out withdraw.jsonl && {COMMAND} batch run withdraw.jsonl --output json",
    "a pipe": f"{COMMAND} {OPEN} | {COMMAND} batch run - --output json",
}
KILLS = 10
KILLED_ORDERS = 1_500
"""A plan of so many does not fit into a pipe that is not read."""
MORE = 10.0
"""MiB that a plan of many orders may take more than one of few."""

Env = Mapping[str, str]


@asynccontextmanager
async def seeded(orders: int) -> AsyncGenerator[Env]:
    """The environment of commands that go to a sandbox with so many orders."""
    async with sandbox(orders) as url:
        yield clean(sandbox_settings(url))


def shell(line: str, env: Env, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of the shell."""
    return subprocess.run(line, shell=True, env=env, cwd=folder, capture_output=True, text=True, check=False)


def orders_of(env: Env, folder: Path) -> dict[str, Any]:
    """All orders of the list, but for their time stamps, which a change moves on."""
    listed = shell(f"{COMMAND} order list --all --output jsonl", env, folder).stdout
    orders = map(json.loads, listed.splitlines())
    return {order["id"]: {name: order[name] for name in order if name != "lastModified"} for order in orders}


def withdrawn(order: Any) -> Any:
    """What an order is after the plan was run."""
    if order["state"]["currentStatus"] != "checkout":
        return order
    kept = [consent for consent in order["consents"] if consent["id"] != "ci_newsletter" or not consent["checked"]]
    return order | {"consents": kept}


async def end_to_end(how: str, orders: int, folder: Path) -> list[str]:
    """Plan and run; what was not as promised."""
    async with seeded(orders) as env:
        before = await asyncio.to_thread(orders_of, env, folder)
        begun = time.monotonic()
        ended = await asyncio.to_thread(shell, THROUGH[how], env, folder)
        seconds = time.monotonic() - begun
        after = await asyncio.to_thread(orders_of, env, folder)
    if ended.returncode:
        return [f"through {how}: exit code {ended.returncode}: {ended.stderr[-500:]}"]
    done = json.loads(ended.stdout.splitlines()[-1])["done"]
    expected = {name: withdrawn(order) for name, order in before.items()}
    changed = sum(expected[name] != order for name, order in before.items())
    print(f"through {how}: {len(before):,} orders, {changed:,} to change, {done:,} done, {seconds:.1f} s", flush=True)
    violations = [] if done == changed > 0 else [f"through {how}: {done} changes for {changed} orders"]
    if after != expected:
        violations.append(f"through {how}: the orders are not what they should be")
    return violations


async def killed(folder: Path) -> list[str]:
    """Kill plans that write into a pipe: batch run must refuse what it reads, unless that is the whole plan."""
    rng, cut = random.Random(0), 0
    violations: list[str] = []
    async with seeded(KILLED_ORDERS) as env:
        whole = (await asyncio.to_thread(shell, f"{COMMAND} {ALL}", env, folder)).stdout.encode()
        for _ in range(KILLS):
            read = await asyncio.to_thread(_kill, rng.randrange(1, len(whole)), env, folder)
            ran = await asyncio.to_thread(_dry_run, read, env, folder)
            cut += read != whole
            if (ran == 0) != (read == whole):
                violations.append(f"of {len(whole)} bytes {len(read)} were written: batch run ends with {ran}")
    print(f"killed while it writes: {cut} of {KILLS} plans were cut off", flush=True)
    return violations


def _kill(after: int, env: Env, folder: Path) -> bytes:
    """What a plan has written that is killed when so many bytes of it are read."""
    command = [*CLI, *shlex.split(ALL)]
    with subprocess.Popen(
        command, env=env, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as process:
        assert process.stdout is not None
        read = b""
        while len(read) < after and (piece := process.stdout.read(after - len(read))):
            read += piece
        process.kill()
        return read + process.stdout.read()


def _dry_run(text: bytes, env: Env, folder: Path) -> int:
    command = [*CLI, "batch", "run", "-", "--dry-run"]
    return subprocess.run(command, input=text, env=env, cwd=folder, capture_output=True, check=False).returncode


async def memory(few: int, many: int, folder: Path) -> list[str]:
    """The largest resident set of a plan of all orders, for few and for many."""
    peaks: list[float] = []
    for orders in (few, many):
        async with seeded(orders) as env:
            begun = time.monotonic()
            peaks.append(await asyncio.to_thread(_peak, orders, env, folder))
            seconds = time.monotonic() - begun
        print(f"{orders:,} orders planned: {peaks[-1]:.1f} MiB at most, {seconds:.1f} s", flush=True)
    more = peaks[1] - peaks[0]
    return [] if more <= MORE else [f"many took {more:.1f} MiB more than few; {MORE:g} are allowed"]


def _peak(orders: int, env: Env, folder: Path) -> float:
    path = folder / "all.jsonl"
    code, most, _ = measured(*shlex.split(ALL), "--out", str(path), env=env, stdout=subprocess.DEVNULL)
    assert code == 0
    with path.open("rb") as lines:
        assert sum(1 for _ in lines) >= orders  # the sandbox has an example order, too
    return most


async def soak(orders: int, many: int) -> list[str]:
    """Do all of it; what was not as promised."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        # First, while this process is small: one begins with the peak of the one that starts it.
        violations = await memory(orders, many, folder)
        for how in THROUGH:
            violations += await end_to_end(how, orders, folder)
        return violations + await killed(folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("orders", type=int, nargs="?", default=5_000)
    parser.add_argument("--many", type=int, default=30_000)
    given = parser.parse_args()
    sys.exit(main("plan", soak(given.orders, given.many)))
