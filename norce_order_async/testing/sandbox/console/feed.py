"""The live stream of the console: what came in and went out, as server-sent events."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from norce_order_async.testing.sandbox.console.masking import Mask
from norce_order_async.testing.sandbox.console.views import View, noted
from norce_order_async.testing.sandbox.service import OrderService

_LOOK = 0.2
"""Seconds between two looks at what is new."""
_KEEP_ALIVE = 15.0
"""Seconds after which something is sent although nothing is new, to notice a reader that is gone."""
_PATIENCE = 30.0
"""Seconds for a reader to take what is sent."""
_AT_ONCE = 100
"""Requests and calls in one message; of more the latest count."""
_MOST_READERS = 20


class Feed:
    """Serves the stream. It keeps nothing: a reader gets what the sandbox remembers, and skips the rest.

    Args:
        sandbox: Whose requests.
        mask: Hides secrets.
        writes: Whether the page may switch faults.
    """

    def __init__(self, sandbox: OrderService, mask: Mask, *, writes: bool) -> None:
        self._sandbox = sandbox
        self._mask = mask
        self._hello = {"writes": writes, "operations": sorted(sandbox.operations)}
        self._run = secrets.token_hex(8)
        self._readers = 0

    @property
    def is_full(self) -> bool:
        """Whether there are as many readers as there may be."""
        return self._readers >= _MOST_READERS

    async def serve(self, request: web.BaseRequest, headers: Mapping[str, str]) -> web.StreamResponse:
        """Stream until the reader leaves, or is too slow."""
        response = web.StreamResponse(headers={**headers, "content-type": "text/event-stream"})
        self._readers += 1
        try:
            await response.prepare(request)
            await self._stream(response, self._seen(request))
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        finally:
            self._readers -= 1
        return response

    def _seen(self, request: web.BaseRequest) -> int:
        """The latest number that a reader has who comes back."""
        run, _, number = request.headers.get("last-event-id", "").partition("-")
        return int(number) if run == self._run and number.isdecimal() and len(number) < 20 else 0

    async def _stream(self, response: web.StreamResponse, seen: int) -> None:
        await _send(response, _event("hello", self._hello | {"run": self._run}))
        faults: object = None
        is_new = not seen
        quiet = 0.0
        while True:
            text = ""
            if (switched := self._faults()) != faults:
                faults = switched
                text += _event("faults", switched)
            if new := self._sandbox.noted_after(seen):
                shown = [noted(one, self._mask) for one in new[-_AT_ONCE:]]
                skipped = 0 if is_new else new[-1].number - seen - len(shown)
                seen = new[-1].number
                text += _event("noted", {"skipped": skipped, "noted": shown}, f"{self._run}-{seen}")
            is_new = False
            if text or quiet >= _KEEP_ALIVE:
                await _send(response, text or ": nothing new\n\n")
                quiet = 0.0
            await asyncio.sleep(_LOOK)
            quiet += _LOOK

    def _faults(self) -> list[View]:
        return [{"fault": self._mask(str(fault)), "left": left} for fault, left in self._sandbox.faults.left()]


def _event(name: str, data: Any, number: str | None = None) -> str:
    head = f"id: {number}\n" if number else ""
    return f"{head}event: {name}\ndata: {json.dumps(data)}\n\n"


async def _send(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(_PATIENCE):
        await response.write(text.encode())
