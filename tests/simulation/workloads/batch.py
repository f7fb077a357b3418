"""A batch with a journal that is killed between any two turns of its loop, or loses its power, and is continued."""

import random
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path

from simulation.scene import CLIENT, Scene
from simulation.workloads.account import TIMEOUT, Account, copy, in_a_folder

from norce_order_async import RetryPolicy
from norce_order_async.batch import Batch, Input
from norce_order_async.batch.journal import Journal


def _work(
    account: Account, number: int, source: Path, journal: Path, choices: random.Random
) -> Callable[[], Coroutine[object, object, bool]]:
    """A program that runs the batch, or continues it; whether it came to its end."""
    scene = account.scene
    at_once, rate = choices.choice([4, 30]), choices.choice([3.0, 20.0, None])

    async def work() -> bool:
        given = Input(source)
        settings = {"retry": RetryPolicy.batch(), "timeout": TIMEOUT, "on_attempt": [account.on_attempt]}
        with closing(Journal.open(journal, inputs=given.survey(), target="t")) as opened:
            async with (
                scene.client(f"batch {number}", **settings) as client,
                Batch(client, given.entries(), journal=opened, concurrency=at_once, rate=rate) as batch,
            ):
                async for outcome in batch:
                    scene.world.note("batch", f"line {outcome.number} is {outcome.outcome}")
            return batch.stopped is None

    return work


@in_a_folder
def run(scene: Scene, folder: Path, count: int) -> None:
    """Let a batch be killed again and again until it is done."""
    world = scene.world
    choices = world.stream("batch")
    account, source = Account.begin(scene, folder, count, choices)
    journal = folder / "0.journal"
    lost_power = False
    for number in range(1, 1_000):
        process = world.start("batch", CLIENT, _work(account, number, source, journal, choices))
        last = number > 12
        turns = None if last else round(10 ** choices.uniform(0, 3.5))
        world.run(lambda p=process, t=turns: p.is_over or (t is not None and p.turns >= t), most=20_000)  # type: ignore[misc]
        if process.is_over:
            scene.check_end(process)
        process.kill()
        lost_power = not process.result and choices.random() < 0.3
        after = folder / f"{number}.journal"
        copy(journal, after, choices if lost_power else None)
        journal = after
        account.after_run(journal, lost_power=lost_power)
        if process.result:
            break
        if choices.random() < 0.5:
            world.wait(choices.uniform(0, 30))
    account.settle(journal)
