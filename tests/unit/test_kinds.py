"""Values of other libraries, other things than changes, other event loops: taken, or refused in clear words."""

import numbers
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support import BASE_URL, TOKEN, scripted

from norce_order_async import (
    ClientStateError,
    ConfigurationError,
    InvalidRequestError,
    OrderClient,
    create_consent,
    delete_consent,
    patch_attributes,
    patch_consent,
)
from norce_order_async.batch import DeleteConsent, PatchConsent, run_batch
from norce_order_async.models import Consent


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
