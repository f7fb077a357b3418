"""FastAPI: ``uvicorn fastapi_app:app``."""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import attrs
from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse
from visitors import VisitorLeft, cancel_on_disconnect, log_end, visitor_options

from norce_order_async import CallOptions, NorceOrderError, OrderClient, get_order, patch_consent, problem_details
from norce_order_async.models import to_json

logging.basicConfig(level=logging.INFO)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[dict[str, OrderClient], None]:
    async with OrderClient.from_env(on_call=[log_end]) as client:
        yield {"norce": client}


# Both are async: what is not, FastAPI runs in a thread.
async def shop(channel: str, request: Request) -> OrderClient:
    client: OrderClient = request.state.norce
    return client.scoped(channel=channel)


async def deadline(x_request_timeout: Annotated[str | None, Header()] = None) -> CallOptions:
    return visitor_options(x_request_timeout)


Shop = Annotated[OrderClient, Depends(shop)]
Deadline = Annotated[CallOptions, Depends(deadline)]
app = FastAPI(lifespan=lifespan)


@app.get("/{channel}/orders/{order_id}")
async def read(order_id: str, client: Shop, options: Deadline, request: Request) -> Response:
    async with cancel_on_disconnect(request.receive):  # nobody needs what is read any more
        order = await get_order(client, order_id, options=options)
    return Response(to_json(order), media_type="application/json")


@app.post("/{channel}/orders/{order_id}/consents/{consent_id}")
async def agree(order_id: str, consent_id: str, client: Shop, options: Deadline) -> dict[str, str]:
    # It goes on when the visitor leaves.
    receipt = await patch_consent(client, order_id, consent_id, checked=True, options=options)
    return {"outcome": receipt.outcome}


@app.get("/health")
async def health(request: Request) -> dict[str, Any]:
    return attrs.asdict(request.state.norce.stats())


@app.exception_handler(NorceOrderError)
async def failed(request: Request, error: NorceOrderError) -> Response:
    status, headers, body = problem_details(error)
    return JSONResponse(body, status, headers)


@app.exception_handler(VisitorLeft)
async def left(request: Request, error: VisitorLeft) -> Response:
    return Response(status_code=499)  # goes nowhere
