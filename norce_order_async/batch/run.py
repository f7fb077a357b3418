"""Running a batch: a fixed number of lanes that pull from one iterator."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from weakref import WeakValueDictionary

import attrs

from norce_order_async.batch.changes import Change
from norce_order_async.batch.files import Entry
from norce_order_async.checks import check_count
from norce_order_async.client import OrderClient
from norce_order_async.config import CallOptions
from norce_order_async.errors import CallError, ClientStateError, InvalidRequestError
from norce_order_async.outcome import OutcomeKind
from norce_order_async.wire import JSON


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of one change.

    Attributes:
        line: The line of the file, or the place in the iterator, from 1.
        change: The change; None for a line that could not be read.
        outcome: Its one outcome.
        attempts: How many requests it took.
        elapsed: Seconds from the start of its call to the end.
        status: The HTTP status of the last answer, if there was one.
        request_id: What was sent as ``x-request-id``; None when nothing was.
        error: The class of the error that ended it; None when the change is made.
        message: That error's text.
        source: The line as it was read, where it could not be understood.
    """

    line: int
    change: Change | None
    outcome: OutcomeKind
    attempts: int = 0
    elapsed: float = 0.0
    status: int | None = None
    request_id: str | None = None
    error: str | None = None
    message: str | None = None
    source: JSON = None


async def run_batch(
    client: OrderClient,
    changes: Iterable[Change | Entry] | AsyncIterable[Change | Entry],
    *,
    concurrency: int = 32,
    options: CallOptions | None = None,
) -> AsyncGenerator[Outcome]:
    """Make changes, ``concurrency`` at a time, and yield one :class:`Outcome` for each as it is known.

    Changes are pulled only as there is room, so the input may be endless and memory doesn't grow with it. Two
    changes of the same resource of the same order are never under way at once and are made in the order they came.
    A change that fails stops nothing. Close the generator (``contextlib.aclosing``) to end early: what is in flight
    is then cancelled and has no outcome.

    Args:
        client: What to call with; for jobs, make it with ``retry=RetryPolicy.batch()`` and
            ``timeout=Timeout.batch()``.
        changes: Changes, or the entries of :func:`read_changes`.
        concurrency: How many changes at once.
        options: Options of every call.

    Raises:
        ConfigurationError: ``concurrency`` is not a whole number of at least 1.
        ClientStateError: The client was closed meanwhile.
        Exception: Whatever the input itself raises, or a change that is not a :class:`CallError` (a defect in a
            middleware, say). Nothing more is pulled then, and it is raised after the outcomes of what was under way.
    """
    check_count("concurrency", concurrency)
    lanes = _Lanes(client, _numbered(changes), options, room=2 * concurrency)
    running = asyncio.create_task(lanes.run(concurrency))
    running.add_done_callback(lambda _: lanes.outcomes.put_nowait(None))
    try:
        while (outcome := await lanes.outcomes.get()) is not None:
            lanes.room.release()
            yield outcome
        await running
    finally:
        running.cancel()
        await asyncio.wait([running])


class _Lanes:
    """What the lanes of one batch share."""

    def __init__(
        self, client: OrderClient, entries: AsyncIterator[Entry], options: CallOptions | None, *, room: int
    ) -> None:
        self.outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self.room = asyncio.Semaphore(room)
        self._client = client
        self._entries = entries
        self._options = options
        self._pulling = asyncio.Lock()
        self._failure: Exception | None = None
        # Weak: a lock lives as long as a lane holds or awaits it.
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    async def run(self, lanes: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(self._lane())
        if self._failure is not None:
            raise self._failure

    async def _lane(self) -> None:
        while entry := await self._pull():
            # Nothing may be awaited between the pull and the lock: locks are given in the order they are asked for.
            if entry.change is None:
                outcome = bad_line(entry)
            else:
                key = (entry.change.order_id, entry.change.resource)
                async with self._locks.setdefault(key, asyncio.Lock()):
                    outcome = await self._make(entry.line, entry.change)
            self.outcomes.put_nowait(outcome)

    async def _pull(self) -> Entry | None:
        """The next entry; None at the input's end, or once the batch has failed."""
        await self.room.acquire()
        async with self._pulling:
            if self._failure is not None:
                return None
            try:
                return await anext(self._entries, None)
            except Exception as error:
                self._failure = error
                return None

    async def _make(self, line: int, change: Change) -> Outcome:
        try:
            receipt = await change.apply(self._client, self._options)
        except CallError as error:
            return Outcome(
                line=line,
                change=change,
                outcome=error.outcome,
                attempts=len(error.attempts),
                elapsed=error.elapsed,
                status=error.attempts[-1].status if error.attempts else None,
                request_id=error.request_id,
                error=type(error).__name__,
                message=error.reason,
            )
        except (InvalidRequestError, ClientStateError) as error:
            if isinstance(error, ClientStateError):
                self._failure = self._failure or error
            return _failed(line, change, OutcomeKind.NOT_SENT, error)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled this lane: something that the change awaited was cancelled.
            return _failed(line, change, OutcomeKind.UNKNOWN, error)
        except Exception as error:
            self._failure = self._failure or error
            return _failed(line, change, OutcomeKind.UNKNOWN, error)
        return Outcome(
            line=line,
            change=change,
            outcome=receipt.outcome,
            attempts=receipt.attempts,
            elapsed=receipt.elapsed,
            status=receipt.status,
            request_id=receipt.request_id,
        )


def _failed(line: int, change: Change, outcome: OutcomeKind, error: BaseException) -> Outcome:
    return Outcome(line=line, change=change, outcome=outcome, error=type(error).__name__, message=str(error))


def bad_line(entry: Entry) -> Outcome:
    """The outcome of a line that could not be read."""
    return Outcome(
        line=entry.line,
        change=None,
        outcome=OutcomeKind.NOT_SENT,
        error=InvalidRequestError.__name__,
        message=entry.problem,
        source=entry.source,
    )


async def _numbered(changes: Iterable[Change | Entry] | AsyncIterable[Change | Entry]) -> AsyncIterator[Entry]:
    number = 0
    if isinstance(changes, AsyncIterable):
        async for item in changes:
            number += 1
            yield item if isinstance(item, Entry) else Entry(number, item)
    else:
        for item in changes:
            number += 1
            yield item if isinstance(item, Entry) else Entry(number, item)
