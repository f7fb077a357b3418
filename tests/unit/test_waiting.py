"""Waiting until an order is as wanted, without a moment of real time."""

import asyncio
import gc
import json
import pickle
from typing import Any

import pytest
from support import ScriptedTransport, scripted

from norce_order_async import (
    AuthenticationError,
    CallError,
    CallOptions,
    ConfigurationError,
    DecodeError,
    InvalidRequestError,
    NotFoundError,
    OutcomeKind,
    ServerError,
    Timeout,
    WaitTimeout,
    wait_until,
)
from norce_order_async.core.errors import ConnectTimeout, PoolTimeout, ReadTimeout, TransportError
from norce_order_async.models import Order, OrderStatus
from norce_order_async.transport import Request, Response

DONE = OrderStatus.COMPLETED


def order(status: str) -> tuple[int, dict[str, str], bytes]:
    wire = {"id": "o_1", "state": {"currentStatus": status}, "customer": {"billing": {"email": "ada@example.com"}}}
    return 200, {}, json.dumps(wire).encode()


def is_done(read: Order) -> bool:
    return read.state is not None and read.state.current_status is DONE


async def test_it_reads_with_growing_pauses_until_the_order_is_as_wanted() -> None:
    client, transport, clock = scripted(*[order("checkout")] * 8, order("completed"))
    read = await wait_until(client, "o_1", is_done, timeout=120, pause=1, longest_pause=16)
    assert is_done(read)
    assert len(transport.requests) == 9
    most = [1, 2, 4, 8, 16, 16, 16, 16]
    assert all(limit / 2 <= slept <= limit for slept, limit in zip(clock.slept, most, strict=True))
    assert len({slept / limit for slept, limit in zip(clock.slept, most, strict=True)}) > 1


async def test_an_order_that_is_as_wanted_at_once_needs_one_read() -> None:
    client, transport, clock = scripted(order("completed"))
    await wait_until(client, "o_1", is_done, timeout=1e-3)
    assert (len(transport.requests), clock.slept) == (1, [])


@pytest.mark.parametrize("pause", [10, 500])
async def test_a_pause_that_is_longer_than_the_wait_is_cut_to_it(pause: float) -> None:
    client, transport, clock = scripted(order("checkout"))
    with pytest.raises(WaitTimeout):
        await wait_until(client, "o_1", is_done, timeout=1, pause=pause, longest_pause=pause)
    assert len(transport.requests) == 2
    assert 0.4 <= clock.now <= 1


async def test_a_coroutine_function_is_no_predicate() -> None:
    async def ready(read: Order) -> bool:
        raise AssertionError(read)

    client, transport, _ = scripted(order("checkout"))
    with pytest.raises(TypeError, match="predicate must be a plain function, got an async function"):
        await wait_until(client, "o_1", ready, timeout=60)
    assert transport.requests == []


async def test_a_predicate_that_returns_what_is_to_be_awaited_is_named() -> None:
    future = asyncio.get_running_loop().create_future()
    client, _, _ = scripted(order("checkout"))
    with pytest.raises(TypeError, match="predicate must be a plain function, but returns a Future"):
        await wait_until(client, "o_1", lambda read: future, timeout=60)


@pytest.mark.parametrize("timeout", [0.01, 0.6, 5, 100])
async def test_the_error_of_a_time_out_has_the_last_order_and_shows_nothing_of_it(timeout: float) -> None:
    client, _, clock = scripted(order("checkout"), order("processing"))
    with pytest.raises(WaitTimeout, match=f"o_1 was not as wanted within {timeout:g} s") as caught:
        await wait_until(client, "o_1", is_done, timeout=timeout)
    error = caught.value
    assert isinstance(error, TimeoutError)
    assert isinstance(error, CallError)
    assert error.outcome is OutcomeKind.UNKNOWN
    assert error.order is not None
    assert error.order.state is not None
    assert error.order.state.current_status in ("checkout", "processing")
    assert clock.now <= timeout
    assert clock.now >= 0.9 * timeout or timeout < 0.1
    shown = f"{error} {error!r} {error.args}"
    assert "ada@" not in shown
    assert "processing" not in shown
    assert pickle.loads(pickle.dumps(error)).order == error.order


