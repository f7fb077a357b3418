"""A server on a port of this machine that answers every change as a function says."""

import asyncio
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager

from command import sandbox_settings

from norce_order_async.testing.conformance.origin import Peer, RawOrigin, response_bytes
from norce_order_async.testing.listening import in_a_thread

Asked = tuple[str, str]
"""The merchant and the path of a request."""
_ASKED = re.compile(r"\w+ (?P<path>\S+) .*\r\nx-merchant: (?P<merchant>[^\r]*)", re.DOTALL | re.IGNORECASE).match


@contextmanager
def answering(answer: Callable[[Asked], int]) -> Generator[tuple[dict[str, str], list[Asked]]]:
    """Run it; gives the settings of a command for it, and what was asked of it so far. The function may wait."""
    asked: list[Asked] = []

    async def serve(peer: Peer) -> None:
        while found := _ASKED((await peer.request()).decode()):
            asked.append((found["merchant"], found["path"]))
            peer.write(response_bytes(await asyncio.to_thread(answer, asked[-1])))

    with in_a_thread(RawOrigin(serve)) as origin:
        yield sandbox_settings(origin.url), asked
