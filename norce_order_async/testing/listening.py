"""The end of a server that listens."""

import asyncio
from contextlib import suppress


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
