"""Whatever is put in: either a clear error and not one byte on the wire, or exactly the request that was meant."""

import asyncio
import json
from typing import Any
from urllib.parse import unquote

from hypothesis import given, settings
from hypothesis import strategies as st
from support import RawServer

from norce_order_async import InvalidRequestError, patch_attributes, patch_consent

TRICKY = st.sampled_from(["", ".", "..", "a/b", "a?b", "a#b", "%2e", "a\\b", "a b", "a\r\nX: y", "\ud800", "x" * 129])
IDS = st.one_of(st.text(max_size=140), TRICKY, st.none(), st.integers(), st.binary(max_size=3))
VALUES: Any = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=2)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)
ATTRIBUTES: Any = st.one_of(
    st.dictionaries(st.one_of(st.text(max_size=5), st.integers()), VALUES, max_size=4), VALUES, st.just("\ud800")
)


def requests_of(function: Any, *arguments: Any, **named: Any) -> list[bytes]:
    """What arrives at a server; nothing, when the call was refused with one of the listed errors."""

    async def run() -> list[bytes]:
        async with RawServer() as server, server.client() as client:
            try:
                await function(client, *arguments, **named)
            except (InvalidRequestError, TypeError):
                assert server.connections == 0
            else:
                assert len(server.requests) == 1
            return server.requests

    return asyncio.run(run())


@settings(max_examples=150, deadline=None)
@given(IDS, IDS, st.one_of(st.booleans(), st.none(), st.integers(), st.text(max_size=3)))
def test_a_consent_is_the_one_that_was_named_or_none(order_id: Any, consent_id: Any, checked: Any) -> None:
    for request in requests_of(patch_consent, order_id, consent_id, checked=checked):
        head, body = request.split(b"\r\n\r\n", 1)
        path = head.split(b" ")[1].decode().removeprefix("/checkout/order/api/v0/checkout/orders/")
        assert [unquote(part) for part in path.split("/")] == [order_id, "consents", consent_id]
        assert json.loads(body) == {"id": consent_id, "checked": checked}


@settings(max_examples=150, deadline=None)
@given(ATTRIBUTES)
def test_attributes_arrive_as_they_were_given_or_not_at_all(attributes: Any) -> None:
    for request in requests_of(patch_attributes, "o_123", attributes):
        assert json.loads(request.split(b"\r\n\r\n", 1)[1]) == attributes
