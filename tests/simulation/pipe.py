"""One direction of a simulated connection, and the link between two hosts that it goes over."""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from asyncio import Handle

    from simulation.stream import Stream

_PIECE = 16 * 1024
"""Bytes that come at once at most."""
_LONGEST_BACK_OFF = 20.0
"""Seconds after a partition within which a connection sends again."""


@attrs.define(eq=False)
class Link:
    """What the way between two hosts is like; weather changes it.

    Attributes:
        random: Its own random choices.
        latency: Seconds that a packet takes at least.
        jitter: Seconds that it takes longer on average.
        bandwidth: Bytes a second of each connection.
        cuts: The share of what is written that comes in several pieces, cut at any byte.
        resets: The share of connections that are reset at some byte.
        silences: The share that fall silent at some byte, and stay so.
        refuses: The share of tries to connect that are refused.
        is_cut: Whether nothing comes through.
    """

    random: random.Random
    latency: float = 0.005
    jitter: float = 0.002
    bandwidth: float = 10e6
    cuts: float = 0.3
    resets: float = 0.0
    silences: float = 0.0
    refuses: float = 0.0
    is_cut: bool = False
    _held: list["Pipe"] = attrs.field(factory=lambda: list[Pipe](), init=False, repr=False)

    def delay(self) -> float:
        """Seconds that the next packet takes."""
        return self.latency + self.random.expovariate(1.0) * self.jitter

    def hold(self, pipe: "Pipe") -> None:
        """A pipe has something for when the link is mended."""
        self._held.append(pipe)

    def clear(self) -> None:
        """Be as good as at first."""
        for field in attrs.fields(Link):
            if isinstance(field.default, float):
                setattr(self, field.name, field.default)

    def cut(self) -> None:
        """Let nothing through."""
        self.is_cut = True

    def mend(self) -> None:
        """Let everything through again, what was sent meanwhile a while later."""
        self.is_cut = False
        held, self._held = self._held, []
        for pipe in held:
            pipe.resume(self.random.uniform(0, _LONGEST_BACK_OFF))


class Pipe:
    """Bytes on their way from one end of a connection to the other, in order.

    Args:
        now: The world's time.
        note: Writes to the trace.
        link: What it goes over.
        sender: The end that writes.
        receiver: The end that reads.
        fails_at: The byte at which ``failure`` happens.
        failure: ``reset``, ``silence``, or None.
    """

    def __init__(
        self,
        now: Callable[[], float],
        note: Callable[[str], None],
        link: Link,
        sender: "Stream",
        receiver: "Stream",
        fails_at: int,
        failure: str | None,
    ) -> None:
        self.note = note
        self._now, self._link, self._sender, self._receiver = now, link, sender, receiver
        self._fails_at, self._failure = fails_at, failure
        self.in_flight = 0
        self._sent = 0
        self._free = self._last = 0.0
        self._held: list[tuple[Callable[..., Handle | None], bytes | None]] = []
        self._is_over = self._is_silent = False

    def send(self, data: bytes) -> None:
        """Have bytes delivered."""
        at = 0
        while at < len(data) and not self._is_over:
            piece = data[at : at + self._size(len(data) - at)]
            at += len(piece)
            if self._failure is not None and self._sent + len(piece) >= self._fails_at:
                piece = piece[: max(0, self._fails_at - self._sent)]
                self._go(piece)
                self._fail()
                return
            self._go(piece)

    def _size(self, left: int) -> int:
        choices = self._link.random
        size = min(left, _PIECE)
        return choices.randrange(1, size + 1) if choices.random() < self._link.cuts else size

    def _go(self, piece: bytes) -> None:
        if piece:
            self._sent += len(piece)
            self.in_flight += len(piece)
            self._free = max(self._now(), self._free) + len(piece) / self._link.bandwidth
            self._arrive(self._deliver, piece)

    def _fail(self) -> None:
        self._is_over = True
        self.note(f"{self._sender.name} {self._failure} at byte {self._sent}")
        self._is_silent = True
        if self._failure == "reset":
            self._arrive(self._reset_receiver, None)
            self._sender.loop.host.arrive(self._now() + self._link.delay(), self._reset_sender)

    def send_eof(self) -> None:
        """The sender sends no more."""
        if not self._is_over:
            self._is_over = True
            self._arrive(self._deliver_eof, None)

    def fall_silent(self) -> None:
        """The sender's host is gone, and nobody answers for it."""
        self._is_over = self._is_silent = True

    def refuse(self) -> None:
        """The sender is gone: the other end gets a reset for what it sends."""
        if self._is_silent:
            return
        self._is_over = True
        self._arrive(self._reset_receiver, None)

    def resume(self, delay: float) -> None:
        """The link is mended."""
        self._receiver.loop.host.arrive(self._now() + delay, self._flush)

    def _arrive(self, receive: Callable[..., "Handle | None"], piece: bytes | None) -> None:
        self._last = max(self._last, max(self._now(), self._free) + self._link.delay())
        self._receiver.loop.host.arrive(self._last, self._come, receive, piece)

    def _come(self, receive: Callable[..., "Handle | None"], piece: bytes | None) -> "Handle | None":
        if self._held or self._link.is_cut:
            if not self._held:
                self._link.hold(self)
            self._held.append((receive, piece))
            return None
        return receive(piece)

    def _flush(self) -> "Handle | None":
        if self._link.is_cut:
            self._link.hold(self)
            return None
        held, self._held = self._held, []
        handles = [receive(piece) for receive, piece in held]
        return next((handle for handle in handles if handle is not None), None)

    def _deliver(self, piece: bytes) -> "Handle | None":
        self.in_flight -= len(piece)
        if self._sender.get_write_buffer_size():
            self._sender.loop.host.arrive(self._now() + self._link.delay(), self._sender.drained)
        self.note(f"{self._receiver.name} gets {len(piece)}")
        return self._receiver.receive(piece)

    def _deliver_eof(self, _: None) -> "Handle | None":
        self.note(f"{self._receiver.name} gets the end")
        return self._receiver.receive_eof()

    def _reset_receiver(self, _: None) -> "Handle | None":
        return self._receiver.receive_reset(ConnectionResetError(104, "Connection reset by peer"))

    def _reset_sender(self) -> "Handle | None":
        return self._sender.receive_reset(ConnectionResetError(104, "Connection reset by peer"))
