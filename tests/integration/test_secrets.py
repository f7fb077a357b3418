"""The token is nowhere: not in logs at any level, reprs, pickles or tracebacks."""

import asyncio
import logging
import pickle
import traceback
from typing import Any

import pytest
from support import TOKEN, RawServer, answer, scripted

from norce_order_async import (
    CallError,
    ConnectError,
    HttptoolsTransport,
    ReadTimeout,
    RetryPolicy,
    Timeout,
    delete_consent,
    get_order,
    patch_attributes,
)

pytestmark = pytest.mark.asyncio

EMAIL = "ada@canary.example"


async def silence(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


SCRIPTS: dict[str, Any] = {
    "refused token": answer(401, b'{"code": "unauthorized", "message": "no"}'),
    "server error": answer(503, retry_after="0"),
    "garbage": b"\x00\xff\r\n\r\n",
    "cut": None,
    "redirect": answer(302, location="https://elsewhere.example/"),
    "silence": silence,
    "not json": answer(200, b"<html>"),
}


@pytest.mark.parametrize("name", SCRIPTS)
async def test_the_token_and_bodies_are_in_nothing_that_is_shown(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    async with RawServer(SCRIPTS[name]) as server:
        retry = RetryPolicy(max_attempts=2, wait=lambda state: 0)
        async with server.client(retry=retry, timeout=Timeout(attempt=0.05)) as client:
            shown.append(repr(client))
            for call in (
                get_order(client, "o_123"),
                patch_attributes(client, "o_123", {"email": EMAIL}),
            ):
                try:
                    await call
                except CallError as error:
                    shown += [repr(error), str(error), repr(error.__dict__), repr(error.__cause__)]
                    shown += traceback.format_exception(error)
                    shown.append(pickle.dumps(error).decode("latin-1"))
            shown.append(repr(client.stats()))
    assert any(TOKEN.encode() in request for request in server.requests)
    assert any(EMAIL.encode() in request for request in server.requests)
    for text in [*shown, caplog.text, *(repr(vars(record)) for record in caplog.records)]:
        assert TOKEN not in text
        assert EMAIL not in text


async def test_not_even_in_the_locals_that_a_debugger_shows_of_an_error_of_ours() -> None:
    client, _, _ = scripted(ConnectError("refused", sent=False), ReadTimeout("late", sent=True), 503)
    with pytest.raises(CallError) as caught:
        await delete_consent(client, "o_123", "ci")
    assert TOKEN not in with_locals(caught.value)


@pytest.mark.parametrize("said", [None, b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"])
async def test_nor_in_those_of_the_faster_transport(said: bytes | None) -> None:
    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(said or b"")
        writer.close()

    async with RawServer(cut) as server, server.client(transport=HttptoolsTransport(), retry=None) as client:
        with pytest.raises(CallError) as caught:
            await get_order(client, "o_123")
    assert TOKEN.encode() in server.requests[0]
    assert TOKEN not in with_locals(caught.value)


def with_locals(error: BaseException) -> str:
    """A traceback with the local variables of every frame."""
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
