"""Every outcome is true, whatever the network and the server do."""

from typing import get_args

import pytest
from invariants import Door, run


@pytest.mark.asyncio
@pytest.mark.parametrize("door", get_args(Door))
async def test_no_operation_is_lost_and_no_outcome_is_wrong(door: Door) -> None:
    result = await run(2_000, seed=20260112, door=door)
    assert result.violations == []
    assert result.outcomes.total() == 2_000
    assert result.attempts <= 1.35
