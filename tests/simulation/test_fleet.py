"""A small fleet through an outage: what it costs the API, and that a seed gives the same run each time."""

import attrs
import pytest
from simulation.fleet import figures
from simulation.fleet.numbers import COMPARISONS
from simulation.fleet.running import Made, Run, run
from simulation.fleet.scenarios import SCENARIOS
from simulation.fleet.table import cell

from norce_order_async import RetryBudget
from norce_order_async.sending import sendrate
from norce_order_async.testing import Sandbox

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


def test_a_cell_has_the_median_and_the_range() -> None:
    assert cell([3.0, 1.0, 2.0], "{:.0f} s".format) == "2 s (1 s to 3 s)"
    assert cell([0.501, 0.502, 0.5], "{:.0%}".format) == "50%"


def test_the_worst_tenth_are_the_clients_with_the_fewest_successes() -> None:
    calls = [Made(0.0, 1.0, client, is_done=number < 9 - client, is_poison=False)
             for client in range(10) for number in range(10)]  # fmt: skip
    assert figures.worst_tenth(calls) == 0.0
    assert figures.worst_tenth(calls[:10]) == 0.9


@pytest.mark.parametrize("name", COMPARISONS)
def test_what_is_compared_is_still_there(name: str) -> None:
    comparison = COMPARISONS[name]
    for policy in comparison.policies.values():
        Sandbox().client(**policy())
    for constants in comparison.paces.values():
        assert constants.keys() <= vars(sendrate).keys()
