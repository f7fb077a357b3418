"""What was there is on the disk before a change of it goes out."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import attrs

from norce_order_async.batch.client_sender import ClientSender
from norce_order_async.batch.engine.accounting import GROUP, patiently
from norce_order_async.batch.engine.endings import failed_as
from norce_order_async.batch.engine.schedule import WorkItem
from norce_order_async.batch.journal.old_values import Kept, OldValues, place_of
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.undo.parts import part_at
from norce_order_async.batch.undo.ways import Back, part_of, undo_of
from norce_order_async.core.call import Call
from norce_order_async.core.clock import Clock
from norce_order_async.core.errors import ConfigurationError, DecodeError, InvalidRequestError
from norce_order_async.core.http import Response
from norce_order_async.core.outcome import Attempt, OutcomeKind
from norce_order_async.endpoints.looks import check_answer
from norce_order_async.loops.tasks import is_cancelled
from norce_order_async.sending.pace import Pace
from norce_order_async.wire.catalog import OPERATIONS
from norce_order_async.wire.codec import encode_shown
from norce_order_async.wire.decoders import json_body
from norce_order_async.wire.json import JSON, decode_json
from norce_order_async.wire.operation import Operation
from norce_order_async.wire.strict import decode_unique

_GATHERED = 0.005
"""Seconds for which what is to be written is gathered."""
_NOT_KNOWN = "it may have been made before, so that nobody knows what was there"


def _order_of(response: Response) -> Mapping[str, JSON]:
    """An order as it is on the wire, so that it can go back as it was.

    Raises:
        DecodeError: It is no order, or a member of an object is there twice, of which one would be lost.
    """
    json_body(response)  # says more of what cannot be read
    try:
        order = decode_unique(response.body)
    except InvalidRequestError as error:
        raise DecodeError(f"the answer's body cannot be read: {error}", response.body) from None
    if not isinstance(order, Mapping):
        raise DecodeError("the answer is no order", response.body)
    return order


GET_ORDER: Operation[Mapping[str, JSON]] = attrs.evolve(OPERATIONS["GetCheckoutOrder"], decode=_order_of)


class KeepingSender:
    """Reads what is there, and writes that down with what takes the change back, before the change goes out.

    A part of an order is read once, before the first change of it; the value then read counts for all lines and runs.

    Args:
        sender: What reads and makes changes.
        values: Where all that is written.
        pace: Gives the change a place of its own in the schedule when a read has taken the one that it had.
        clock: Where time comes from.
        fail: Told of what ends the batch.
    """

    def __init__(
        self,
        sender: ClientSender,
        values: OldValues,
        *,
        pace: Pace,
        clock: Clock,
        fail: Callable[[Exception], None],
    ) -> None:
        self._sender = sender
        self._values = values
        self._pace = pace
        self._clock = clock
        self._fail = fail
        self._busy: dict[str, asyncio.Event] = {}
        self._waiting: list[tuple[Kept, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def send(self, item: WorkItem, /, *, probe: bool) -> Outcome | None:
        """Make a change; one of which it could not be read what was there ends with the error of that read."""
        try:
            if not self._values.has(item.number):
                if not item.entry.redelivered:
                    item.maybe_applied = False  # nothing goes out before that is written
                if (outcome := await self._keep(item, probe=probe)) is not None:
                    return outcome
        except ConfigurationError as error:  # of the journal: the change is left undone
            self._fail(error)
            return None
        return await self._sender.send(item, probe=probe)

    async def _keep(self, item: WorkItem, *, probe: bool) -> Outcome | None:
        """Write down what takes a change back; how it ends where that cannot be known."""
        change, order = item.change, item.order
        if (part := part_of(change)) is None:
            await self._write(_kept(item, undo_of(change, order, None)))
            return None
        place = place_of(order, part)
        async with self._alone(place):
            if (found := self._values.find(place)) is not None:
                old = found[0]
                back = Back(remark=_NOT_KNOWN) if old is None else undo_of(change, order, decode_json(old.encode()))
                await self._write(_kept(item, back))
                return None
            if item.entry.redelivered:
                await self._write(_kept(item, Back(remark=_NOT_KNOWN), old=(place, None)))
                return None
            return await self._read(item, place, part, probe=probe)

    async def _read(self, item: WorkItem, place: str, part: str, *, probe: bool) -> Outcome | None:
        """Read what is there, and write it down."""
        requests = 0

        def count(call: Call, attempt: Attempt) -> None:
            nonlocal requests
            requests += 1
            self._pace.observe(call, attempt)

        item.started, begin = self._clock.wall(), self._clock.monotonic()
        try:
            order: Mapping[str, JSON] = await self._sender.read(item, GET_ORDER, count, probe=probe)
            check_answer(order, item.change.order_id)
            value = part_at(order, part)
            text = encode_shown(value).decode()
        except BaseException as error:
            item.attempts += requests
            if isinstance(error, Exception):
                item.error = error
            elif is_cancelled() or not isinstance(error, asyncio.CancelledError):
                raise
            outcome = failed_as(item, OutcomeKind.NOT_SENT, error, self._clock.monotonic() - begin)
            return attrs.evolve(outcome, message=f"what was there before could not be read: {outcome.message}")
        back = undo_of(item.change, item.order, value)
        await self._write(_kept(item, back, old=(place, text), requests=requests))
        if (delay := self._pace.reserve()) > 0:
            await self._clock.sleep(delay)
        return None

    @asynccontextmanager
    async def _alone(self, place: str) -> AsyncGenerator[None]:
        """Let one change at a time look what was there, and read it."""
        while (busy := self._busy.get(place)) is not None:
            await busy.wait()
        busy = self._busy[place] = asyncio.Event()
        try:
            yield
        finally:
            del self._busy[place]
            busy.set()

    async def _write(self, kept: Kept) -> None:
        """Write it down together with what comes at the same time, because the disk is waited for."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((kept, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        await written

    async def _write_all(self) -> None:
        await self._clock.sleep(_GATHERED)
        while self._waiting:
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            error: Exception | None = None
            try:
                await patiently(partial(self._values.write, [each for each, _ in group]))
            except Exception as raised:
                error = raised
            for _, written in group:
                if written.done():
                    continue  # its lane was cancelled
                if error is None:
                    written.set_result(None)
                else:
                    written.set_exception(error)


def _kept(item: WorkItem, back: Back, *, old: tuple[str, str | None] | None = None, requests: int = 0) -> Kept:
    try:
        record = None if back.record is None else encode_shown(back.record).decode()
    except InvalidRequestError as error:
        back, record = Back(remark=f"it cannot be written as a line: {error}"), None
    return Kept(
        number=item.number,
        place=None if back.piece is None else place_of(item.order, back.piece),
        is_whole=back.is_whole,
        once=back.once,
        remark=back.remark,
        record=record,
        old=old,
        requests=requests,
    )
