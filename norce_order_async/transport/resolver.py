"""Addresses of hosts: one look-up for all calls that ask at the same time, its result kept for a short while."""

import asyncio
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import attrs

from norce_order_async.core.checks import positive_seconds
from norce_order_async.core.shapes import described
from norce_order_async.loops.per_loop import PerLoop
from norce_order_async.transport.errors import bare

Address = tuple[int, int, int, str, tuple[Any, ...]]
"""One address of a host, as ``socket.getaddrinfo`` gives it."""
LookUp = Callable[[str, int], Sequence[Address]]
"""Gives the addresses of a host and port, or raises OSError. It may block: it runs in a separate thread."""


def system_look_up(host: str, port: int) -> Sequence[Address]:
    """What the operating system knows."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def in_a_thread(work: Callable[[], None]) -> None:
    """Start a look-up in a daemon thread.

    Raises:
        RuntimeError: The system gives no thread.
    """
    threading.Thread(target=work, daemon=True, name="look-up").start()


@attrs.define
class _Known:
    addresses: Sequence[Address]
    until: float
    turn: int = -1


_LookUps = dict[tuple[str, int], "asyncio.Future[_Known | OSError]"]


@attrs.define(eq=False)
class HostResolver:
    """Looks hosts up for transports, which share one unless they are given another.

    Calls that ask for the same host at the same time wait for the same look-up. It runs in a daemon thread, so one that
    hangs keeps neither a call past its time limit nor the process from ending.

    Args:
        look_up: Replaces the system's look-up.
        keep: Seconds that addresses are kept; failures are not.
        now: Seconds on a clock that never goes back.
        start: Starts a look-up where it may block; tests replace it.

    Raises:
        ConfigurationError: ``keep`` is not above zero.
    """

    look_up: LookUp = system_look_up
    keep: float = attrs.field(default=5.0, kw_only=True, validator=positive_seconds)
    now: Callable[[], float] = attrs.field(default=time.monotonic, kw_only=True)
    start: Callable[[Callable[[], None]], None] = attrs.field(default=in_a_thread, kw_only=True)
    _known: dict[tuple[str, int], _Known] = attrs.field(factory=dict[tuple[str, int], _Known], init=False, repr=False)
    _look_ups: PerLoop[_LookUps] = attrs.field(factory=lambda: PerLoop(_LookUps), init=False, repr=False)

    async def resolve(self, host: str, port: int) -> list[Address]:
        """The addresses of a host, each time another one first.

        Raises:
            OSError: It has none, or they cannot be had.
        """
        if is_address(host):
            return [_literal(host, port)]
        known = self._known.get((host, port))
        if known is None or known.until <= self.now():
            found = await self._look_up_once(host, port)
            if isinstance(found, OSError):
                raise bare(found)  # a separate one for each waiting call
            known = found
        known.turn += 1
        first = known.turn % len(known.addresses)
        return [*known.addresses[first:], *known.addresses[:first]]

    async def _look_up_once(self, host: str, port: int) -> _Known | OSError:
        loop = asyncio.get_running_loop()
        look_ups = self._look_ups.of(loop)
        answer = look_ups.get((host, port))
        if answer is None:
            answer = loop.create_future()
            try:
                self.start(partial(self._work, host, port, loop, answer))
            except RuntimeError as error:
                return OSError(f"no thread for the look-up: {error}")
            look_ups[host, port] = answer
        return await asyncio.shield(answer)  # a cancelled call does not cancel the look-up of others

    def _work(
        self, host: str, port: int, loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[_Known | OSError]"
    ) -> None:
        found: _Known | OSError = OSError("the look-up was ended")  # by an error that is no Exception
        try:
            addresses = _addresses(self.look_up(host, port))
            found = _Known(addresses, self.now() + self.keep) if addresses else OSError("the host has no address")
        except OSError as error:
            found = bare(error)
        except Exception as error:  # a name that no look-up can take, say
            found = OSError(f"{type(error).__name__}: {error}")
        finally:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(self._finish, (host, port), loop, answer, found)

    def _finish(
        self,
        key: tuple[str, int],
        loop: asyncio.AbstractEventLoop,
        answer: "asyncio.Future[_Known | OSError]",
        found: _Known | OSError,
    ) -> None:
        self._look_ups.of(loop).pop(key, None)
        if isinstance(found, _Known):
            now = self.now()
            for other in [each for each, known in list(self._known.items()) if known.until <= now]:
                self._known.pop(other, None)
            self._known[key] = found
        if not answer.done():
            answer.set_result(found)


def is_address(host: str) -> bool:
    """Whether a host is connected to without a look-up: what some library takes for an address, say ``2130706433``."""
    return ":" in host or host.replace(".", "").isdigit()


shared = HostResolver()
"""The resolver of transports that are not given another."""


def _addresses(found: Any) -> list[Address]:
    """The addresses for streams of what a look-up gives.

    Raises:
        OSError: It is nothing that ``socket.getaddrinfo`` could give, or none of it is for streams.
    """
    entries = list[Any](found) if hasattr(found, "__iter__") else [found]
    for entry in entries:
        if not _is_of_internet(entry):
            wanted = "tuples of (AF_INET or AF_INET6, type, protocol, name, (host, port))"
            raise OSError(f"the look-up has to give what socket.getaddrinfo gives, {wanted}, got {described(entry)}")
    streams: list[Address] = [
        (family, socket.SOCK_STREAM, protocol, name, tuple(address))
        for family, kind, protocol, name, address in entries
        if kind in (0, socket.SOCK_STREAM)
    ]
    if entries and not streams:
        raise OSError("the host has no address for streams")
    return streams


def _is_of_internet(entry: Any) -> bool:
    return (
        issubclass(type(entry), tuple | list)
        and len(entry) == 5
        and entry[0] in (socket.AF_INET, socket.AF_INET6)
        and issubclass(type(entry[4]), tuple | list)
        and list(map(type, entry[4][:2])) == [str, int]
    )


def _literal(host: str, port: int) -> Address:
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        # The system would take "127.1" and "2130706433" for addresses, which nobody who checks hosts expects.
        raise OSError(str(error)) from None
    if address.version == 6:
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0)
    return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)
