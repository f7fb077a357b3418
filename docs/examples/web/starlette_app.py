"""Starlette: ``uvicorn starlette_app:app``."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import attrs
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from visitors import VisitorLeft, cancel_on_disconnect, log_end, visitor_options

from norce_order_async import NorceOrderError, OrderClient, get_order, patch_consent, problem_details
from norce_order_async.models import to_json

logging.basicConfig(level=logging.INFO)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncGenerator[dict[str, OrderClient], None]:
    async with OrderClient.from_env(on_call=[log_end]) as client:
        yield {"norce": client}


async def read(request: Request) -> Response:
    client = request.state.norce.scoped(channel=request.path_params["channel"])
    options = visitor_options(request.headers.get("x-request-timeout"))
    async with cancel_on_disconnect(request.receive):  # nobody needs what is read any more
        order = await get_order(client, request.path_params["order"], options=options)
    return Response(to_json(order), media_type="application/json")


async def agree(request: Request) -> Response:
    client = request.state.norce.scoped(channel=request.path_params["channel"])
    options = visitor_options(request.headers.get("x-request-timeout"))
    ids = request.path_params["order"], request.path_params["consent"]
    receipt = await patch_consent(client, *ids, checked=True, options=options)  # goes on when the visitor leaves
    return JSONResponse({"outcome": receipt.outcome})


async def health(request: Request) -> Response:
    return JSONResponse(attrs.asdict(request.state.norce.stats()))


async def failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, NorceOrderError)
    status, headers, body = problem_details(error)
    return JSONResponse(body, status, headers)


async def left(request: Request, error: Exception) -> Response:
    return Response(status_code=499)  # goes nowhere


app = Starlette(
    routes=[
        Route("/{channel}/orders/{order}", read),
        Route("/{channel}/orders/{order}/consents/{consent}", agree, methods=["POST"]),
        Route("/health", health),
    ],
    lifespan=lifespan,
    exception_handlers={NorceOrderError: failed, VisitorLeft: left},
)
