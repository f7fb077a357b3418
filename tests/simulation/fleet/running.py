"""Many clients of one API in one process, in simulated time."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import attrs
from simulation.clock import WorldClock
from simulation.fleet.api import POISON, Api, ApiTransport
from simulation.fleet.scenarios import CAPACITY, LOAD, POLICIES, SCENARIOS, Policy, Scenario
from simulation.world import World

from norce_order_async import CallError, OrderClient, patch_consent


@attrs.frozen
class Made:
    """A call that was made; times are seconds after the start."""

    began: float
    took: float
    client: int
    is_done: bool
    is_poison: bool


@attrs.frozen
class Run:
    """What came of a scenario with a policy.

    Attributes:
        made: All calls.
        requests: When each request came to the API.
        backlog: Seconds of work that waited at the API, each second.
    """

    scenario: Scenario
    made: Sequence[Made]
    requests: Sequence[float]
    backlog: Sequence[float]


class Fleet:
    """The clients, and what they do.

    Args:
        scenario: What happens.
        policy: Makes the settings of each client.
        seed: Of every random choice.
    """

    def __init__(self, scenario: Scenario, policy: Policy, seed: int) -> None:
        self._scenario = scenario
        self._world = world = World(seed)
        self._random = world.stream("arrivals")
        self._api = Api(
            CAPACITY * scenario.load / LOAD,
            scenario.queue,
            scenario.poison_cost,
            scenario.refusing,
            world.stream("api"),
            self._passed,
        )
        self._clients = [
            OrderClient(
                base_url="https://api.test/checkout/order",
                merchant="norce",
                channel="1",
                auth="token",
                transport=ApiTransport(self._api),
                clock=WorldClock(world),
                random=world.stream(f"client {number}"),
                **policy(),
            )
            for number in range(scenario.clients)
        ]
        self._poison = [client.scoped(merchant=POISON) for client in self._clients] if scenario.poison else []
        self._made: list[Made] = []
        self._backlog: list[float] = []

    def run(self) -> Run:
        """Let it happen."""
        process = self._world.start("fleet", "10.0.1.1", self._main)
        self._world.run()
        self._world.clear_away()
        if process.failure is not None:
            raise process.failure
        return Run(self._scenario, self._made, self._api.requests, self._backlog)

    def _passed(self) -> float:
        return self._world.now - self._world.began

    async def _main(self) -> None:
        scenario = self._scenario
        ends = scenario.begins + scenario.lasts
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._happen())
            tasks.create_task(self._look(ends + scenario.after))
            while True:
                await asyncio.sleep(self._random.expovariate(scenario.load))
                now = self._passed()
                if now > ends + scenario.after:
                    break
                is_poison = scenario.begins <= now < ends and self._random.random() < scenario.poison
                tasks.create_task(self._call(self._random.randrange(len(self._clients)), is_poison=is_poison))
        for client in self._clients:
            await client.aclose()

    async def _happen(self) -> None:
        scenario = self._scenario
        await asyncio.sleep(scenario.begins)
        scenario.begin(self._api)
        calls: list[Coroutine[Any, Any, None]] = [
            self._call(number % len(self._clients), is_poison=False)
            for number in range(round(scenario.at_once * scenario.load))
        ]
        await asyncio.gather(asyncio.sleep(scenario.lasts), *calls)
        scenario.end(self._api)

    async def _look(self, until: float) -> None:
        while self._passed() < until:
            self._backlog.append(self._api.backlog)
            await asyncio.sleep(len(self._backlog) - self._passed())

    async def _call(self, number: int, *, is_poison: bool) -> None:
        began = self._passed()
        client = (self._poison if is_poison else self._clients)[number]
        try:
            await patch_consent(client, "o_1", "ci_newsletter", checked=True)
        except CallError:
            is_done = False
        else:
            is_done = True
        self._made.append(Made(began, self._passed() - began, number, is_done, is_poison))


def run(scenario: Scenario, policy: Policy, seed: int) -> Run:
    """Run a scenario once."""
    return Fleet(scenario, policy, seed).run()


def run_named(scenario: str, policy: str, refusing: float, seed: int) -> Run:
    """Run a scenario once, by names."""
    return run(attrs.evolve(SCENARIOS[scenario], refusing=refusing), POLICIES[policy], seed)
