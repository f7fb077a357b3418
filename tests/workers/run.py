"""One broker's run: its worker is killed and stopped in the middle of the jobs, and every outcome is compared."""

import asyncio
import inspect
import os
import sys
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
from command import sandbox_settings
from workers.broker import EXAMPLES, VARIANTS, Worker, redis
from workers.ledger import CONSENT, Ledger

from norce_order_async import OutcomeKind, Receipt
from norce_order_async.core.errors import NorceOrderError
from norce_order_async.testing import SandboxServer

JOB_SECONDS = 5
QUIET = 45.0
"""Seconds without a new outcome after which what is left counts as lost: longer than any broker here waits."""
NUDGE = "nudge"
SETTLE = 0.2
"""Seconds after which a request that a killed worker sent has arrived."""
STOPS = ("kill", "stop", "kill", "kill")


@attrs.frozen(kw_only=True)
class Subject:
    """A worker of the examples.

    Attributes:
        name: What the table calls it.
        module: The example.
        command: What starts it: a Python module and its arguments.
        loses: How many jobs may be lost with each start that is killed or stopped; None is any number.
        ends: Whether it ends by itself when all is done.
        nudge: Whether it takes a new message before the broker looks for what dead workers had.
    """

    name: str
    module: str
    command: str
    loses: int | None = 0
    nudge: bool = False
    ends: bool = False


@attrs.define
class Result:
    """What came of one run.

    Attributes:
        subject: Of what.
        count: How many jobs there were.
        outcomes: How many ended in each outcome.
        lost: Those without an outcome.
        lost_begun: How many of them had a request.
        cut: How many had begun and had no outcome when the worker had ended after SIGTERM.
        violations: What was not as promised, in words.
        requests: The requests that came.
        starts: How often the worker was started.
        slowest: Seconds that it took to end after SIGTERM, at most.
        seconds: How long all of it took.
    """

    subject: Subject
    count: int
    outcomes: Counter[OutcomeKind]
    lost: list[str]
    lost_begun: int
    cut: int
    violations: list[str]
    requests: int
    starts: int
    slowest: float
    seconds: float

    @property
    def failed(self) -> bool:
        """Whether something was not as promised."""
        loses = self.subject.loses
        return bool(self.violations) or (loses is not None and len(self.lost) > loses * len(STOPS))


async def run(subject: Subject, count: int, seed: int, folder: Path) -> Result:
    """Hand out ``count`` jobs, kill and stop the worker in between, and compare."""
    ledger = Ledger.make(count, seed)
    began = time.monotonic()
    async with redis() as redis_url, SandboxServer(ledger.sandbox) as server:
        env = {
            **sandbox_settings(server.url),
            "REDIS_URL": redis_url,
            "JOB_SECONDS": str(JOB_SECONDS),
            "JOBS_FOLDER": str(folder),
        }
        worker = Worker(subject.command.split(), env, folder / f"{subject.module}.log")
        shop = await Shop.connect(subject, env)
        for job in ledger.jobs:
            await shop.enqueue(job.job_id, job.order_id)
        violations = await _disturb(worker, shop, ledger)
        await worker.start()
        await shop.settle(ledger, subject.nudge)
        if code := await (worker.wait() if subject.ends else worker.stop()):
            violations.append(f"it ended with exit code {code} in the end")
    outcomes = shop.outcomes
    lost = [job.job_id for job in ledger.jobs if job.job_id not in outcomes]
    return Result(
        subject=subject,
        count=count,
        outcomes=Counter(outcomes.values()),
        lost=lost,
        lost_begun=len(ledger.begun().intersection(lost)),
        cut=shop.cut,
        violations=violations + ledger.untrue(outcomes),
        requests=ledger.requests()[0].total() - ledger.requests()[0][NUDGE],
        starts=worker.begun,
        slowest=worker.slowest,
        seconds=time.monotonic() - began,
    )


async def _disturb(worker: Worker, shop: "Shop", ledger: Ledger) -> list[str]:
    """Start the worker and end it in the middle, several times; what was not as promised."""
    violations: list[str] = []
    share = len(ledger.jobs) // (len(STOPS) + 2)
    for number, how in enumerate(STOPS, 1):
        await asyncio.sleep(SETTLE)
        since = ledger.sandbox.count
        await worker.start()
        await _begins(ledger, number * share, since)
        if how == "kill":
            await worker.kill()
        elif code := await worker.stop():
            violations.append(f"it ended with exit code {code} after SIGTERM")
        else:
            await shop.look(ledger)
            cut = [job_id for job_id in ledger.begun(since) if job_id not in shop.outcomes]
            shop.cut = len(cut)
    return violations


async def _begins(ledger: Ledger, jobs: int, since: int) -> None:
    """Wait until so many jobs have begun, one of them after ``since`` requests."""
    deadline = time.monotonic() + QUIET
    while time.monotonic() < deadline:
        if len(ledger.begun()) >= jobs and ledger.begun(since):
            return
        await asyncio.sleep(0.05)


@attrs.define
class Shop:
    """The other side of the broker: what is handed out, and the outcomes that came.

    Attributes:
        module: The example.
        broker: Its connection to the broker.
        outcomes: What is known, by job.
        cut: How many jobs SIGTERM left without an outcome.
    """

    module: Any
    broker: Any
    outcomes: dict[str, OutcomeKind] = attrs.Factory(dict[str, OutcomeKind])
    cut: int = 0

    @classmethod
    async def connect(cls, subject: Subject, env: dict[str, str]) -> "Shop":
        """Import the example, which reads its settings from the environment, and connect."""
        os.environ.update(env)
        for path in (*EXAMPLES.glob("*.py"), *VARIANTS.glob("*.py")):
            sys.modules.pop(path.stem, None)  # it has the settings of another run
        sys.path[:0] = [path for path in (str(VARIANTS), str(EXAMPLES)) if path not in sys.path]
        module = import_module(subject.module)
        return cls(module, await _value(module.connect()))

    async def enqueue(self, job_id: str, order_id: str) -> None:
        """Hand a job out."""
        await _value(self.module.enqueue(self.broker, job_id, order_id, CONSENT))

    async def look(self, ledger: Ledger) -> None:
        """Read the outcomes that came."""
        for job in ledger.jobs:
            if job.job_id not in self.outcomes:
                result = await _value(self.module.result(self.broker, job.job_id))
                if isinstance(result, Receipt | NorceOrderError):
                    self.outcomes[job.job_id] = result.outcome
                elif result is not None:
                    raise TypeError(f"the outcome of {job} is {result!r}")

    async def settle(self, ledger: Ledger, nudge: bool) -> None:
        """Wait until all outcomes are there, or none came for a long time."""
        latest, known = time.monotonic(), -1
        while len(self.outcomes) < len(ledger.jobs) and time.monotonic() - latest < QUIET:
            await self.look(ledger)
            if len(self.outcomes) > known:
                latest, known = time.monotonic(), len(self.outcomes)
            if nudge:
                await self.enqueue(NUDGE, "o_none")
            await asyncio.sleep(0.5)


async def _value(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value
