"""Going through all orders of a list."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack, overload

import attrs

from norce_order_async.client import OrderClient
from norce_order_async.core.checks import check_bool
from norce_order_async.core.errors import DecodeError, InvalidRequestError
from norce_order_async.core.options import CallOptions
from norce_order_async.core.shapes import check_client
from norce_order_async.endpoints.filters import OrderFilters, query_of
from norce_order_async.endpoints.orders import LIST_ORDERS
from norce_order_async.endpoints.pages import Entry, Page, PageReader
from norce_order_async.loops.per_loop import PerLoop, running_loop
from norce_order_async.loops.tasks import cancellations, is_cancelled
from norce_order_async.wire.models import Order, OrderListOrderBy, OrderListOrderByDirection
from norce_order_async.wire.operation import Operation, QueryValue

T = TypeVar("T", covariant=True)

_ON_UNREADABLE = ("raise", "yield")
_SORTING = {"order_by": OrderListOrderBy.CREATED, "order_by_direction": OrderListOrderByDirection.ASC}
"""How orders are sorted unless somebody says otherwise."""


class OrderIterator(AsyncIterator[T]):
    """The orders of a list, from page to page; :func:`iter_orders` makes it.

    While the orders of a page are given out, the next page is read. That ends with :meth:`aclose`, at the end of an
    ``async with``, and when nobody holds the iterator any more, as after a ``break``. Several tasks may take orders
    from one iterator.

    An error does not end it: whoever goes on asks again for a page that could not be read, and gets the order behind
    one that could not be read. Nor does cancelling a task that waits for an order, as a time limit does: whoever goes
    on gets the orders of a page that has come meanwhile, and asks again for one that has not. So does whoever goes on
    in another event loop, once the first one has ended.

    Attributes:
        offset: The offset behind the last order that was given out: ``iter_orders(..., offset=that)`` begins there.
    """

    _ahead: asyncio.Task[Page] | None = None

    def __init__(self, read: Callable[[], Coroutine[Any, Any, Page]], offset: int, *, raises: bool) -> None:
        self.offset = offset
        self._read = read
        self._raises = raises
        self._entries: deque[tuple[int, Entry]] = deque()
        self._turning = PerLoop(asyncio.Lock)
        self._ended = False

    def __repr__(self) -> str:
        return f"<OrderIterator at offset {self.offset}>"

    async def __anext__(self) -> T:
        """The next order.

        Raises:
            DecodeError: What came is no page of orders; or an order cannot be read, and that is to be raised.
            PagingError: An order does not fit the filters, or nothing new has come for some pages.
            CallError: A page could not be had otherwise.
        """
        while not self._entries:
            async with self._turning.here():
                if self._ended:
                    raise StopAsyncIteration
                if not self._entries:
                    await self._turn_page()
        self.offset, entry = self._entries.popleft()
        if self._raises and isinstance(entry, DecodeError):
            raise entry
        return entry  # type: ignore[return-value]  # what T is, iter_orders says

    async def _turn_page(self) -> None:
        before = cancellations()
        self._ahead = self._ahead_here() or self._begin()
        try:
            page = await self._ahead
        except BaseException as error:
            if self._ended and isinstance(error, asyncio.CancelledError) and not is_cancelled(before):
                return  # the iterator was closed, this task was not cancelled
            if not _has_come(self._ahead):
                self._ahead = None
            raise  # a page that came as this task was cancelled is for whoever goes on
        self._ahead = None
        self.offset = page.start
        self._ended = self._ended or page.is_empty
        if not self._ended:
            self._entries.extend(page.entries)
            self._ahead = self._begin()

    def _ahead_here(self) -> asyncio.Task[Page] | None:
        """The page that was begun. One that another event loop has not read is given up."""
        ahead = self._ahead
        if ahead is None or ahead.get_loop() is running_loop() or (ahead.done() and not ahead.cancelled()):
            return ahead
        _give_up(ahead)
        return None

    def _begin(self) -> asyncio.Task[Page]:
        task = asyncio.create_task(self._read())
        task.add_done_callback(_retrieve)
        return task

    async def aclose(self) -> None:
        """End it, and wait until the page that is being read is given up; closing twice is fine."""
        self._ended = True
        self._entries.clear()
        ahead = self._ahead_here()
        if ahead is not None and not ahead.done():
            ahead.cancel()
            await asyncio.wait([ahead])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if self._ahead is not None:
            _give_up(self._ahead)


def _give_up(task: asyncio.Task[Page]) -> None:
    """Cancel it from wherever this is: another event loop, or another thread, where the garbage collector may run."""
    loop = task.get_loop()
    if not task.done() and not loop.is_closed():
        loop.call_soon_threadsafe(task.cancel)


def _has_come(task: asyncio.Task[Page]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def _retrieve(task: asyncio.Task[Page]) -> None:
    """Look at the error of a page that may never be asked for, so that asyncio does not report it."""
    if not task.cancelled():
        task.exception()


async def _read_page(
    client: OrderClient,
    operation: Operation[Page],
    reader: PageReader,
    query: Mapping[str, QueryValue],
    options: CallOptions | None,
) -> Page:
    return await client.execute(operation, query={**query, "offset": reader.offset}, options=options)


@overload
def iter_orders(
    client: OrderClient,
    *,
    verify: bool = ...,
    on_unreadable: Literal["raise"] = ...,
    options: CallOptions | None = ...,
    **filters: Unpack[OrderFilters],
) -> OrderIterator[Order]: ...
@overload
def iter_orders(
    client: OrderClient,
    *,
    verify: bool = ...,
    on_unreadable: Literal["yield"],
    options: CallOptions | None = ...,
    **filters: Unpack[OrderFilters],
) -> OrderIterator[Order | DecodeError]: ...
def iter_orders(
    client: OrderClient,
    *,
    verify: bool = False,
    on_unreadable: Literal["raise", "yield"] = "raise",
    options: CallOptions | None = None,
    **filters: Unpack[OrderFilters],
) -> OrderIterator[Any]:
    """Go through all orders of this merchant and channel, or those that fit the filters.

    ::

        async for order in iter_orders(client, status=["checkout"], limit=100):
            ...

    It reads a page ahead and holds two at most. Pages shift while orders come and go: so it sorts by ``created``,
    ascending, unless told otherwise, drops what one of the last pages had already, goes on by the number of orders that
    came (the service may send fewer than ``limit``), and ends on an empty page.

    Do not change what the filters look at meanwhile: an order that no longer fits leaves the list, those behind it move
    up, and as many are skipped. List first, then change.

    Args:
        client: What to call with.
        verify: Whether to hold each order against the filters, except for ``search``: most are known from v1 only, and
            a service may ignore one. An order that lacks what a filter looks at does not fit. No order of a page with
            one that does not fit is given out.
        on_unreadable: What becomes of an order that cannot be read, as it is no object, has no id, or has something
            unreadable where a filter looks at it: a :class:`DecodeError` is raised, after which one may go on, or comes
            in its place (``yield``). Its ``result`` has what came. An order with other members that cannot be read is
            given out, and lists them as ``unreadable``.
        options: What each call has otherwise than the client.
        **filters: See :class:`OrderFilters`. ``limit`` is how many orders to ask for at once, by default as many as the
            service likes; ``offset`` is where to begin.

    Raises:
        TypeError: A filter that there is not, or a value of the wrong type.
        InvalidRequestError: A value that cannot be meant: a negative offset, an empty list, a blank text, a time
            without a zone.

    Source: GetCheckoutOrders, as :func:`list_orders`
    """
    if on_unreadable not in _ON_UNREADABLE:
        raise InvalidRequestError(f"on_unreadable must be one of {', '.join(_ON_UNREADABLE)}, got {on_unreadable!r}")
    query = _query(filters)
    reader = PageReader(filters.get("offset") or 0, query if check_bool("verify", verify) else {})
    list_orders: Operation[Any] = LIST_ORDERS
    read = partial(_read_page, check_client(client), attrs.evolve(list_orders, decode=reader), reader, query, options)
    return OrderIterator(read, reader.offset, raises=on_unreadable == "raise")


def _query(filters: OrderFilters) -> dict[str, QueryValue]:
    """The query of every page.

    Raises:
        TypeError: A filter that there is not, or a value of the wrong type.
        InvalidRequestError: A value that cannot be meant.
    """
    given = {name: value for name, value in filters.items() if value is not None}
    query = query_of({**_SORTING, **given})
    if query.get("limit") == 0:
        raise InvalidRequestError("limit must be above 0: a page without orders ends the list")
    return query
