"""A client that goes at the rate that the server accepts, beside a plain one, in virtual time."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import Random

import pytest
from soak_batch.pace_table import limited, random_refusals
from soak_batch.servers import Closed, Latency, Server
from virtual import new_client, run, visits

from norce_order_async import (
    CallError,
    CallOptions,
    DeadlineExceeded,
    OrderClient,
    OutcomeKind,
    Receipt,
    delete_consent,
)
from norce_order_async.transport import Request, Response, Transport


class Simulated(Transport):
    """A transport to a simulated server, which keeps when it answered what."""

    def __init__(self, server: Server) -> None:
        self.answers: list[tuple[float, int]] = []
        self._server = server

    async def send(self, request: Request, *, timeout: float | None) -> Response:
        now = asyncio.get_running_loop().time()
        status, retry_after, latency = self._server.answer(now - 1000, 0)
        self.answers.append((now - 1000, status))
        await asyncio.sleep(latency)
        headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
        return Response(request, status, headers)

    async def aclose(self) -> None:
        pass

    def accepted(self, start: float, end: float) -> float:
        """Requests a second."""
        return sum(status == 200 for at, status in self.answers if start <= at < end) / (end - start)

    def refused(self, start: float, end: float) -> float:
        """The share of the requests."""
        statuses = [status for at, status in self.answers if start <= at < end]
        return sum(status != 200 for status in statuses) / len(statuses)


async def call_for(seconds: float, server: Server, *, adaptive: bool, workers: int = 40) -> Simulated:
    """Workers that make one call after another, on a client and its scoped views in turn."""
    transport = Simulated(server)
    async with new_client(transport, adaptive=adaptive, random=Random(1)) as client:
        end = asyncio.get_running_loop().time() + seconds

        async def work(view: OrderClient) -> None:
            while asyncio.get_running_loop().time() < end:
                try:
                    await delete_consent(view, "o_1", "ci")
                except CallError:
                    await asyncio.sleep(0.5)

        await asyncio.gather(*(work(client.scoped(channel=str(n % 3))) for n in range(workers)))
    return transport


def in_virtual_time(seconds: float, server: Server, *, adaptive: bool) -> Simulated:
    return run(call_for(seconds, server, adaptive=adaptive))


@pytest.mark.parametrize(
    ("server", "refused", "refused_plain", "used"),
    [
        (partial(limited, burst=20), 0.01, 0.1, 0.9 * 200),
        (partial(limited, burst=0), 0.02, 0.1, 0.75 * 200),
        (partial(random_refusals, 0.1, 500), 0.12, 0.08, None),
    ],
    ids=["200/s, burst 20", "200/s, no burst", "10 % of all"],
)
def test_an_adaptive_client_is_hardly_refused_and_uses_the_limit(
    server: Callable[[Random], Server], refused: float, refused_plain: float, used: float | None
) -> None:
    adaptive = in_virtual_time(12, server(Random(1)), adaptive=True)
    plain = in_virtual_time(12, server(Random(1)), adaptive=False)
    told = [f"{one.accepted(6, 12):.0f}/s accepted, {one.refused(6, 12):.2%} refused" for one in (adaptive, plain)]
    print("adaptive: {}; plain: {}".format(*told))
    assert adaptive.refused(6, 12) <= refused
    assert plain.refused(6, 12) >= refused_plain
    assert adaptive.accepted(6, 12) >= (0.9 * plain.accepted(6, 12) if used is None else used)


def test_a_call_that_waits_for_its_place_ends_at_its_deadline_and_was_not_sent() -> None:
    async def work() -> list[CallError]:
        transport = Simulated(Closed(Latency(0.02, Random(1)), 0.0, 1e6))
        async with new_client(transport, retry=None, adaptive=True, timeout=4.0) as client:
            calls = [delete_consent(client, "o_1", "ci") for _ in range(100)]
            await asyncio.gather(*calls, return_exceptions=True)
            late = await asyncio.gather(
                *(delete_consent(client, "o_1", "ci") for _ in range(50)), return_exceptions=True
            )
        assert len(transport.answers) < 110
        return [error for error in late if isinstance(error, CallError)]

    errors = run(work())
    assert len(errors) == 50
    waited = [error for error in errors if isinstance(error, DeadlineExceeded)]
    assert len(waited) > 40
    assert {error.outcome for error in waited} == {OutcomeKind.NOT_SENT}


class Outage(Transport):
    """A server that refuses everything for a while, from a time on; it accepts after ``answer`` seconds."""

    def __init__(self, start: float, end: float, retry_after: float | None, answer: float = 0.05) -> None:
        self._start, self._end, self._answer = start, end, answer
        self._headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}

    async def send(self, request: Request, *, timeout: float | None) -> Response:
        request.call.mark_sent()
        await asyncio.sleep(0.05)
        if self._start <= asyncio.get_running_loop().time() - 1000 < self._end:
            return Response(request, 503, self._headers)
        await asyncio.sleep(self._answer - 0.05)
        return Response(request, 200)

    async def aclose(self) -> None:
        pass


def adaptive_client(transport: Transport, deadline: float) -> OrderClient:
    return new_client(transport, adaptive=True, timeout=deadline, random=Random(1))


@pytest.mark.parametrize(
    ("deadline", "stays", "outage"),
    [(2.0, 60.0, 10.0), (30.0, 60.0, 90.0), (30.0, 5.0, 20.0)],
    ids=["short deadlines", "the usual deadline", "who leaves after 5 s"],
)
def test_when_an_outage_is_over_calls_that_come_are_made_at_once(deadline: float, stays: float, outage: float) -> None:
    transport = Outage(10.0, 10.0 + outage, 1.0)
    ends = run(visits(adaptive_client(transport, deadline), 20, 60 + outage, stays=stays))
    before, after = ends[: 20 * 10], ends[20 * round(10 + outage + 3) :]
    assert set(before) == set(after) == {"done"}


@pytest.mark.parametrize(("outage", "answer"), [(8.0, 2.0), (20.0, 0.2), (70.0, 2.0)])
def test_the_first_probe_after_an_outage_has_the_time_that_an_answer_takes(outage: float, answer: float) -> None:
    """Probes come less and less often, so those that wait for one that is far have little time left when it is due."""
    transport = Outage(10.0, 10.0 + outage, None, answer)
    ends = run(visits(adaptive_client(transport, 3.0), 20, 50 + outage))
    after = ends[20 * round(10 + outage + min(outage, 30.0) + 3) :]
    assert set(after) == {"done"}


@pytest.mark.parametrize("outage", [70.0, 90.0])
def test_the_probe_has_time_for_an_answer_also_where_calls_with_less_come_last(outage: float) -> None:
    """Work in the background with a long deadline, beside a web app's calls with short ones."""

    async def until_it_is_well() -> float:
        well_at = 1010.0 + outage
        succeeded = list[float]()
        transport = Outage(10.0, 10.0 + outage, None, 0.45)
        async with new_client(transport, adaptive=True, retry=None, random=Random(1)) as client:
            loop = asyncio.get_running_loop()

            async def call_every(seconds: float, deadline: float) -> None:
                async with asyncio.TaskGroup() as group:
                    while loop.time() < well_at + 100:
                        group.create_task(call(deadline))
                        await asyncio.sleep(seconds)

            async def call(deadline: float) -> None:
                with suppress(CallError):
                    await delete_consent(client, "o_1", "ci", options=CallOptions(timeout=deadline))
                    succeeded.append(loop.time() - well_at)

            await asyncio.gather(call_every(2.0, 60.0), call_every(0.3, 0.5))
        return min(after for after in succeeded if after > 0)

    assert run(until_it_is_well()) <= 31  # probes are at most 30 seconds apart


