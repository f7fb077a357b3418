"""Run workloads on copies of the package that each have one deliberate defect, and see which check finds it."""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs
from simulation.mutants import MUTANTS, Mutant

import norce_order_async

PACKAGE = Path(norce_order_async.__file__).parent
_TESTS = Path(__file__).parent.parent
_LONGEST = 120
"""Seconds of real time after which a run never ends."""
_SHOWN = 90
_RUNS = f"""
import faulthandler, json, sys
from simulation.runs import run
workload, transport, first, end = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for seed in range(first, end):
    faulthandler.dump_traceback_later({_LONGEST}, exit=True)
    print(json.dumps([seed, list(run(workload, seed, transport).violations[:1])]), flush=True)
"""


@attrs.define
class Finding:
    """What the runs of a mutant have shown.

    Attributes:
        mutant: The mutant.
        runs: How many there were.
        found: In how many of them a check failed.
        seed: The first seed at which one failed; None without one.
        check: What that said.
    """

    mutant: Mutant
    runs: int = 0
    found: int = 0
    seed: int | None = None
    check: str = ""


def mutate(mutant: Mutant, text: str) -> str:
    """The text of its module with the defect in it.

    Raises:
        ValueError: Its text does not stand there exactly once.
    """
    if (count := text.count(mutant.before)) != 1:
        raise ValueError(f"{mutant.name}: its text stands {count} times in {mutant.file}")
    return text.replace(mutant.before, mutant.after)


def look_for(mutant: Mutant, *, sample: int, seeds: int, found: int) -> Finding:
    """Run a mutant over ``sample`` seeds, and over more until ``found`` have shown it, up to ``seeds``."""
    finding = Finding(mutant)
    with TemporaryDirectory() as folder:
        copy = Path(folder) / PACKAGE.name
        shutil.copytree(PACKAGE, copy)
        module = copy / mutant.file
        module.write_text(mutate(mutant, module.read_text(encoding="utf-8")), encoding="utf-8")
        for seed, violations in _runs(mutant, folder, 0, sample):
            _note(finding, seed, violations)
        if finding.found < found:
            for seed, violations in _runs(mutant, folder, sample, seeds):
                _note(finding, seed, violations)
                if finding.found == found:
                    break
    return finding


def _note(finding: Finding, seed: int, violations: Sequence[str]) -> None:
    finding.runs += 1
    finding.found += bool(violations)
    if violations and finding.seed is None:
        finding.seed, finding.check = seed, _check_of(violations[0])


def _runs(mutant: Mutant, folder: str, first: int, end: int) -> Iterator[tuple[int, list[str]]]:
    """The seeds, and what was found at each; a process that ends early has found something, too."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([folder, str(_TESTS)]), "PYTHONSAFEPATH": "1"}
    while first < end:
        command = [sys.executable, "-c", _RUNS, mutant.workload, mutant.transport, str(first), str(end)]
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    seed, violations = json.loads(line)
                    first = seed + 1
                    yield seed, violations
            finally:
                process.kill()
        if first < end:
            yield first, ["0 the run ends in no orderly way"]
            first += 1


def _check_of(violation: str) -> str:
    """What a check said, without the time, ids, numbers and objects."""
    text = re.sub(r"\b[0-9a-f]{32}\b", "a request", violation.split(" ", 1)[1])
    text = re.sub(r"\b\d+(\.\d+)?\b", "n", text.split(": <", 1)[0])
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} ..."


def table(findings: Sequence[Finding]) -> str:
    """The findings as a table in Markdown."""
    lines = [
        "| Defect | Workload | First seed | Seeds that show it | What the check says |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    for finding in findings:
        mutant = finding.mutant
        seed = "not found" if finding.seed is None else str(finding.seed)
        check = finding.check.replace("|", "\\|")
        lines.append(
            f"| `{mutant.name}`: {mutant.what} | {mutant.workload}, {mutant.transport} | {seed} "
            f"| {finding.found} of {finding.runs} | {check} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Run the mutants; 1 where one is not found."""
    parser = argparse.ArgumentParser(prog="simulation mutants", description=__doc__)
    parser.add_argument("--only", choices=[mutant.name for mutant in MUTANTS], nargs="+", help="only these")
    parser.add_argument("--sample", type=int, default=20, help="so many seeds of each")
    parser.add_argument("--found", type=int, default=3, help="more seeds until so many show it")
    parser.add_argument("--seeds", type=int, default=1000, help="so many seeds at most")
    parser.add_argument("--output", type=Path, help="write the table to this file")
    options = parser.parse_args(arguments)
    findings: list[Finding] = []
    for mutant in MUTANTS:
        if options.only is None or mutant.name in options.only:
            finding = look_for(mutant, sample=options.sample, seeds=options.seeds, found=options.found)
            print(table([finding]).splitlines()[-1], flush=True)
            findings.append(finding)
    if options.output is not None:
        options.output.write_text(table(findings), encoding="utf-8")
    missed = sum(finding.seed is None for finding in findings)
    print(f"{len(findings)} defects, {missed} of them not found")
    return int(missed > 0)