async def test_failures_in_passing_are_looks_and_the_last_one_is_the_cause() -> None:
    client, transport, _ = scripted(order("checkout"), *[503] * 6, order("completed"))
    assert is_done(await wait_until(client, "o_1", is_done, timeout=60))
    assert len(transport.requests) == 8
    client, _, _ = scripted(order("checkout"), 503)
    with pytest.raises(WaitTimeout) as caught:
        await wait_until(client, "o_1", is_done, timeout=60)
    assert isinstance(caught.value.__cause__, ServerError)
    assert caught.value.order is not None
    client, _, _ = scripted(503)
    with pytest.raises(WaitTimeout) as caught:
        await wait_until(client, "o_1", is_done, timeout=60)
    assert caught.value.order is None


async def test_it_comes_back_no_earlier_than_the_service_asks_for() -> None:
    client, _, clock = scripted((429, {"retry-after": "70"}, b""), order("completed"))
    await wait_until(client, "o_1", is_done, timeout=100)
    assert [70 <= slept <= 71 for slept in clock.slept] == [True]
    client, transport, clock = scripted((429, {"retry-after": "70"}, b""))
    with pytest.raises(WaitTimeout):
        await wait_until(client, "o_1", is_done, timeout=60)
    assert (len(transport.requests), clock.slept) == (1, [])


LASTING: list[tuple[Any, type[CallError]]] = [
    (404, NotFoundError),
    (401, AuthenticationError),
    (501, ServerError),
    ((200, {}, b"[]"), DecodeError),
]


@pytest.mark.parametrize(("answer", "error"), LASTING)
async def test_a_failure_that_does_not_pass_ends_it_at_once(answer: Any, error: type[CallError]) -> None:
    client, transport, clock = scripted(order("checkout"), answer)
    with pytest.raises(error) as caught:
        await wait_until(client, "o_1", is_done, timeout=60)
    assert not isinstance(caught.value, WaitTimeout)
    assert (len(transport.requests), len(clock.slept)) == (2, 1)


async def test_without_a_retry_policy_no_failure_passes() -> None:
    client, transport, _ = scripted(503, retry=None)
    with pytest.raises(ServerError):
        await wait_until(client, "o_1", is_done, timeout=60)
    assert len(transport.requests) == 1


@pytest.mark.parametrize("slow", [ReadTimeout("slow", sent=True), ConnectTimeout("slow"), PoolTimeout("slow")])
async def test_without_a_retry_policy_too_a_read_that_takes_too_long_is_a_look(slow: TransportError) -> None:
    client, transport, _ = scripted(slow, order("completed"), retry=None)
    assert is_done(await wait_until(client, "o_1", is_done, timeout=60))
    assert len(transport.requests) == 2


async def test_a_read_has_no_more_time_than_is_left() -> None:
    totals: list[float] = []

    async def note(request: Request, call_next: Any, /) -> Response:
        totals.append(request.call.timeout.total)
        response: Response = await call_next(request)
        return response

    client, _, clock = scripted(order("checkout"), call_middlewares=[note], timeout=Timeout(total=20))
    with pytest.raises(WaitTimeout):
        await wait_until(client, "o_1", is_done, timeout=40, options=CallOptions(request_id="wait-1"))
    assert totals[0] == 20
    assert abs(totals[-1] - (40 - clock.now)) < 1e-6


async def nothing(order: Order) -> bool:
    raise AssertionError(order)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"order_id": "a/b"}, "order_id"),
        ({"order_id": 7}, "order_id"),
        ({"predicate": None}, "predicate"),
        ({"predicate": nothing}, "predicate"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "7"}, "timeout"),
        ({"pause": -1}, "pause"),
        ({"longest_pause": True}, "longest_pause"),
    ],
)
async def test_a_bad_argument_is_named_and_nothing_is_sent(wrong: Any, named: str) -> None:
    client, transport, _ = scripted()
    given: Any = {"order_id": "o_1", "predicate": is_done, "timeout": 1} | wrong
    with pytest.raises((InvalidRequestError, TypeError, ConfigurationError), match=named):
        await wait_until(client, **given)
    assert transport.requests == []


async def test_the_error_of_a_predicate_goes_through() -> None:
    client, _, _ = scripted(order("checkout"))
    with pytest.raises(ZeroDivisionError):
        await wait_until(client, "o_1", lambda read: 1 / 0, timeout=60)


async def test_a_time_out_leaves_no_circle_of_references() -> None:
    async def wait(transport_script: ScriptedTransport) -> None:
        client, _, _ = scripted(*transport_script.script)
        with pytest.raises(WaitTimeout):
            await wait_until(client, "o_1", is_done, timeout=60)

    await wait(ScriptedTransport(503))
    gc.collect()
    gc.disable()
    try:
        await wait(ScriptedTransport(503))
        assert not [each for each in gc.get_objects() if isinstance(each, WaitTimeout)]
    finally:
        gc.enable()
