"""What other numbers of the policy would be worth: the size of the budget, and the waits."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from simulation.fleet import figures
from simulation.fleet.running import run
from simulation.fleet.scenarios import FAILING, LOAD, SCENARIOS
from simulation.fleet.table import grid

from norce_order_async import BackOff, RetryBudget, RetryPolicy

_BUDGETS = (None, 500, 140, 70)
_CLIENTS = (1_000, 10)
_WAITS: Mapping[str, RetryPolicy] = {
    "as it comes": RetryPolicy(),
    "first wait up to 1 s": RetryPolicy(wait=BackOff(base=1.0)),
    "throttled up to 5 s": RetryPolicy(wait=BackOff(throttled_base=5.0)),
    "5 attempts": RetryPolicy(max_attempts=5),
    "5 attempts, throttled up to 5 s": RetryPolicy(max_attempts=5, wait=BackOff(throttled_base=5.0)),
}


def _with_budget(capacity: int | None, clients: int, seed: int) -> tuple[float, float]:
    """Requests a call in an outage, and the share of calls that succeed while every fifth request fails."""
    outage, failing = (
        run(scenario, lambda: {"budget": None if capacity is None else RetryBudget(capacity=capacity)}, clients=clients,
            seed=seed)
        for scenario in (SCENARIOS["outage"], FAILING)
    )  # fmt: skip
    return figures.load(outage), figures.success(figures.in_trouble(failing))


def budgets(pool: Executor, seed: int) -> str:
    """The budget's size, by how many clients share the load."""
    jobs = {
        (clients, capacity): pool.submit(_with_budget, capacity, clients, seed)
        for clients in _CLIENTS
        for capacity in _BUDGETS
    }
    rows = {
        f"{clients:,} clients, {LOAD / clients:g} calls a second each": [
            "{:.2f}, {:.2%}".format(*jobs[clients, capacity].result()) for capacity in _BUDGETS
        ]
        for clients in _CLIENTS
    }
    columns = ["no budget" if capacity is None else f"{capacity} tokens" for capacity in _BUDGETS]
    head = "Requests a call in an outage of 60 s, and calls that succeed while every fifth request fails"
    return grid(head, "", rows, columns)


def _with_waits(name: str, scenario: str, seed: int) -> tuple[float, float, int | None]:
    made = run(SCENARIOS[scenario], lambda: {"retry": _WAITS[name]}, seed=seed)
    return figures.load(made), figures.success(figures.in_trouble(made)), figures.recovery(made)


def waits(pool: Executor, seed: int) -> str:
    """Waits and attempts, where the API refuses."""
    scenarios = ("outage", "restart")
    jobs = {
        (name, scenario): pool.submit(_with_waits, name, scenario, seed) for name in _WAITS for scenario in scenarios
    }
    rows = {
        name: [
            f"{load:.2f}, {success:.1%}, {'never' if after is None else f'{after} s'}"
            for load, success, after in (jobs[name, scenario].result() for scenario in scenarios)
        ]
        for name in _WAITS
    }
    head = "Requests a call, calls that succeed, recovered after"
    return grid(head, "", rows, list(scenarios))


TABLES: Mapping[str, Callable[[Executor, int], str]] = {"budgets": budgets, "waits": waits}
