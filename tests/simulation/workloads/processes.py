"""A batch that several processes make: workers are killed at any point, and so is the one that deals out the lines."""

from contextlib import closing
from pathlib import Path
from typing import Any

from simulation import programs
from simulation.process import Process
from simulation.programs import Program
from simulation.scene import CLIENT, Scene
from simulation.workloads.account import TIMEOUT, Account, copy, in_a_folder

from norce_order_async import ConfigurationError
from norce_order_async.batch import Input
from norce_order_async.batch.journal import Journal
from norce_order_async.batch.processes import ProcessBatch

_LIVES = 12
"""So often the process that deals out the lines is killed, at most."""


class _Life:
    """One life of the process that deals out the lines, and its workers.

    Args:
        account: What was seen so far.
        number: Of the life.
        source: The file with the lines.
        journal: The journal's file.
    """

    def __init__(self, account: Account, number: int, source: Path, journal: Path) -> None:
        self._account, self._number, self._source, self._journal = account, number, source, journal
        self._scene = scene = account.scene
        self._random = scene.world.stream(f"life {number}")
        self._workers: list[Process] = []
        self._killed = 0
        self._closed, self._open = len(account.closed), account.open
        self.batch: ProcessBatch | None = None
        self.process = scene.world.start("dealer", CLIENT, self._run)
        self.process.host.start_program = self._start
        self.process.on_over = self._orphan

    def _start(self, program: Program) -> None:
        """Start a worker, and kill it after a while, perhaps."""
        scene, number = self._scene, len(self._workers)
        name = f"worker {self._number}.{number}"
        settings: dict[str, Any] = {
            **scene.settings(name),
            "timeout": TIMEOUT,
            "on_attempt": [self._account.on_attempt],
        }
        worker = programs.start(scene.world, program, name, CLIENT, settings)
        self._workers.append(worker)
        if self._number <= _LIVES and self._random.random() < 0.6:
            scene.world.after(10 ** self._random.uniform(-2.5, 1.5), self._kill, worker)

    def _kill(self, worker: Process) -> None:
        if not (worker.is_over or self.process.is_over):
            self._killed += 1
            worker.kill()
            self._account.learn(self._journal)  # the next one marks the same lines with other ids

    def _orphan(self) -> None:
        for worker in self._workers:
            self._scene.world.after(self._random.uniform(0, programs.ORPHANED), worker.kill)

    async def _run(self) -> bool:
        choices, given = self._random, Input(self._source)
        settings = {"merchant": "norce", "channel": "1", "base_url": self._scene.url, "allow_http": True}
        with closing(Journal.open(self._journal, inputs=given.survey(), target="t")) as opened:
            self.batch = batch = ProcessBatch(
                given,
                processes=choices.randrange(2, 5),
                settings=settings,
                journal=opened,
                concurrency=choices.choice([1, 4, 30]),
                rate=choices.choice([10.0, 50.0, None]),
            )
            try:
                async with batch:
                    async for _ in batch:
                        pass
            except ConfigurationError as error:
                if self._killed < 3:
                    raise
                self._scene.world.note("dealer", f"gives up: {error}")
                return False
        return batch.stopped is None

    def check(self) -> None:
        """See that it has counted each line that has ended, or was sent and left to be continued, once."""
        note, world = self._scene.watch.violation, self._scene.world
        if self.batch is None:
            return
        progress, account = self.batch.progress, self._account
        left = sum(requests > self._open.get(number, 0) for number, requests in account.open.items())
        ended = len(account.closed) - self._closed + left
        world.note("dealer", f"has counted {progress.ended} ended, {progress.done} done, {progress.failed} failed")
        if progress.ended != progress.done + progress.failed:
            note(f"{progress.ended} lines are counted, {progress.done} as done and {progress.failed} as failed")
        if progress.ended != ended:
            note(f"{progress.ended} lines are counted, and {ended} have ended by the journal")
        if not self.process.host.is_dead:
            self._scene.check_end(self.process)
        for worker in self._workers:
            if not worker.host.is_dead:
                self._scene.check_end(worker)


@in_a_folder
def run(scene: Scene, folder: Path, count: int) -> None:
    """Let a batch be killed again and again until it is done."""
    world = scene.world
    choices = world.stream("batch")
    account, source = Account.begin(scene, folder, count, choices)
    journal = folder / "0.journal"
    for number in range(1, 1_000):
        life = _Life(account, number, source, journal)
        process = life.process
        if number <= _LIVES:
            world.after(10 ** choices.uniform(-2, 2), process.kill)
        world.run(lambda p=process: p.is_over, most=20_000)  # type: ignore[misc]
        after = folder / f"{number}.journal"
        copy(journal, after, None)
        journal = after
        account.after_run(journal, lost_power=False)
        life.check()
        if process.result:
            break
        if choices.random() < 0.5:
            world.wait(choices.uniform(0, 30))
    account.settle(journal)
