"""Look-ups of hosts: where they run."""

import asyncio
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from norce_order_async.transport.resolver import Address, HostResolver

FOUND: Address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80))
DATAGRAM: Address = (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("10.0.0.1", 80))


async def test_a_look_up_runs_where_it_is_started() -> None:
    started: list[Callable[[], None]] = []
    resolver = HostResolver(lambda host, port: [FOUND], start=started.append)
    waiting = [asyncio.create_task(resolver.resolve("api.test", 80)) for _ in range(2)]
    await asyncio.sleep(0)
    (work,) = started
    work()
    assert await asyncio.gather(*waiting) == [[FOUND], [FOUND]]


async def test_a_look_up_that_cannot_be_started_is_no_connection() -> None:
    def start(work: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    with pytest.raises(OSError, match="no thread"):
        await HostResolver(start=start).resolve("api.test", 80)


async def later(host: str, port: int) -> list[Address]:
    return [FOUND]


def giving(found: Any) -> Any:
    def look_up(host: str, port: int) -> Any:
        return found

    return look_up


def nothing(host: str, port: int) -> Iterator[Address]:
    return iter(())


def one_by_one(host: str, port: int) -> Iterator[Address]:
    yield FOUND


def ended(host: str, port: int) -> list[Address]:
    raise SystemExit


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@pytest.mark.parametrize(
    ("look_up", "says"),
    [
        (later, "coroutine"),
        (ended, "ended"),
        (nothing, "no address"),
        (giving("10.0.0.1"), "socket.getaddrinfo gives, .* got str"),
        (giving(None), "socket.getaddrinfo gives, .* got None"),
        (giving([("10.0.0.1", 80)]), "socket.getaddrinfo gives, .* got tuple"),
        (giving([FOUND[:4]]), "socket.getaddrinfo gives"),
        (giving([(*FOUND[:4], "10.0.0.1")]), "socket.getaddrinfo gives"),
        (giving([None, FOUND]), "socket.getaddrinfo gives, .* got None"),
        (giving([(*FOUND[:4], ("10.0.0.1",))]), "socket.getaddrinfo gives"),
        (giving([(*FOUND[:4], (b"10.0.0.1", 80))]), "socket.getaddrinfo gives"),
        (giving([("AF_INET", *FOUND[1:])]), "socket.getaddrinfo gives"),
        (giving([DATAGRAM]), "no address for streams"),
    ],
)
async def test_a_look_up_that_gives_no_addresses_is_no_connection(look_up: Any, says: str) -> None:
    def start(work: Callable[[], None]) -> None:
        with suppress(SystemExit):
            work()

    with pytest.raises(OSError, match=says):
        await HostResolver(look_up, start=start).resolve("api.test", 80)


async def test_a_look_up_may_give_its_addresses_one_by_one() -> None:
    resolver = HostResolver(one_by_one)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert await resolver.resolve("api.test", 80) == [FOUND]


@pytest.mark.parametrize("found", [(FOUND[0], 0, *FOUND[2:]), [*FOUND[:4], list(FOUND[4])]])
async def test_an_address_of_any_type_of_socket_or_from_json_is_one_for_streams(found: Any) -> None:
    assert await HostResolver(giving([found])).resolve("api.test", 80) == [FOUND]


async def test_of_a_look_up_for_all_kinds_of_sockets_the_addresses_for_streams_are_taken() -> None:
    resolver = HostResolver(lambda host, port: [FOUND, DATAGRAM])
    assert [await resolver.resolve("api.test", 80) for _ in range(2)] == [[FOUND]] * 2
