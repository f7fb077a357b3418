"""What other numbers of the policy would be worth: the size of the budget, attempts, waits, and the pace."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import Any
from unittest import mock

import attrs
from simulation.fleet import figures
from simulation.fleet.running import Run, run
from simulation.fleet.scenarios import FAILING, POLICIES, SCENARIOS, Policy, Scenario, hiccup
from simulation.fleet.table import cell, grid, seconds

from norce_order_async import BackOff, RetryBudget, RetryPolicy
from norce_order_async.sending import sendrate


@attrs.frozen
class Figure:
    """One column: what it is, how it is taken from a run, and how it is written."""

    head: str
    of: Callable[[Run], float]
    form: Callable[[float], str]


@attrs.frozen
class Comparison:
    """A table: a row for each policy.

    Attributes:
        head: What it compares.
        policies: By name.
        columns: Scenarios, and what is shown of each.
        paces: Constants of ``adaptive=True`` that a policy has otherwise.
    """

    head: str
    policies: Mapping[str, Policy]
    columns: Sequence[tuple[Scenario, Sequence[Figure]]]
    paces: Mapping[str, Mapping[str, float]] = {}


def _numbers(attempts: int = 3, base: float = 0.1, throttled: float = 1.0, **others: Any) -> Policy:
    """The numbers as they were when the defaults were decided, but for those that are given."""
    retry = RetryPolicy(max_attempts=attempts, wait=BackOff(base=base, throttled_base=throttled))
    return lambda: {"retry": retry, **others}


def _with_budget(capacity: int) -> Policy:
    return lambda: {**_numbers()(), "budget": RetryBudget(capacity=capacity)}


_BUDGETS: Mapping[str, Policy] = {
    "as it was, with a base of 0.1 s": _numbers(),
    **{f"budget of {capacity} tokens": _with_budget(capacity) for capacity in (250, 140, 70)},
    "no budget": _numbers(budget=None),
}
_THROTTLED: Mapping[str, Policy] = {
    f"base of {base:g} s after a 429": _numbers(throttled=base) for base in (3.0, 5.0, 10.0)
}
_ATTEMPTS: Mapping[str, Policy] = {f"{attempts} attempts": _numbers(attempts) for attempts in (2, 5)}
_NUMBERS: Mapping[str, Policy] = {
    **_BUDGETS,
    **{f"base of {base:g} s": _numbers(base=base) for base in (0.2, 0.5, 2.0)},
    **_THROTTLED,
    **_ATTEMPTS,
    "adaptive": _numbers(adaptive=True),
}
_FOR_A_MOMENT: Mapping[str, Policy] = {
    **_BUDGETS,
    **{f"base of {base:g} s": _numbers(base=base) for base in (0.2, 0.5, 1.0, 2.0)},
    **_ATTEMPTS,
}
_PACES: Mapping[str, Mapping[str, float]] = {
    "adaptive": {},
    "begins at 5 a second": {"FIRST": 5.0},
    "2 % below what was accepted": {"_BELOW": 0.98},
    "15 % below": {"_BELOW": 0.85},
    "grows half as fast": {"_STEEPNESS": 0.05, "_STEEP_AFTER": 0.05**-0.5},
    "grows twice as fast": {"_STEEPNESS": 0.2, "_STEEP_AFTER": 0.2**-0.5},
}


def _success(made: Run) -> float:
    return figures.success(figures.good(figures.in_trouble(made)))


def _p90(made: Run) -> float:
    return figures.p90(figures.in_trouble(made))


def _load(head: str) -> Figure:
    return Figure(f"{head}: requests a call", figures.load, "{:.2f}".format)


def _succeed(head: str = "") -> Figure:
    return Figure(f"{head}calls that succeed", _success, "{:.1%}".format)


_RECOVERED = Figure("recovered after", figures.recovery, seconds)
_HALVED = attrs.evolve(SCENARIOS["halved"], lasts=120.0)
_POISON = attrs.evolve(SCENARIOS["poison"], poison=0.05, poison_cost=8.0)
"""So few requests a second leave no room for one that costs 40."""
_TROUBLES: Sequence[tuple[Scenario, Sequence[Figure]]] = (
    (SCENARIOS["outage"], [_load("outage")]),
    (_HALVED, [_load("half the capacity"), _succeed()]),
    (SCENARIOS["restart"], [_succeed("all at once: ")]),
    (_POISON, [_succeed("poison: ")]),
    (
        FAILING,
        [
            Figure("every fifth request fails: calls that succeed", _success, "{:.2%}".format),
            Figure("their p90", _p90, "{:.2f} s".format),
        ],
    ),
)


def _compared(head: str, clients: int) -> Comparison:
    """Other numbers, with so many clients that share the load."""
    columns = [(attrs.evolve(scenario, clients=clients, load=10.0), shown) for scenario, shown in _TROUBLES]
    return Comparison(head, _NUMBERS, columns)


COMPARISONS: Mapping[str, Comparison] = {
    "few": _compared("100 clients, one call in 10 s each", 100),
    "busy": _compared("2 clients, 5 calls a second each", 2),
    "hiccups": Comparison(
        "Calls that succeed, of those that begin while every request fails: 2 clients, 50 calls a second each",
        _FOR_A_MOMENT,
        [(hiccup(lasts), [Figure(f"for {lasts:g} s", _success, "{:.0%}".format)]) for lasts in (0.2, 0.4, 1.0, 3.0)],
    ),
    "refusals": Comparison(
        "Calls that succeed, by what refusing a request costs the API, in requests",
        {**POLICIES, **_THROTTLED},
        [
            (
                attrs.evolve(scenario, refusing=refusing, clients=100, load=10.0),
                [Figure(f"{what}, a refusal costs {refusing:g}", _success, "{:.1%}".format)],
            )
            for what, scenario in (("half the capacity", _HALVED), ("all at once", SCENARIOS["restart"]))
            for refusing in (0.0, 0.1, 0.5)
        ],
    ),
    "paces": Comparison(
        "5 clients, 10 calls a second each",
        {"plain": dict, **dict.fromkeys(_PACES, lambda: {"adaptive": True})},
        [
            (attrs.evolve(scenario, clients=5, load=50.0), [_load(what), _succeed(), _RECOVERED])
            for what, scenario in (("half the capacity", _HALVED), ("all at once", SCENARIOS["restart"]))
        ],
        _PACES,
    ),
}


def _figures(comparison: str, policy: str, column: int, seed: int) -> Sequence[float]:
    table = COMPARISONS[comparison]
    scenario, shown = table.columns[column]
    with mock.patch.dict(vars(sendrate), table.paces.get(policy, {})):
        made = run(scenario, table.policies[policy], seed)
    return [figure.of(made) for figure in shown]


def compare(pool: Executor, name: str, seeds: Sequence[int]) -> str:
    """Make a comparison over so many seeds."""
    table = COMPARISONS[name]
    jobs = {
        (policy, column): [pool.submit(_figures, name, policy, column, seed) for seed in seeds]
        for policy in table.policies
        for column in range(len(table.columns))
    }

    def cells(policy: str) -> Iterator[str]:
        for column, (_, shown) in enumerate(table.columns):
            by_figure = zip(*(job.result() for job in jobs[policy, column]), strict=True)
            for values, figure in zip(by_figure, shown, strict=True):
                yield cell(values, figure.form)

    rows = {policy: list(cells(policy)) for policy in table.policies}
    return grid(table.head, rows, [figure.head for _, shown in table.columns for figure in shown])
