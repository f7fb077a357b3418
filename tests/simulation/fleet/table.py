"""The figures of many runs as tables."""

from collections.abc import Iterator, Mapping, Sequence

from simulation.fleet import figures
from simulation.fleet.running import Run

Runs = Mapping[str, Run]
"""Runs by the name of what the clients do."""


def scenario_table(runs: Runs) -> str:
    """One scenario, a line for each policy."""
    scenario = next(iter(runs.values())).scenario
    return "\n".join([
        f"**{scenario.head}**",
        "",
        "| | requests a call | most in a second | calls that succeed | their p90 | recovered after | wasted requests |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_line(name, run) for name, run in runs.items()),
        "",
    ])  # fmt: skip


def _line(name: str, run: Run) -> str:
    calls = figures.good(figures.in_trouble(run))
    p90, recovery = figures.p90(calls), figures.recovery(run)
    cells = [
        name,
        f"{figures.load(run):.2f}",
        f"{figures.peak(run):,.0f}",
        f"{figures.success(calls):.1%}",
        "" if p90 is None else f"{p90:.2f} s",
        f"not in {run.scenario.after:.0f} s" if recovery is None else f"{recovery} s",
        f"{figures.wasted(run):.0%}",
    ]
    return f"| {' | '.join(cells)} |"


def grid(head: str, corner: str, rows: Mapping[str, Sequence[str]], columns: Sequence[str]) -> str:
    """A table of cells."""
    return "\n".join(_grid(head, corner, rows, columns))


def _grid(head: str, corner: str, rows: Mapping[str, Sequence[str]], columns: Sequence[str]) -> Iterator[str]:
    yield f"**{head}**"
    yield ""
    yield f"| {corner} | {' | '.join(columns)} |"
    yield f"| --- |{' ---: |' * len(columns)}"
    for name, cells in rows.items():
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
