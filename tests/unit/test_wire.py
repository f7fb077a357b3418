"""JSON text: what is written, what is read, and what is refused."""

import json
import math
from collections import OrderedDict, UserDict, UserList, deque
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from norce_order_async.wire import fastjson
from norce_order_async.wire.fastjson import MAX_DEPTH
from norce_order_async.wire.json import WireError, decode_json, encode_json


class Colour(StrEnum):
    RED = "red"


class Size(IntEnum):
    BIG = 3


class Money(Decimal):
    pass


def nested(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["a"] = [value]
    return value


# Text without lone surrogates, and numbers as JSON has them.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | st.integers() | FLOATS | TEXT
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)


def nothing(*_: object) -> None:
    """What is in C takes nothing on."""


@pytest.fixture(params=["msgspec", "the standard library's C", "Python"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without msgspec, and without what is in C."""
    if request.param == "msgspec":
        pytest.importorskip("msgspec")
        return
    monkeypatch.setattr(fastjson, "decode", nothing)
    monkeypatch.setattr(fastjson, "_write", fastjson._standard_write)  # pyright: ignore[reportPrivateUsage]
    if request.param == "Python":
        monkeypatch.setattr(fastjson, "write", nothing)


def in_each_way(test: Any) -> Any:
    """Run a test with and without what is in C."""
    allowed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    return pytest.mark.usefixtures("ways")(allowed(test))


@in_each_way
@given(VALUES)
def test_what_is_written_reads_back_with_the_standard_library(value: Any) -> None:
    assert json.loads(encode_json(value)) == value


@in_each_way
@given(st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner, max_size=4)))
def test_nothing_is_written_but_what_has_to_be(value: Any) -> None:
    assert encode_json(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


@in_each_way
@given(VALUES.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=30))
@example(b"[1.10, 1E5, -0, -0.0, 1e400, 123456789012345678901234567890]")
@example(b'"\\ud800"')
@example(b"\xef\xbb\xbf1.50")
@example(b"NaN")
@example(b"1" * 5_000)
@example(b"1E99999999999999999999")
@example(b"[" * 100_000 + b"]" * 100_000)
def test_the_same_is_read_in_every_way(body: bytes) -> None:
    read: list[str] = []
    for way in (fastjson.read, nothing):
        with mock.patch.object(fastjson, "read", way):
            try:
                read.append(repr(decode_json(body)))
            except WireError as error:
                read.append(str(error))
    assert read[0] == read[1]


@given(st.decimals(allow_nan=False, allow_infinity=False))
@example(Decimal("1E+5"))
@example(Decimal("1E-7"))
@example(Decimal("1E+999999999"))
@example(Decimal("0E-999999999"))
def test_every_decimal_keeps_its_value_and_stays_short(number: Decimal) -> None:
    body = encode_json(number)
    assert Decimal(body.decode()) == number
    assert len(body) < 200


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4))
@example(Decimal("125.50"))
@example(Decimal("0.0000"))
def test_amounts_keep_their_digits_both_ways(amount: Decimal) -> None:
    body = encode_json(amount)
    assert body.decode() == f"{amount:f}"
    assert repr(decode_json(body)) == repr(amount)


WRITTEN: list[tuple[object, str]] = [
    ({"a": True, "b": None}, '{"a":true,"b":null}'),
    ({"å": 'žluť 😀\n"'}, '{"å":"žluť 😀\\n\\""}'),
    ((1, [], ()), "[1,[],[]]"),
    ([False, 0, 1, 1.0], "[false,0,1,1.0]"),
    ({Colour.RED: Colour.RED}, '{"red":"red"}'),
    (Size.BIG, "3"),
    (Money("2.50"), "2.50"),
    (MappingProxyType({"a": UserDict({"b": OrderedDict[str, int]()})}), '{"a":{"b":{}}}'),
    ([deque([1]), UserList([2]), range(2)], "[[1],[2],[0,1]]"),
]


@pytest.mark.parametrize(("value", "text"), WRITTEN)
def test_what_is_written(value: object, text: str) -> None:
    assert encode_json(value).decode() == text


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "NaN is not a JSON number"),
        ({"erp": [0, {"weight": math.inf}]}, "erp[1].weight: Infinity is not a JSON number"),
        ([Decimal("-Infinity")], "[0]: -Infinity is not a JSON number"),
        ({"a": {1: 2}}, "a: a member name must be a str, got int"),
        ({"a b": b"x"}, '["a b"]: bytes is not a JSON value'),
        ({"a": {3}}, "a: set is not a JSON value"),
        ({"a": datetime(2026, 1, 2)}, "a: datetime is not a JSON value"),
        ({"a": "\ud800"}, "a: a lone surrogate cannot be written as UTF-8"),
        ({"\ud800": 1}, '["\\ud800"]: a lone surrogate cannot be written as UTF-8'),
        ({"a": 10**5000}, "a: an integer with too many digits"),
        (cyclic(), "a[0]: it contains itself"),
        (nested(MAX_DEPTH + 1), "[0]" * MAX_DEPTH + f": nested deeper than {MAX_DEPTH} levels"),
        ({"k" * 1000: object()}, "k" * 100 + "..." + "k" * 100 + ": object is not a JSON value"),
    ],
)
@pytest.mark.usefixtures("ways")
def test_what_cannot_be_written_is_named_by_its_path(value: object, message: str) -> None:
    with pytest.raises(WireError) as caught:
        encode_json(value)
    assert str(caught.value) == message


@pytest.mark.usefixtures("ways")
def test_depth_is_counted_per_branch_and_sharing_is_not_a_cycle() -> None:
    deep = nested(MAX_DEPTH - 1)
    assert json.loads(encode_json([deep, deep])) == [deep, deep]


@pytest.mark.usefixtures("ways")
def test_the_limit_counts_bytes_and_stops_early() -> None:
    assert encode_json("å", limit=4) == '"å"'.encode()
    with pytest.raises(WireError, match="more than 3 bytes of JSON"):
        encode_json("å", limit=3)
    doubled: list[Any] = ["x" * 1000]
    for _ in range(50):  # written out, it would have 10 ** 18 characters
        doubled = [doubled, doubled]
    with pytest.raises(WireError, match="more than 1048576 bytes of JSON"):
        encode_json(doubled)
    with pytest.raises(WireError, match="more than 1048576 bytes of JSON"):
        encode_json({"a": range(10**12)})


def test_a_default_stands_in_for_what_json_does_not_know() -> None:
    def parts(value: object) -> object:
        assert isinstance(value, complex)
        return [value.real, value.imag]

    assert encode_json({"z": 1 + 2j}, default=parts) == b'{"z":[1.0,2.0]}'


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a":[1,2.50,"x",true,null]}', {"a": [1, Decimal("2.50"), "x", True, None]}),
        (b'\xef\xbb\xbf "\xc3\xa5" ', "å"),
        (b"1e2", Decimal("1E+2")),
        (b"-0.0", Decimal("-0.0")),
    ],
)
def test_what_is_read(body: bytes, value: object) -> None:
    assert repr(decode_json(body)) == repr(value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "Expecting value"),
        (b'{"a":1} x', "Extra data"),
        (b'["\xff"]', "'utf-8' codec can't decode byte 0xff"),
        (b"[NaN]", "NaN is not a JSON number"),
        (b"[-Infinity]", "-Infinity is not a JSON number"),
        (b"[" * 100_000, "nested too deeply"),
        (b"9" * 5000, "^a number with too many digits$"),
        (b"1e" + b"9" * 30, "a number with too large an exponent"),
        ("[1]".encode("utf-16"), "'utf-8' codec can't decode"),
    ],
)
def test_what_cannot_be_read(body: bytes, message: str) -> None:
    with pytest.raises(WireError, match=message) as caught:
        decode_json(body)
    assert caught.value.__context__ is None, "a JSONDecodeError holds the whole body"


@given(st.binary(max_size=40) | TEXT.map(str.encode))
def test_reading_raises_nothing_else(body: bytes) -> None:
    with suppress(WireError):
        decode_json(body)
