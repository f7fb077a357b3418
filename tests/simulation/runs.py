"""Runs of workloads by name, and what came of them."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

import attrs
from simulation.scene import Scene, simulated
from simulation.workloads import adapters, batch, processes, rush, web_app, worker

TRANSPORTS = ("aiohttp", "httptools")
Workload = Callable[[Scene, float], None]
WORKLOADS: Mapping[str, tuple[Workload, float]] = {
    "worker": (worker.run, 6.0),
    "web-app": (web_app.run, 2.0),
    "batch": (batch.run, 1.0),
    "processes": (processes.run, 1.0),
    "adapters": (adapters.run, 1.0),
    "rush": (rush.run, 0.5),
    "year": (worker.run_year, 24.0),
}
"""What runs each, and for how many virtual hours by default."""
_SHOWN = 60


@attrs.frozen
class Result:
    """What came of one run.

    Attributes:
        digest: The hash of its trace.
        violations: What must not be, in words.
        outcomes: How many calls ended in each.
        virtual: Seconds that it took in virtual time.
        took: Seconds of CPU that it took.
        trace: The latest lines of its trace.
    """

    workload: str
    seed: int
    transport: str
    hours: float
    digest: str
    violations: Sequence[str]
    outcomes: Mapping[str, int]
    requests: int
    virtual: float
    took: float
    trace: Sequence[str] = attrs.field(repr=False)

    @property
    def calls(self) -> int:
        """How many calls ended."""
        return sum(self.outcomes.values())

    def __str__(self) -> str:
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.outcomes.items()))
        return (
            f"{self.workload} {self.transport} seed {self.seed}: {self.calls} calls ({told}), {self.requests} requests "
            f"in {self.virtual / 3600:.1f} h, {self.took:.2f} s of CPU, {self.digest}, "
            f"{len(self.violations)} violations"
        )

    @property
    def explanation(self) -> str:
        """What was wrong, the last lines before the end, and how to see it again."""
        again = (
            f"nox -s simulate -- --workload {self.workload} --transport {self.transport} --seed {self.seed} "
            f"--hours {self.hours:g} --trace"
        )
        return "\n".join([*self.trace[-_SHOWN:], "", *self.violations[:20], "", f"Again: {again}"])


def run(
    workload: str,
    seed: int,
    transport: str,
    hours: float | None = None,
    *,
    keep: int = 500,
    begin: Callable[[Scene], object] | None = None,
) -> Result:
    """Run a workload once, and leave nothing; ``begin`` is told of the scene before anything happens."""
    work, default = WORKLOADS[workload]
    hours = default if hours is None else hours

    def begun(scene: Scene) -> None:
        if begin is not None:
            begin(scene)
        work(scene, hours)

    with ExitStack() as end:
        return _run(begun, workload, seed, transport, hours, keep, end)


def _run(
    work: Callable[[Scene], None], name: str, seed: int, transport: str, hours: float, keep: int, end: ExitStack
) -> Result:
    began = time.process_time()
    with simulated(seed, transport, keep=keep, end=end) as scene:
        try:
            work(scene)
            scene.check_memory()
        except Exception as error:
            scene.watch.violation(f"{type(error).__name__}: {error}")
        world, watch = scene.world, scene.watch
        return Result(
            workload=name,
            seed=seed,
            transport=transport,
            hours=hours,
            digest=world.trace.digest(),
            violations=list(watch.violations),
            outcomes=dict(watch.calls),
            requests=watch.requests,
            virtual=world.now - world.began,
            took=time.process_time() - began,
            trace=list(world.trace.latest),
        )
