"""One end of a simulated connection, as the event loop's transport."""

import asyncio
import contextvars
import os
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulation.loop import SimulatedLoop
    from simulation.pipe import Pipe

_HIGH = 64 * 1024
"""Bytes that a program may have written beyond what the system takes before it is asked to wait."""
_KERNEL = 128 * 1024
"""Bytes that the system takes and has not delivered."""
_READ = 256 * 1024


class _Descriptor:
    """Stands for a socket, for those who poll it: it is readable while data is unread."""

    family = -1  # no kind that has options to set

    def __init__(self) -> None:
        self._number = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._is_set = False

    def fileno(self) -> int:
        return self._number

    def set(self, readable: bool) -> None:
        if self._number >= 0 and readable is not self._is_set:
            self._is_set = readable
            if readable:
                os.eventfd_write(self._number, 1)
            else:
                os.eventfd_read(self._number)

    def close(self) -> None:
        if self._number >= 0:
            os.close(self._number)
            self._number = -1


class Stream(asyncio.Transport):
    """One end of a connection.

    Args:
        name: Of this end, for the trace.
        loop: Whose transport it is.
        address: Its own address.
        peer: The other end's address.
        has_descriptor: Whether it can be polled.
    """

    def __init__(self, name: str, loop: "SimulatedLoop", address: Any, peer: Any, *, has_descriptor: bool) -> None:
        self._descriptor = _Descriptor() if has_descriptor else None
        super().__init__({"sockname": address, "peername": peer, "socket": self._descriptor})
        self.name, self._loop = name, loop
        self.out: Pipe
        """What it sends goes here."""
        self.on_write: Callable[[Stream, bytes], None] | None = None
        self.on_closed: Callable[[Stream], None] | None = None
        self._protocol: Any = None
        self._inbox: deque[bytes] = deque()
        self._eof = self._eof_read = False
        self._reset: OSError | None = None
        self._is_waiting = self._is_started = False
        self._paused = False
        self._closing = self.is_closed = False
        self._unsent = bytearray()
        self._sends_eof = False
        self._asked_to_wait = False
        self._context = contextvars.copy_context()

    @property
    def loop(self) -> "SimulatedLoop":
        return self._loop

    def attach(self, protocol: asyncio.BaseProtocol) -> None:
        """Open it for a protocol."""
        self._protocol = protocol
        self._loop.call_soon(self._open)

    def _open(self) -> None:
        self._protocol.connection_made(self)
        self._loop.call_soon(self._start_reading)

    def _start_reading(self) -> None:
        self._is_started = True
        self._look()

    def _look(self) -> None:
        """Read in a turn if there is something."""
        if (self._inbox or self._eof or self._reset) and not (self._is_waiting or self.is_closed or self._paused):
            self._is_waiting = True
            self._loop.call_soon(self._read)

    # What comes: by the system's side, outside the loop's turn

    def receive(self, data: bytes) -> asyncio.Handle | None:
        """Bytes came."""
        if self.is_closed or self._loop.host.is_dead:
            self.out.refuse()
            return None
        self._inbox.append(data)
        return self._notify()

    def receive_eof(self) -> asyncio.Handle | None:
        """The other side sends no more."""
        self._eof = True
        return self._notify()

    def receive_reset(self, error: OSError) -> asyncio.Handle | None:
        """The connection is gone."""
        self._reset = error
        self._inbox.clear()
        return self._notify()

    def drained(self) -> asyncio.Handle | None:
        """The system can take more."""
        if not self._unsent or self.is_closed:
            return None
        return asyncio.Handle(self._push, (), self._loop, self._context)

    def _notify(self) -> asyncio.Handle | None:
        if self.is_closed:
            return None
        if self._descriptor is not None:
            self._descriptor.set(True)
        if self._is_waiting or self._paused or not self._is_started:
            return None
        self._is_waiting = True
        return asyncio.Handle(self._read, (), self._loop, self._context)

    # What the loop does

    def _read(self) -> None:
        self._is_waiting = False
        if self.is_closed:
            return
        if self._reset is not None:
            self._lose(self._reset)
            return
        if self._closing or self._paused:
            return
        if self._inbox:
            self._hand_over()
        elif self._eof and not self._eof_read:
            self._eof_read = True
            if self._descriptor is not None:
                self._descriptor.set(False)
            if not self._protocol.eof_received():
                self.close()
            return
        if not (self._closing or self._eof_read):
            self._look()

    def _hand_over(self) -> None:
        data = b"".join(self._inbox)
        self._inbox.clear()
        protocol = self._protocol
        if isinstance(protocol, asyncio.BufferedProtocol):
            buffer = memoryview(protocol.get_buffer(-1))
            size = min(len(data), len(buffer))
            buffer[:size] = data[:size]
        else:
            size = min(len(data), _READ)
        if size < len(data):
            self._inbox.append(data[size:])
        elif self._descriptor is not None and not self._eof:
            self._descriptor.set(False)
        if isinstance(protocol, asyncio.BufferedProtocol):
            protocol.buffer_updated(size)
        else:
            protocol.data_received(data[:size])

    def _lose(self, error: Exception | None) -> None:
        if self.is_closed:
            return
        self._closing = True
        self._unsent.clear()
        self._loop.call_soon(self._close_now, error)
        self.is_closed = True
        self.out.note(f"{self.name} is closed" + (f" by {type(error).__name__}" if error else ""))
        self._leave()

    def _leave(self) -> None:
        # The system tells the other end, and with a reset if something was left unread.
        if self._inbox:
            self.out.refuse()
        else:
            self.out.send_eof()
        if self.on_closed is not None:
            self.on_closed(self)

    def die(self, *, silently: bool) -> None:
        """Its process is gone."""
        self.is_closed = self._closing = True
        if silently:
            self.out.fall_silent()
        self._leave()
        self.forget()

    def _close_now(self, error: Exception | None) -> None:
        try:
            self._protocol.connection_lost(error)
        finally:
            self._protocol = None  # as asyncio's transports let go of it
            self.forget()

    def forget(self) -> None:
        """Give its descriptor back."""
        if self._descriptor is not None:
            self._descriptor.close()

    # What its user does

    def write(self, data: Any) -> None:
        if self._closing or self._sends_eof or not data:
            return
        if self.on_write is not None:
            self.on_write(self, bytes(data))
        self._unsent += data
        self._push()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def _push(self) -> None:
        if self.is_closed:
            return
        if self._reset is not None:
            self._lose(self._reset)
            return
        size = min(len(self._unsent), _KERNEL - self.out.in_flight)
        if size > 0:
            self.out.send(bytes(self._unsent[:size]))
            del self._unsent[:size]
        if self._unsent:
            if len(self._unsent) > _HIGH and not self._asked_to_wait:
                self._asked_to_wait = True
                self._protocol.pause_writing()
            return
        if self._asked_to_wait:
            self._asked_to_wait = False
            self._protocol.resume_writing()
        if self._closing:
            self._lose(None)
        elif self._sends_eof:
            self.out.send_eof()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not (self._closing or self._sends_eof):
            self._sends_eof = True
            if not self._unsent:
                self.out.send_eof()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        if not self._unsent:
            self._lose(None)

    def abort(self) -> None:
        self._lose(None)

    def is_closing(self) -> bool:
        return self._closing

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return _HIGH // 4, _HIGH

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        if self._paused and not self._closing:
            self._paused = False
            self._look()

    def is_reading(self) -> bool:
        return not (self._paused or self._closing)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol
