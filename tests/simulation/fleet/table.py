"""The figures of many runs as tables."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median_low

from simulation.fleet import figures
from simulation.fleet.running import Run

Runs = Mapping[str, Sequence[Run]]
"""Runs, one for each seed, by the name of what the clients do."""


def scenario_table(runs: Runs) -> str:
    """One scenario, a line for each policy."""
    scenario = next(iter(runs.values()))[0].scenario
    columns = (
        "requests a call",
        "most in a second",
        "calls that succeed",
        "the worst tenth of clients",
        "their p90",
        "recovered after",
        "wasted requests",
    )
    return grid(scenario.head, {name: _cells(each) for name, each in runs.items()}, columns)


def _cells(runs: Sequence[Run]) -> Sequence[str]:
    calls = [figures.good(figures.in_trouble(run)) for run in runs]
    return (
        cell(map(figures.load, runs), "{:.2f}".format),
        cell(map(figures.peak, runs), "{:,.0f}".format),
        cell(map(figures.success, calls), "{:.1%}".format),
        cell(map(figures.worst_tenth, calls), "{:.0%}".format),
        cell(map(figures.p90, calls), _took),
        cell(map(figures.recovery, runs), seconds),
        cell(map(figures.wasted, runs), "{:.0%}".format),
    )


def _took(value: float) -> str:
    return "" if value == math.inf else f"{value:.2f} s"


def cell(values: Iterable[float], form: Callable[[float], str]) -> str:
    """The median of some runs, and the lowest and the highest where they differ from it."""
    ordered = sorted(values)
    low, middle, high = map(form, (ordered[0], median_low(ordered), ordered[-1]))
    return middle if low == high else f"{middle} ({low} to {high})"


def seconds(value: float) -> str:
    """A time until recovery."""
    return "never" if value == math.inf else f"{value:.0f} s"


def grid(head: str, rows: Mapping[str, Sequence[str]], columns: Sequence[str]) -> str:
    """A table of cells."""
    lines = [f"**{head}**", "", f"|  | {' | '.join(columns)} |", f"| --- |{' ---: |' * len(columns)}"]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    return "\n".join([*lines, ""])
