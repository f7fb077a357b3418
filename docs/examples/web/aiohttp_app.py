"""aiohttp's server: ``python aiohttp_app.py 8000``."""

import logging
import sys
from collections.abc import AsyncGenerator

import attrs
from aiohttp import web
from aiohttp.typedefs import Handler
from visitors import log_end, visitor_options

from norce_order_async import NorceOrderError, OrderClient, get_order, patch_consent, problem_details
from norce_order_async.models import to_json

CLIENT = web.AppKey("CLIENT", OrderClient)


async def lifespan(app: web.Application) -> AsyncGenerator[None, None]:
    async with OrderClient.from_env(on_call=[log_end]) as app[CLIENT]:
        yield


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except NorceOrderError as error:
        status, headers, body = problem_details(error)
        return web.json_response(body, status=status, content_type=headers.pop("Content-Type"), headers=headers)


async def read(request: web.Request) -> web.Response:
    client = request.app[CLIENT].scoped(channel=request.match_info["channel"])
    options = visitor_options(request.headers.get("x-request-timeout"))
    order = await get_order(client, request.match_info["order"], options=options)
    return web.json_response(text=to_json(order))


async def agree(request: web.Request) -> web.Response:
    client = request.app[CLIENT].scoped(channel=request.match_info["channel"])
    options = visitor_options(request.headers.get("x-request-timeout"))
    ids = request.match_info["order"], request.match_info["consent"]
    receipt = await patch_consent(client, *ids, checked=True, options=options)
    return web.json_response({"outcome": receipt.outcome})


async def health(request: web.Request) -> web.Response:
    return web.json_response(attrs.asdict(request.app[CLIENT].stats()))


def make_app() -> web.Application:
    app = web.Application(middlewares=[problems])
    app.cleanup_ctx.append(lifespan)
    app.router.add_get("/{channel}/orders/{order}", read)
    app.router.add_post("/{channel}/orders/{order}/consents/{consent}", agree)
    app.router.add_get("/health", health)
    return app


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    # With handler_cancellation, both are cancelled when the visitor leaves.
    web.run_app(make_app(), host="127.0.0.1", port=int(sys.argv[1]), handler_cancellation=True)
