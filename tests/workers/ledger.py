"""The jobs, what must become of each, and the check that it did."""

import random
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import Any

import attrs

from norce_order_async import OutcomeKind
from norce_order_async.testing import Sandbox

FAULTS = (
    "latency:0.02",
    "drop-before:share=3%",
    "drop-after:share=4%",
    "truncate:share=2%",
    "status:503:share=3%",
    "status:429:retry-after=1:share=1%",
)
CONSENT = "ci_newsletter"
ABSENT = 0.05
"""The share of jobs whose consent was never there."""


@attrs.frozen
class Job:
    """A consent to withdraw, in an order of its own.

    Attributes:
        job_id: Its name, which is sent as ``x-request-id`` as well.
        order_id: The order.
        exists: Whether the consent was there.
    """

    job_id: str
    order_id: str
    exists: bool


@attrs.define
class Ledger:
    """Jobs, and the sandbox that they are about."""

    jobs: list[Job]
    sandbox: Sandbox

    @classmethod
    def make(cls, count: int, seed: int) -> "Ledger":
        """Make jobs up, and put the orders into a sandbox."""
        rng = random.Random(seed)
        sandbox = Sandbox(seed=seed, remember=100 * count)
        jobs = [Job(f"job-{number}", f"o_{number}", rng.random() >= ABSENT) for number in range(count)]
        for job in jobs:
            sandbox.add_order(job.order_id, consents=[CONSENT] if job.exists else [])
        sandbox.faults.add(*FAULTS)
        return cls(jobs, sandbox)

    def untrue(self, outcomes: Mapping[str, OutcomeKind]) -> list[str]:
        """Every outcome that the sandbox knows otherwise, in words."""
        sent, applied = self.requests()
        violations: list[str] = []
        for job in self.jobs:
            outcome = outcomes.get(job.job_id)
            if outcome is None:
                continue
            effects = applied[job.job_id]
            order: Any = self.sandbox.order(job.order_id)
            gone = order["consents"] == []
            if effects != (job.exists and gone):
                violations.append(f"{job} was carried out {effects} times")
            elif not _is_true(outcome, job, sent[job.job_id], effects):
                violations.append(f"{job} is {outcome}, was sent {sent[job.job_id]} and carried out {effects} times")
        return violations

    def begun(self, since: int = 0) -> set[str]:
        """The jobs of which a request came, after so many requests in all."""
        return {request.headers["x-request-id"] for request in islice(self.sandbox.requests, since, None)}

    def requests(self) -> tuple[Counter[str], Counter[str]]:
        """How often the request of each job came, and how often it was carried out."""
        sent, applied = Counter[str](), Counter[str]()
        for request in self.sandbox.requests:
            job_id = request.headers["x-request-id"]
            sent[job_id] += 1
            applied[job_id] += request.applied
        return sent, applied


def _is_true(outcome: OutcomeKind, job: Job, sent: int, effects: int) -> bool:
    match outcome:
        case OutcomeKind.APPLIED:
            return effects > 0
        case OutcomeKind.APPLIED_INFERRED:
            # One that was never there and was given out again is gone, too, but not by us.
            return effects > 0 or not job.exists
        case OutcomeKind.REJECTED | OutcomeKind.NOT_SENT:
            return not effects
        case OutcomeKind.UNKNOWN:
            return sent > 0
        case OutcomeKind.ACCEPTED:
            return False  # nothing answers 202 here
