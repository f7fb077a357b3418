"""A server of tokens and of the API in a process of its own: a token says until when it is taken."""

import asyncio
import json
import multiprocessing
import time
from collections.abc import Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection

LIFETIME = 4.0
"""Seconds that an issued token is taken."""


def token(seconds: float) -> str:
    """One that is taken so long from now."""
    return f"until-{time.time() + seconds:.3f}"


@contextmanager
def serving() -> Generator[int]:
    """The port of a server that runs meanwhile."""
    context = multiprocessing.get_context("spawn")
    ours, its = context.Pipe()
    process = context.Process(target=_main, args=(its,), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _main(told: Connection) -> None:
    async def run() -> None:
        server = await asyncio.start_server(_serve, "127.0.0.1", 0, backlog=512)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            await reader.readexactly(int(headers.get("content-length", 0)))
            if first.startswith("POST /token"):
                await asyncio.sleep(0.05)
                grant = {"access_token": token(LIFETIME), "token_type": "Bearer", "expires_in": LIFETIME}
                status, body = 200, json.dumps(grant).encode()
            else:
                taken = time.time() < float(headers["authorization"].rpartition("-")[2])
                status, body = (200, b"") if taken else (401, b'{"code":"unauthorized","message":"expired"}')
            head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()
