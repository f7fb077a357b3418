"""Every outcome is true, whatever the network and the server do."""

from typing import get_args

import pytest
from invariants import Door, run
from operation_mix import MIX

from norce_order_async.wire.table import ROWS


def test_the_mix_has_every_operation() -> None:
    assert MIX.keys() == ROWS.keys()
    assert all((kind.effects is not None) == ROWS[name].changes for name, kind in MIX.items())


@pytest.mark.parametrize("door", get_args(Door))
async def test_no_operation_is_lost_and_no_outcome_is_wrong(door: Door) -> None:
    result = await run(2_000, seed=20260112, door=door)
    assert result.violations == []
    assert result.outcomes.total() == 2_000
    assert result.attempts <= 1.35
