"""What several integration tests use."""

from collections.abc import AsyncIterator

import pytest
from staging import Stage, staged


@pytest.fixture(params=["transport", "server"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with staged(request.param) as stage:
        yield stage
