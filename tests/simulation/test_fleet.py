"""A small fleet through an outage: what it costs the API, and that a seed gives the same run each time."""

import attrs
from simulation.fleet import figures
from simulation.fleet.running import Run, run
from simulation.fleet.scenarios import SCENARIOS

from norce_order_async import RetryBudget

OUTAGE = attrs.evolve(SCENARIOS["outage"], begins=10.0, lasts=30.0, after=20.0, clients=25, load=10.0)


def _outage(capacity: int | None, seed: int = 1) -> Run:
    def policy() -> dict[str, object]:
        return {"budget": None if capacity is None else RetryBudget(capacity=capacity)}

    return run(OUTAGE, policy, seed)


def test_a_budget_keeps_a_fleet_from_multiplying_the_load_of_an_outage() -> None:
    limited, unlimited = _outage(70), _outage(None)
    assert figures.load(limited) < 2.0 < 2.8 < figures.load(unlimited)
    for each in limited, unlimited:
        assert figures.recovery(each) < 5


def test_a_seed_gives_the_same_run() -> None:
    first = _outage(70)
    assert first == _outage(70)
    assert first != _outage(70, seed=2)
