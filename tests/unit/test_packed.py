"""Bodies in an encoding that nobody asked for, as the client sees those that no transport has undone."""

import gzip

import pytest
from support import scripted

from norce_order_async import DecodeError, OutcomeKind, ServerError, get_order, patch_consent

CASES: list[tuple[dict[str, str], bytes, str]] = [
    ({"content-encoding": "br"}, b"\x8b\0", "br"),
    ({"content-encoding": "gzip"}, gzip.compress(b"{}", mtime=0)[:-3], "gzip"),
    ({}, gzip.compress(b"{}", mtime=0), "gzip"),
]


@pytest.mark.parametrize(("headers", "body", "coding"), CASES)
async def test_a_read_says_what_the_encoding_is(headers: dict[str, str], body: bytes, coding: str) -> None:
    client, _, _ = scripted((200, headers, body))
    with pytest.raises(DecodeError, match=f"its encoding is {coding}, which nobody asked for"):
        await get_order(client, "o_1")


@pytest.mark.parametrize(("headers", "body", "coding"), CASES)
async def test_so_does_an_error(headers: dict[str, str], body: bytes, coding: str) -> None:
    client, _, _ = scripted((500, headers, body))
    with pytest.raises(ServerError, match=f"HTTP 500 its encoding is {coding}, which nobody asked for") as caught:
        await get_order(client, "o_1")
    assert caught.value.body == body


@pytest.mark.parametrize(("headers", "body", "coding"), CASES)
async def test_a_change_needs_no_body(headers: dict[str, str], body: bytes, coding: str) -> None:
    client, _, _ = scripted((200, headers, body))
    receipt = await patch_consent(client, "o_1", "ci", checked=True)
    assert (receipt.outcome, receipt.attempts) == (OutcomeKind.APPLIED, 1)
