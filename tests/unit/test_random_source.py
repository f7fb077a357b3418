"""Random waits and request ids: the same each time where the source is seeded, and only there."""

import random
from random import Random

import pytest
from support import Answer, scripted

from norce_order_async import ClientCredentials, TokenError, WaitTimeout, delete_consent, wait_until
from norce_order_async.batch import DeleteConsent, run_batch
from norce_order_async.middleware import Call


async def test_of_a_call() -> None:
    async def run() -> tuple[str, float | None]:
        done: list[tuple[str, float | None]] = []

        def note(call: Call, error: BaseException | None) -> None:
            done.append((call.request_id, call.attempts[0].delay))

        client, _, _ = scripted(503, 200, random=Random(7), on_call=[note])
        await delete_consent(client, "o_1", "ci")
        return done[0]

    first, second = await run(), await run()
    assert first == second
    assert first[1]


async def test_of_a_batch() -> None:
    async def run() -> tuple[list[str], list[float]]:
        client, transport, clock = scripted(429, 429, 200, random=Random(7))
        outcomes = run_batch(client, [DeleteConsent("o_1", "ci")], concurrency=1)
        assert [outcome.outcome.done async for outcome in outcomes] == [True]
        return [request.headers["x-request-id"] for request in transport.requests], clock.slept

    first, second = await run(), await run()
    assert first == second
    assert len(set(first[0])) == 1
    assert first[1]


async def test_of_a_wait() -> None:
    async def run() -> list[float]:
        read: Answer = 200, {}, b'{"id": "o_1"}'
        client, _, clock = scripted(*[read] * 4, (429, {"retry-after": "60"}, b""), random=Random(7))
        with pytest.raises(WaitTimeout):
            await wait_until(client, "o_1", lambda order: False, timeout=30, pause=4)
        return clock.slept

    first, second = await run(), await run()
    assert first == second
    assert len(first) >= 3


async def test_of_a_token_source() -> None:
    async def run() -> list[float]:
        _, transport, clock = scripted(503, 503, 400)
        source = ClientCredentials(
            token_url="https://id.example.com/token", client_id="id", client_secret="s", timeout=60.0,
            transport=transport, clock=clock, random=Random(7),
        )  # fmt: skip
        with pytest.raises(TokenError):
            await source.get()
        return clock.slept

    first, second = await run(), await run()
    assert first == second
    assert len(first) == 2


async def test_a_program_that_seeds_python_s_generator_repeats_no_request_ids_and_is_not_disturbed() -> None:
    client, transport, _ = scripted(503, 200)
    drawn: list[float] = []
    state = random.getstate()
    try:
        for _ in range(2):
            random.seed(42)
            await delete_consent(client, "o_1", "ci")
            drawn.append(random.random())
    finally:
        random.setstate(state)
    assert len({request.headers["x-request-id"] for request in transport.requests}) == 2
    assert drawn == [Random(42).random()] * 2
