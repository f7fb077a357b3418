"""The deliberate defects still go with the source."""

import ast

import pytest
from simulation.mutants import MUTANTS, Mutant
from simulation.mutating import PACKAGE, mutate
from simulation.runs import TRANSPORTS, WORKLOADS


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_text_of_a_mutant_stands_once_in_the_source(mutant: Mutant) -> None:
    source = (PACKAGE / mutant.file).read_text(encoding="utf-8")
    changed = mutate(mutant, source)
    assert changed != source
    ast.parse(changed)
    assert mutant.workload in WORKLOADS
    assert mutant.transport in TRANSPORTS


def test_the_names_of_mutants_differ() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
