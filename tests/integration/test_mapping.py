"""URL, headers, body and status of every endpoint function, against aiohttp's own interface.

aioresponses stands in for ``ClientSession._request``; what is on the wire is in test_wire.py.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import ClientResponse
from aioresponses import aioresponses
from yarl import URL

from norce_order_async import (
    AuthenticationError,
    BadRequestError,
    Environment,
    NotFoundError,
    OrderClient,
    ServerError,
    StatusError,
    create_consent,
    create_order,
    delete_consent,
    get_order,
    patch_attributes,
    patch_consent,
)
from norce_order_async.models import Consent, Order


class Answer(ClientResponse):
    """aioresponses 0.7.9 does not give aiohttp 3.14 the stream writer that it asks for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*args, **kwargs)


@pytest.fixture
def mocked() -> Iterator[Any]:
    with aioresponses() as mock:
        yield mock


ORDERS = "https://acme.api-se.stage.norce.tech/checkout/order/api/v0/checkout/orders"
ROWS: list[tuple[Callable[[OrderClient], Awaitable[Any]], str, str, bytes | None, int, str]] = [
    (lambda c: delete_consent(c, "o_1", "ci_a"), "DELETE", "/o_1/consents/ci_a", None, 200, ""),
    (
        lambda c: patch_consent(c, "o_1", "ci_a", checked=False),
        "PATCH", "/o_1/consents/ci_a", b'{"id":"ci_a","checked":false}', 200, "",
    ),
    (lambda c: patch_attributes(c, "o_1", {"a": None}), "PATCH", "/o_1/attributes", b'{"a":null}', 200, ""),
    (
        lambda c: create_consent(c, "o_1", Consent(id="ci_a", text="Å")),
        "POST", "/o_1/consents", '{"id":"ci_a","text":"Å"}'.encode(), 200, "",
    ),
    (lambda c: create_order(c, Order(currency="SEK")), "POST", "", b'{"currency":"SEK"}', 201, '{"id":"o_2"}'),
    (lambda c: get_order(c, "o_1"), "GET", "/o_1", None, 200, '{"id":"o_1"}'),
]  # fmt: skip
IDS = ["delete_consent", "patch_consent", "patch_attributes", "create_consent", "create_order", "get_order"]


def client() -> OrderClient:
    return OrderClient(
        environment=Environment.STAGE,
        slug="acme",
        merchant="acme",
        channel="se",
        adapter_id="mine",
        auth="abc",
        retry=None,
    )


@pytest.mark.parametrize(("call", "method", "path", "body", "status", "answer"), ROWS, ids=IDS)
async def test_each_function_makes_its_request(
    mocked: Any,
    call: Callable[[OrderClient], Awaitable[Any]],
    method: str,
    path: str,
    body: bytes | None,
    status: int,
    answer: str,
) -> None:
    mocked.add(ORDERS + path, method=method, status=status, body=answer, response_class=Answer)
    async with client() as acme:
        await call(acme)
    (((sent_method, url), (request,)),) = mocked.requests.items()
    assert (sent_method, url) == (method, URL(ORDERS + path))
    assert request.kwargs["data"] == body
    headers = request.kwargs["headers"]
    assert headers["Authorization"] == "Bearer abc"
    assert (headers["x-merchant"], headers["x-channel"], headers["x-adapterid"]) == ("acme", "se", "mine")
    assert headers.get("Content-Type") == (None if body is None else "application/json")


@pytest.mark.parametrize(("call", "method", "path"), [row[:3] for row in ROWS], ids=IDS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, BadRequestError), (401, AuthenticationError), (404, NotFoundError), (500, ServerError)],
)
async def test_each_published_status_is_an_error_with_code_and_message(
    mocked: Any,
    call: Callable[[OrderClient], Awaitable[Any]],
    method: str,
    path: str,
    status: int,
    kind: type[StatusError],
) -> None:
    body = '{"code": "order-not-found", "message": "Order with id:o_1 not found."}'
    mocked.add(ORDERS + path, method=method, status=status, body=body, response_class=Answer)
    async with client() as acme:
        with pytest.raises(kind) as caught:
            await call(acme)
    assert caught.value.code == "order-not-found"
    assert caught.value.message == "Order with id:o_1 not found."
