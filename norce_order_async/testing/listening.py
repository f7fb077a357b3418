"""Servers: one in a thread of its own, and the end of one that listens."""

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

_Server = TypeVar("_Server", bound=AbstractAsyncContextManager[Any])


@contextmanager
def in_a_thread(server: _Server) -> Generator[_Server]:
    """Serve in an event loop of its own: that of the test may stand still, or end.

    What keeps the server from starting, or goes wrong as it ends, is raised.
    """
    started: Future[Callable[[], object]] = Future()

    async def serve() -> None:
        async with server:
            stop = asyncio.Event()
            started.set_result(partial(asyncio.get_running_loop().call_soon_threadsafe, stop.set))
            await stop.wait()

    with ThreadPoolExecutor(1, thread_name_prefix="norce_server") as pool:
        serving = pool.submit(asyncio.run, serve())
        either: list[Future[Any]] = [started, serving]
        wait(either, return_when=FIRST_COMPLETED)
        if not started.done():
            serving.result()
        try:
            yield server
        finally:
            started.result()()
            serving.result()


async def stop_listening(server: asyncio.Server) -> None:
    """Listen no more, once each connection that was accepted has its protocol.

    asyncio drops one that it accepts in the same turn in which the server is closed, with a ResourceWarning.
    """
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        with suppress(NotImplementedError):  # Windows' event loop
            loop.remove_reader(listening)
    try:
        for _ in range(2):  # one makes the transport, the next tells the protocol
            await asyncio.sleep(0)
    finally:
        server.close()
