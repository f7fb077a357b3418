"""How long a closing takes: the shortest grace counts, whatever is being waited for."""

import asyncio

import pytest
from support import TOKEN, ScriptedTransport
from virtual import new_client, run

from norce_order_async import OrderClient


class StuckSource:
    """A token source that does not close."""

    async def get(self, *, rejected: str | None = None) -> str:
        return TOKEN

    async def aclose(self) -> None:
        await asyncio.Event().wait()


class StuckTransport(ScriptedTransport):
    """A transport that does not close."""

    async def aclose(self) -> None:
        await asyncio.Event().wait()


@pytest.fixture(params=["token source", "transport"])
def stuck(request: pytest.FixtureRequest) -> OrderClient:
    """A client of which one of these does not close."""
    if request.param == "transport":
        return new_client(StuckTransport())
    return new_client(ScriptedTransport(), auth=StuckSource())


@pytest.mark.parametrize("cancelled", [False, True])
def test_the_shortest_grace_counts_while_the_token_source_or_the_transport_is_closed(
    stuck: OrderClient, cancelled: bool
) -> None:
    async def main() -> float:
        start = asyncio.get_running_loop().time()
        first = asyncio.create_task(stuck.aclose(grace=600))
        await asyncio.sleep(10)
        if cancelled:
            first.cancel()
            await stuck.aclose(grace=600)
        else:
            await stuck.aclose(grace=0)
        return asyncio.get_running_loop().time() - start

    assert run(main()) == pytest.approx(10, abs=1.1)


def test_what_does_not_close_has_the_rest_of_the_grace(stuck: OrderClient) -> None:
    async def main() -> float:
        start = asyncio.get_running_loop().time()
        await stuck.aclose(grace=600)
        return asyncio.get_running_loop().time() - start

    assert run(main()) == pytest.approx(600)
