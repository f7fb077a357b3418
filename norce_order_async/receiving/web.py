"""The same for aiohttp."""

from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from norce_order_async.receiving.errors import CallbackError
from norce_order_async.receiving.receiver import Receiver


def web_app(receiver: Receiver) -> web.Application:
    """An application of aiohttp that answers with this receiver; mount it with ``add_subapp``."""

    async def serve(request: web.Request) -> web.Response:
        path, query = request.match_info["path"], request.rel_url.raw_query_string
        # As ASGI has them: aiohttp's own texts are of UTF-8.
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
        reply = await receiver.answer(request.method, path, query, headers, _parts(request))
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", serve)
    return app


async def _parts(request: web.Request) -> AsyncIterator[bytes]:
    try:
        if request.content.at_eof():  # a middleware has read it, and aiohttp keeps what was read
            yield await request.read()
        async for part in request.content.iter_any():
            yield part
    except (web.RequestPayloadError, HttpProcessingError, ConnectionError):
        raise CallbackError("the body breaks off") from None
