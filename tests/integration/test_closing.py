"""Closing a client over real sockets, while some calls are under way and others wait for their turn."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from failing import TRANSPORTS
from raw_server import OK, RawServer

from norce_order_async import (
    CallOptions,
    ClientClosedError,
    ClientStateError,
    OrderClient,
    OutcomeKind,
    Receipt,
    Timeout,
    delete_consent,
    get_order,
)
from norce_order_async.middleware import Call
from norce_order_async.testing.conformance.origin import Line, Peer
from norce_order_async.transport import Transport

pytestmark = pytest.mark.parametrize("make", TRANSPORTS.values(), ids=TRANSPORTS)

CALLS, LIMIT = 30, 10


def after(release: asyncio.Event) -> Line:
    """Answer when that is set."""

    async def answer(peer: Peer) -> bool:
        await release.wait()
        peer.write(OK)
        return True

    return answer


async def calls(client: OrderClient, server: RawServer) -> list[asyncio.Task[Receipt]]:
    """Calls, of which as many are under way as the client lets."""
    tasks = [asyncio.create_task(delete_consent(client, f"o_{number}", "ci")) for number in range(CALLS)]
    while len(server.requests) < LIMIT:  # noqa: ASYNC110 (of another object)
        await asyncio.sleep(0.001)
    return tasks


def outcomes(tasks: list[asyncio.Task[Receipt]]) -> list[OutcomeKind]:
    """In what each ended; all errors say that the client was closed."""
    found: list[OutcomeKind] = []
    for task in tasks:
        error = task.exception()
        if error is None:
            found.append(task.result().outcome)
        else:
            assert isinstance(error, ClientClosedError)
            assert error.reason == "the client was closed"
            found.append(error.outcome)
    return found


async def test_what_is_under_way_ends_and_what_waits_is_not_sent(make: Callable[[], Transport]) -> None:
    release = asyncio.Event()
    async with RawServer(after(release)) as server:
        client = server.client(transport=make(), limit=LIMIT)
        tasks = await calls(client, server)
        closing = asyncio.create_task(client.aclose(grace=30))
        await asyncio.wait(tasks[LIMIT:])
        # At once: those under way have no answer yet.
        assert outcomes(tasks[LIMIT:]) == [OutcomeKind.NOT_SENT] * (CALLS - LIMIT)
        assert not any(task.done() for task in [closing, *tasks[:LIMIT]])
        with pytest.raises(ClientStateError, match="the client is closed"):
            await delete_consent(client, "o_1", "ci")
        release.set()
        await closing
        assert outcomes(tasks[:LIMIT]) == [OutcomeKind.APPLIED] * LIMIT
        assert len(server.requests) == LIMIT
    assert (client.stats().calls, client.stats().slots_used) == (CALLS, 0)


async def test_what_outlives_the_grace_is_unknown_and_says_that_the_client_was_closed(
    make: Callable[[], Transport],
) -> None:
    async with RawServer(after(asyncio.Event())) as server:
        ended: list[tuple[OutcomeKind, type[object]]] = []

        def note(call: Call, error: BaseException | None) -> None:
            ended.append((call.outcome, type(error)))

        client = server.client(transport=make(), limit=LIMIT, on_call=[note])
        tasks = await calls(client, server)
        await client.aclose(grace=0.05)
        assert all(task.done() for task in tasks)
        assert Counter(outcomes(tasks)) == {OutcomeKind.UNKNOWN: LIMIT, OutcomeKind.NOT_SENT: CALLS - LIMIT}
        assert len(server.requests) == LIMIT
    assert Counter(ended) == {
        (OutcomeKind.UNKNOWN, ClientClosedError): LIMIT,
        (OutcomeKind.NOT_SENT, ClientClosedError): CALLS - LIMIT,
    }


async def test_what_waits_for_another_try_ends_at_once_and_stays_unknown(make: Callable[[], Transport]) -> None:
    async with RawServer(b"HTTP/1.1 503 X\r\nContent-Length: 0\r\nRetry-After: 9\r\n\r\n") as server:
        client = server.client(transport=make(), limit=LIMIT)
        tasks = await calls(client, server)
        while len(server.requests) < CALLS or client.stats().slots_used:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await client.aclose(grace=30)
        assert outcomes(tasks) == [OutcomeKind.UNKNOWN] * CALLS
        assert len(server.requests) == CALLS


async def test_one_that_reads_is_cut_alike(make: Callable[[], Transport]) -> None:
    async with RawServer(after(asyncio.Event())) as server:
        client = server.client(transport=make(), limit=1)
        options = CallOptions(timeout=Timeout(total=60, attempt=60))
        tasks = [asyncio.create_task(get_order(client, "o_1", options=options)) for _ in range(2)]
        while not server.requests:  # noqa: ASYNC110 (of another object)
            await asyncio.sleep(0.001)
        await client.aclose(grace=0)
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert [(type(error), getattr(error, "outcome", None)) for error in errors] == [
            (ClientClosedError, OutcomeKind.UNKNOWN),
            (ClientClosedError, OutcomeKind.NOT_SENT),
        ]
