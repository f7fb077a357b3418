"""Many shops on one client over real sockets: which token reaches which host."""

import asyncio
import copy
import json
from contextlib import suppress
from typing import Any

import pytest
from raw_server import OK, RawServer

from norce_order_async import (
    AiohttpTransport,
    ClientCredentials,
    HttptoolsTransport,
    NorceOrderError,
    TokenPair,
    delete_consent,
)
from norce_order_async.testing.conformance.origin import responding, response_bytes
from norce_order_async.transport import Transport

TRANSPORTS = pytest.mark.parametrize("kind", [AiohttpTransport, HttptoolsTransport])


def heard(server: RawServer) -> set[str]:
    """What a server got as Authorization."""
    lines = [line for request in server.requests for line in request.decode().split("\r\n")]
    return {line.partition(": ")[2] for line in lines if line.lower().startswith("authorization:")}


def grant(token: str) -> bytes:
    """The answer of a token endpoint."""
    return response_bytes(200, json.dumps({"access_token": token, "token_type": "Bearer"}).encode())


@TRANSPORTS
async def test_no_token_reaches_a_host_that_it_was_not_given_for(kind: type[Transport]) -> None:
    """Fixed tokens, pairs that change after a 401, OAuth2, redirects, copies, and views of views, all at once."""
    async with RawServer(OK) as ours, RawServer(OK) as theirs, RawServer(grant("o-1"), grant("o-2")) as tokens:
        away = response_bytes(307, Location=f"{theirs.url}/api/v0/checkout/orders/o_1/consents/ci")
        ours.serve = responding(response_bytes(401), OK, away, response_bytes(503, Retry_After="0"), OK)
        theirs.serve = responding(response_bytes(401), response_bytes(302, Location=ours.url), response_bytes(401), OK)
        endpoint = f"{tokens.url}/token"
        oauth = ClientCredentials(token_url=endpoint, client_id="i", client_secret="s", min_interval=0.001)
        async with ours.client(auth=TokenPair("ours-1", "ours-2"), transport=kind()) as client:
            pair = client.scoped(base_url=theirs.url, merchant="m2", auth=TokenPair("theirs-1", "theirs-2"))
            fixed = copy.copy(pair).scoped(merchant="m3", auth="theirs-3")
            back = fixed.scoped(base_url=ours.url, auth="ours-3")
            granted = back.scoped(base_url=theirs.url, auth=oauth, merchant="m4")
            views = [client, pair, fixed, back, granted, granted.scoped(channel="2"), copy.copy(client)]
            for _ in range(3):
                await asyncio.gather(*map(call, views))
        assert len(ours.requests) > 8
        assert len(theirs.requests) > 12
        assert {token[: len("Bearer ours")] for token in heard(ours)} == {"Bearer ours"}
        assert heard(theirs) <= {"Bearer theirs-1", "Bearer theirs-2", "Bearer theirs-3", "Bearer o-1", "Bearer o-2"}
        assert {"Bearer theirs-3", "Bearer o-1"} <= heard(theirs)
        assert all(head.startswith(b"POST /checkout/order/token ") for head in tokens.requests)


async def call(view: Any) -> None:
    with suppress(NorceOrderError):
        await delete_consent(view, "o_1", "ci")