@pytest.mark.parametrize("deadline", [1.0, 5.0])
def test_of_more_calls_than_are_accepted_as_many_succeed_as_would_be(deadline: float) -> None:
    transport = Simulated(limited(Random(1), burst=20))
    ends = run(visits(adaptive_client(transport, deadline), 300, 20))
    assert transport.accepted(10, 20) >= 0.9 * 200
    assert transport.refused(10, 20) <= 0.03
    later = ends[300 * 10 :]
    assert later.count("done") >= 0.9 * 200 * 10
    assert later.count("DeadlineExceeded not_sent") >= 0.95 * (len(later) - later.count("done"))


def test_a_call_whose_place_comes_after_its_deadline_ends_at_once_and_says_why() -> None:
    async def work() -> tuple[float, list[BaseException | Receipt]]:
        begin, ends = 0.0, list[BaseException | Receipt]()
        async with new_client(Outage(0.0, 1e6, 600.0), adaptive=True, timeout=10.0) as client:

            async def call_often() -> list[BaseException | Receipt]:
                calls = [delete_consent(client, "o_1", "ci") for _ in range(20)]
                return await asyncio.gather(*calls, return_exceptions=True)

            await call_often()
            for _ in range(6):  # until probes are half a minute apart
                await asyncio.sleep(32)
                begin = asyncio.get_running_loop().time()
                ends = await call_often()
            return asyncio.get_running_loop().time() - begin, ends

    took, (probe, *others) = run(work())
    assert took < 0.2
    assert isinstance(probe, CallError)
    assert len(probe.attempts) == 1
    for error in others:
        assert isinstance(error, DeadlineExceeded)
        assert (error.outcome, error.attempts) == (OutcomeKind.NOT_SENT, ())
        assert error.gave_up == "its place at the rate that the server accepts comes too late"


def test_while_a_probe_is_under_way_no_call_is_given_up() -> None:
    """Its answer may be a yes, and then the places of the others come at once."""

    async def work() -> list[BaseException | Receipt]:
        transport = Outage(0.0, 20.0, 1.0)
        async with new_client(transport, adaptive=True, timeout=8.0, retry=None, random=Random(1)) as client:
            while asyncio.get_running_loop().time() < 1019.5:  # until the next place is half a minute after a probe
                await asyncio.gather(delete_consent(client, "o_1", "ci"), return_exceptions=True)
                await asyncio.sleep(0.1)
            await asyncio.sleep(1)
            calls = [delete_consent(client, "o_1", "ci") for _ in range(50)]
            return await asyncio.gather(*calls, return_exceptions=True)

    ends = run(work())
    assert all(isinstance(end, Receipt) for end in ends)
