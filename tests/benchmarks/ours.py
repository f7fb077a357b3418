"""Our client, as the comparisons open it. Imports are inside, so that who measures one client loads no other."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.request import CONSENT, HEADERS, Send, order_id, target

if TYPE_CHECKING:
    from norce_order_async import OrderClient
    from norce_order_async.transport import Transport


def make_client(url: str, transport: "Transport | None" = None, **settings: Any) -> "OrderClient":
    """Our client as it comes, with all that it promises."""
    from norce_order_async import OrderClient

    return OrderClient(base_url=url, merchant="acme", channel="1", auth="token", transport=transport, **settings)


def no_transport() -> None:
    """The client's own choice."""


def httptools_transport() -> "Transport":
    """The faster transport."""
    from norce_order_async import HttptoolsTransport

    return HttptoolsTransport()


@asynccontextmanager
async def default(url: str, **settings: Any) -> AsyncGenerator[Send]:
    """Over aiohttp."""
    from norce_order_async import patch_consent

    async with make_client(url, **settings) as client:
        yield lambda number: patch_consent(client, order_id(number), CONSENT, checked=True)


@asynccontextmanager
async def httptools(url: str, **settings: Any) -> AsyncGenerator[Send]:
    """Over the faster transport."""
    from norce_order_async import patch_consent

    async with make_client(url, httptools_transport(), **settings) as client:
        yield lambda number: patch_consent(client, order_id(number), CONSENT, checked=True)


@asynccontextmanager
async def transport(url: str) -> AsyncGenerator[Send]:
    """Our transport over aiohttp alone: the client with an empty chain and a request that is there already."""
    from norce_order_async import AiohttpTransport, Attempt, Timeout
    from norce_order_async.middleware import Call
    from norce_order_async.operations import Repeat
    from norce_order_async.transport import Request

    body = b'{"id":"ci_newsletter","checked":true}'
    headers = HEADERS | {"Content-Type": "application/json"}
    limits = Timeout()
    async with AiohttpTransport() as sender:

        async def send(number: int) -> None:
            call = Call("Patch", Repeat.SAFE, HEADERS["x-request-id"], 0.0, limits, None)
            call.attempts.append(Attempt(1, 0.0))
            response = await sender.send(Request(call, "PATCH", url + target(number), headers, body), timeout=15.0)
            if not response.ok:
                raise ValueError(response.status)

        yield send
