"""What several integration tests use."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from staging import Stage, staged


@pytest_asyncio.fixture(params=["transport", "server"])
async def stage(request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    async with staged(request.param) as stage:
        yield stage
