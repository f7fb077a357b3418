"""Whatever is put in: either a clear error and not one byte on the wire, or exactly the request that was meant."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, strategies as st
from raw_server import RawServer

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


class Wire:
    """A client and its server, for all examples of a test."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._runner, self._server = runner, RawServer()
        runner.run(self._server.__aenter__())
        self._client = self._server.client()

    def requests_of(self, function: Any, *arguments: Any, **named: Any) -> list[bytes]:
        """What arrives at a server; nothing, when the call was refused with one of the listed errors."""
        server = self._server
        server.requests.clear()
        connections = len(server.peers)
        try:
            self._runner.run(function(self._client, *arguments, **named))
        except (InvalidRequestError, TypeError):
            assert (len(server.peers), server.requests) == (connections, [])
        else:
            assert len(server.requests) == 1
        return server.requests

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.run(self._server.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    with asyncio.Runner() as runner:
        wire = Wire(runner)
        yield wire
        wire.close()


@given(order_id=IDS, consent_id=IDS, checked=st.one_of(st.booleans(), st.none(), st.integers(), st.text(max_size=3)))
def test_a_consent_is_the_one_that_was_named_or_none(wire: Wire, order_id: Any, consent_id: Any, checked: Any) -> None:
    for request in wire.requests_of(patch_consent, order_id, consent_id, checked=checked):
        head, body = request.split(b"\r\n\r\n", 1)
        path = head.split(b" ")[1].decode().removeprefix("/checkout/order/api/v0/checkout/orders/")
        assert [unquote(part) for part in path.split("/")] == [order_id, "consents", consent_id]
        assert json.loads(body) == {"id": consent_id, "checked": checked}


@given(attributes=ATTRIBUTES)
def test_attributes_arrive_as_they_were_given_or_not_at_all(wire: Wire, attributes: Any) -> None:
    for request in wire.requests_of(patch_attributes, "o_123", attributes):
        assert json.loads(request.split(b"\r\n\r\n", 1)[1]) == attributes
