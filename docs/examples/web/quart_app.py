"""Quart: ``hypercorn quart_app:app``."""

import logging
from collections.abc import AsyncGenerator
from typing import Any

import attrs
from quart import Quart, Response, request
from visitors import log_end, visitor_options

from norce_order_async import NorceOrderError, OrderClient, get_order, patch_consent, problem_details
from norce_order_async.models import to_json

logging.basicConfig(level=logging.INFO)
app = Quart(__name__)


@app.while_serving
async def lifespan() -> AsyncGenerator[None, None]:
    async with OrderClient.from_env(on_call=[log_end]) as app.extensions["norce"]:
        yield


def shop(channel: str) -> OrderClient:
    client: OrderClient = app.extensions["norce"]
    return client.scoped(channel=channel)


# Quart cancels both when the visitor leaves; the outcome of what was cancelled is in the log.
@app.get("/<channel>/orders/<order_id>")
async def read(channel: str, order_id: str) -> Response:
    options = visitor_options(request.headers.get("x-request-timeout"))
    order = await get_order(shop(channel), order_id, options=options)
    return Response(to_json(order), content_type="application/json")


@app.post("/<channel>/orders/<order_id>/consents/<consent_id>")
async def agree(channel: str, order_id: str, consent_id: str) -> dict[str, str]:
    options = visitor_options(request.headers.get("x-request-timeout"))
    receipt = await patch_consent(shop(channel), order_id, consent_id, checked=True, options=options)
    return {"outcome": receipt.outcome}


@app.get("/health")
async def health() -> dict[str, Any]:
    client: OrderClient = app.extensions["norce"]
    return attrs.asdict(client.stats())


@app.errorhandler(NorceOrderError)
async def failed(error: NorceOrderError) -> tuple[dict[str, Any], int, dict[str, str]]:
    status, headers, body = problem_details(error)
    return body, status, headers
