"""Parts that the transports have in common."""

import ssl
from collections import defaultdict
from typing import Any

import pytest

from norce_order_async.transport.connections import MOST_IDLE, take_surplus
from norce_order_async.transport.errors import refused_certificate
from norce_order_async.transport.messages import ResponseHeaders


class Stream:
    """What an event loop tells of a TLS connection."""

    def __init__(self, version: str, later: bool) -> None:
        context = ssl.create_default_context()
        context.post_handshake_auth = later
        self.told = {"cipher": ("AES", version, 256), "sslcontext": context}

    def get_extra_info(self, name: str) -> Any:
        return self.told[name]


@pytest.mark.parametrize(
    ("version", "later", "is_first", "sent"),
    [
        ("TLSv1.3", False, True, False),
        ("TLSv1.3", False, False, True),
        ("TLSv1.3", True, True, True),
        ("TLSv1.2", False, True, True),
    ],
)
def test_a_refused_certificate_leaves_a_request_unsent_only_at_the_end_of_the_handshake(
    version: str, later: bool, is_first: bool, sent: bool
) -> None:
    alert: Any = ssl.SSLError(1, "")
    alert.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    stream: Any = Stream(version, later)
    failure = refused_certificate(alert, stream, is_first=is_first)
    assert failure is not None
    assert failure.sent is sent


def test_of_several_headers_with_one_name_the_last_counts() -> None:
    headers = ResponseHeaders([b"Retry-After", b"1", b"retry-after", b"2"])
    assert dict(headers) == {"retry-after": "2"}


def test_only_spaces_and_tabs_around_a_value_are_no_part_of_it() -> None:
    head = [b"Transfer-Encoding", b"\x0bchunked", b"a", b" \t b\xa0 "]
    assert dict(ResponseHeaders(head)) == {"transfer-encoding": "\x0bchunked", "a": "b\xa0"}


def test_hosts_without_an_idle_connection_are_forgotten() -> None:
    idle = defaultdict[str, list[int]](list)
    closed: list[int | None] = []
    for number in range(3 * MOST_IDLE):
        closed.append(take_surplus(idle, lambda connection: connection, lambda connection: connection != 0))
        idle[f"host {number}"].append(number)
    assert [number for number in closed if number is not None] == list(range(1, 2 * MOST_IDLE))
    assert len(idle) <= MOST_IDLE + 1
