"""Litestar: ``uvicorn litestar_app:app``."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import attrs
from litestar import Litestar, MediaType, Request, Response, get, post
from litestar.datastructures import State
from litestar.di import Provide
from litestar.params import Dependency, Parameter
from visitors import VisitorLeft, cancel_on_disconnect, log_end, visitor_options

from norce_order_async import CallOptions, NorceOrderError, OrderClient, get_order, patch_consent, problem_details
from norce_order_async.models import to_json

logging.basicConfig(level=logging.INFO)


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncGenerator[None, None]:
    async with OrderClient.from_env(on_call=[log_end]) as app.state.norce:
        yield


async def shop(state: State, channel: str) -> OrderClient:
    client: OrderClient = state.norce
    return client.scoped(channel=channel)


async def deadline(timeout: Annotated[str | None, Parameter(header="x-request-timeout")] = None) -> CallOptions:
    return visitor_options(timeout)


# Litestar would read its values by its own means, which do not know them.
Deadline = Annotated[CallOptions, Dependency(skip_validation=True)]


@get("/{channel:str}/orders/{order_id:str}", media_type=MediaType.JSON)
async def read(order_id: str, client: OrderClient, options: Deadline, request: Request[Any, Any, Any]) -> bytes:
    async with cancel_on_disconnect(request.receive):  # nobody needs what is read any more
        order = await get_order(client, order_id, options=options)
    return to_json(order).encode()


@post("/{channel:str}/orders/{order_id:str}/consents/{consent_id:str}", status_code=200)
async def agree(order_id: str, consent_id: str, client: OrderClient, options: Deadline) -> dict[str, str]:
    # It goes on when the visitor leaves.
    receipt = await patch_consent(client, order_id, consent_id, checked=True, options=options)
    return {"outcome": receipt.outcome}


@get("/health")
async def health(state: State) -> dict[str, Any]:
    return attrs.asdict(state.norce.stats())


def failed(request: Request[Any, Any, Any], error: NorceOrderError) -> Response[dict[str, Any]]:
    status, headers, body = problem_details(error)
    return Response(body, status_code=status, media_type=headers.pop("Content-Type"), headers=headers)


def left(request: Request[Any, Any, Any], error: VisitorLeft) -> Response[None]:
    return Response(None, status_code=499)  # goes nowhere


app = Litestar(
    [read, agree, health],
    lifespan=[lifespan],
    dependencies={"client": Provide(shop), "options": Provide(deadline)},
    exception_handlers={NorceOrderError: failed, VisitorLeft: left},
)
