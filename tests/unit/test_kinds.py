"""Values of other libraries, other things than changes, other event loops: taken, or refused in clear words."""

import enum
import numbers
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support import BASE_URL, TOKEN, scripted

from norce_order_async import (
    CallOptions,
    ClientStateError,
    ConfigurationError,
    Environment,
    InvalidRequestError,
    OrderClient,
    create_consent,
    delete_consent,
    list_orders,
    patch_attributes,
    patch_consent,
)
from norce_order_async.batch import DeleteConsent, DeleteHook, InputLine, PatchConsent, run_batch
from norce_order_async.middleware import Handler
from norce_order_async.models import Consent
from norce_order_async.operations import Operation, Repeat, decode_receipt
from norce_order_async.testing import Sandbox
from norce_order_async.transport import Request, Response


def of_numpy(name: str, **members: Any) -> Any:
    """A value like one of numpy's, which need not be installed."""
    return type(name, (), {"__module__": "numpy", **members})()


def never(_: object) -> bool:
    return False


class Int64:
    """An integer that is no int, as numpy's are."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


numbers.Integral.register(Int64)


def client_with(**settings: Any) -> OrderClient:
    given: dict[str, Any] = {"base_url": BASE_URL, "merchant": "m", "channel": "1", "auth": TOKEN}
    return OrderClient(**given | settings)


class Name(str, enum.Enum):  # noqa: UP042 (a StrEnum is written as its text, and this is not)
    """As many programs have their constants: f"{Name.M}" and str(Name.M) are "Name.M"."""

    M, C, A, R, H, V = "acme", "se", "adapter", "request-1", "x-own", "a value"
    TOKEN = TOKEN
    SLUG = "slug"
    ID = "ci a"


class Naming:
    """An observer that adds a header."""

    def attempt_started(self, request: Request, attempt: object) -> Any:
        return {Name.H: Name.V}

    def call_started(self, *of_call: object) -> None:
        pass

    attempt_ended = call_ended = call_started


async def name_in_middleware(request: Request, call_next: Handler) -> Response:
    return await call_next(request.with_headers(x_trace=Name.V))


def texts_of(request: Request) -> dict[str, str]:
    """The headers as a library that writes ``str(value)`` sends them."""
    return {str(name): str(value) for name, value in request.headers.items()}


async def test_a_member_of_an_enumeration_is_sent_as_the_text_that_it_holds() -> None:
    named: dict[str, Any] = {"merchant": Name.M, "channel": Name.C, "adapter_id": Name.A, "auth": Name.TOKEN}
    expected = {"x-merchant": "acme", "x-channel": "se", "x-adapterid": "adapter", "Authorization": f"Bearer {TOKEN}"}
    client, transport, _ = scripted(**named, headers={Name.H: Name.V}, call_middlewares=[name_in_middleware])
    options = CallOptions(headers={"x-more": Name.V}, request_id=Name.R, adapter_id=Name.A)
    assert f"{client.merchant} {client.channel} {client.adapter_id}" == "acme se adapter"
    await delete_consent(client, Name.M, Name.ID, options=options)
    request = transport.requests[0]
    assert request.url == f"{BASE_URL}/api/v0/checkout/orders/acme/consents/ci%20a"
    more = {"x-own": "a value", "x-more": "a value", "x-trace": "a value", "x-request-id": "request-1"}
    assert texts_of(request).items() >= {**expected, **more}.items()

    plain, transport, _ = scripted(observers=[Naming()])
    await delete_consent(plain.scoped(**named, headers={"x-view": Name.V}), "o_1", "c")
    assert texts_of(transport.requests[0]).items() >= {**expected, "x-own": "a value", "x-view": "a value"}.items()


def test_a_member_of_an_enumeration_names_the_host() -> None:
    where = "https://slug.api-se.stage.norce.tech/checkout/order"
    assert client_with(base_url=None, environment=Environment.STAGE, slug=Name.SLUG).base_url == where
    assert client_with().scoped(environment=Environment.STAGE, slug=Name.SLUG, auth=TOKEN).base_url == where


async def test_a_member_of_an_enumeration_finds_what_its_text_finds() -> None:
    client, transport, _ = scripted((200, {"content-type": "application/json"}, b'{"data":[]}'))
    await list_orders(client, reference=Name.M, countries=[Name.C], search=Name.V)
    own = Operation("Own", "GET", "/own", Repeat.SAFE, decode_receipt)
    await client.execute(own, query={"one": Name.M, "several": [Name.C, "no"]})
    assert [request.url.partition("?")[2] for request in transport.requests] == [
        "reference=acme&countries=se&search=a%20value",
        "one=acme&several=se&several=no",
    ]


@pytest.mark.parametrize(
    ("kind", "members"), [(PatchConsent, {"checked": True}), (DeleteConsent, {}), (DeleteHook, {})]
)
def test_a_change_is_the_same_however_its_ids_are_named(kind: Any, members: dict[str, Any]) -> None:
    change = kind(Name.M, Name.ID, merchant=Name.M, channel=Name.C, **members)
    same = kind("acme", "ci a", merchant="acme", channel="se", **members)
    assert (change, change.resource, repr(change)) == (same, same.resource, repr(same))


async def test_the_request_id_of_a_line_is_the_text_that_it_holds() -> None:
    sandbox = Sandbox()
    async with sandbox.client() as client:
        line = InputLine(1, DeleteConsent("o_1", "c"), request_id=Name.R)
        (outcome,) = [outcome async for outcome in run_batch(client, [line])]
    assert f"{outcome.request_id}" == "request-1"


@pytest.mark.parametrize("name", ["bool", "bool_"])
async def test_truth_values_and_integers_of_other_libraries_are_taken(name: str) -> None:
    yes, no = of_numpy(name), of_numpy(name, __bool__=never)
    number: Any = Int64(2**40)
    client, transport, _ = scripted()
    await patch_consent(client, "o_1", "c", checked=yes)
    await PatchConsent("o_1", "c", checked=no).apply(client)
    await create_consent(client, "o_1", Consent(id="c", checked=yes, extra={"order": number}))
    await patch_attributes(client, "o_1", {"n": [number, no]})
    assert [request.body for request in transport.requests] == [
        b'{"id":"c","checked":true}',
        b'{"id":"c","checked":false}',
        b'{"id":"c","checked":true,"order":1099511627776}',
        b'{"n":[1099511627776,false]}',
    ]
    assert client_with(limit=Int64(5), timeout=Int64(3)).stats().slots == 5
    with pytest.raises(ConfigurationError, match="limit"):
        client_with(limit=yes)


async def test_numpys_own_values_are_taken() -> None:
    numpy: Any = pytest.importorskip("numpy")
    client, transport, _ = scripted()
    await patch_consent(client, "o_1", "c", checked=numpy.bool_(1))
    await patch_attributes(client, "o_1", {"n": [numpy.int8(-1), numpy.uint64(2**64 - 1), numpy.float64(0.5)]})
    assert transport.requests[0].body == b'{"id":"c","checked":true}'
    assert transport.requests[1].body == b'{"n":[-1,18446744073709551615,0.5]}'


@pytest.mark.parametrize("name", ["str_", "bytes", "float"])
async def test_a_type_with_the_name_of_a_built_in_one_is_told_with_its_module(name: str) -> None:
    client, transport, _ = scripted()
    odd = of_numpy(name)
    with pytest.raises(TypeError, match=f"checked must be a bool, got numpy.{name}$"):
        await patch_consent(client, "o_1", "c", checked=odd)
    with pytest.raises(TypeError, match=f"order_id must be a str, got numpy.{name}$"):
        await patch_consent(client, odd, "c", checked=True)
    with pytest.raises(InvalidRequestError, match=f"attributes.a: numpy.{name} is not a JSON value"):
        await patch_attributes(client, "o_1", {"a": odd})
    assert transport.requests == []


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ("changes.jsonl", "str: Input"),
        (Path("changes.jsonl"), "(PosixPath|WindowsPath): Input"),
        (b'{"op": "delete_consent"}', "bytes: Input"),
        ({"op": "delete_consent"}, "dict$"),
        (None, "NoneType$"),
        ([{"op": "delete_consent"}], "dict$"),
        (["changes.jsonl"], "str$"),
    ],
)
async def test_a_batch_says_what_it_takes(changes: Any, got: str) -> None:
    client, transport, _ = scripted()
    with pytest.raises(TypeError, match=f"a batch takes an iterable of changes, .*, got {got}"):
        _ = [outcome async for outcome in run_batch(client, changes)]

    async def given() -> AsyncIterator[Any]:
        for each in changes:
            yield each

    if isinstance(changes, list):
        with pytest.raises(TypeError, match=f"a batch takes an iterable of changes, .*, got {got}"):
            _ = [outcome async for outcome in run_batch(client, given())]
    assert transport.requests == []


def test_under_another_event_loop_it_says_that_asyncio_is_needed() -> None:
    client, transport, _ = scripted()
    batch = aiter(run_batch(client, [DeleteConsent("o_1", "c")]))
    awaited: list[Any] = [delete_consent(client, "o_1", "c"), client.aclose(), anext(batch)]
    for each in awaited:
        with pytest.raises(ClientStateError, match=r"asyncio.*trio"):
            each.send(None)
    assert transport.requests == []
