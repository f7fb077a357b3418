"""Lists that end right, whatever the service does to its pages."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support import in_clean_up, scripted

from norce_order_async import (
    DecodeError,
    InvalidRequestError,
    OrderClient,
    OrderIterator,
    PagingError,
    ServerError,
    iter_orders,
)
from norce_order_async.models import Order, OrderListOrderBy, OrderStatus
from norce_order_async.testing import Sandbox
from norce_order_async.testing.conformance.base import settle
from norce_order_async.transport import Request, Response
from norce_order_async.wire.table import ROWS

Wire = Any
Query = dict[str, str]


def query_of(request: Request) -> Query:
    return {name: values[-1] for name, values in parse_qs(urlsplit(request.url).query).items()}


def numbered(count: int, first: int = 0) -> list[Wire]:
    return [{"id": f"o_{number}"} for number in range(first, first + count)]


def page(orders: Iterable[Wire], **figures: int) -> bytes:
    return json.dumps({"data": list(orders), "pagination": figures}).encode()


class Listing:
    """A service that lists orders, and has its ways with it."""

    def __init__(self, orders: list[Wire], *, most: int = 10) -> None:
        self.orders = orders
        self.most = most
        self.queries: list[Query] = []
        self.before: Callable[[int], None] = lambda count: None
        self.body: Callable[[Query], bytes] = self.plain_body

    def __call__(self, request: Request) -> Response:
        query = query_of(request)
        self.queries.append(query)
        self.before(len(self.queries))
        return Response(request, 200, {"content-type": "application/json"}, self.body(query))

    def plain_body(self, query: Query) -> bytes:
        offset = int(query.get("offset", 0))
        shown = self.orders[offset : offset + min(int(query.get("limit", self.most)), self.most)]
        return page(shown, size=len(self.orders))

    @property
    def offsets(self) -> list[int]:
        return [int(query["offset"]) for query in self.queries]


def listing(orders: list[Wire], *, most: int = 10) -> tuple[OrderClient, Listing]:
    service = Listing(orders, most=most)
    client, _, _ = scripted(service)
    return client, service


async def collect(orders: OrderIterator[Any], into: list[Any]) -> None:
    async for order in orders:
        into.append(order)


async def ids(client: OrderClient, **filters: Any) -> list[str | None]:
    orders: OrderIterator[Any] = iter_orders(client, **filters)
    return [order.id async for order in orders]


@pytest.mark.parametrize("limit", [None, 3, 10, 50])
@pytest.mark.parametrize("count", [0, 1, 9, 10, 35])
async def test_all_orders_come_once_in_as_many_requests_as_pages_and_one(count: int, limit: int | None) -> None:
    client, service = listing(numbered(count))
    assert await ids(client, limit=limit) == [f"o_{number}" for number in range(count)]
    assert len(service.queries) == -(-count // min(limit or 10, 10)) + 1
    assert {query.get("limit") for query in service.queries} == {None if limit is None else str(limit)}


@pytest.mark.parametrize("counts", ["all", "page", "nothing"])
async def test_what_size_counts_does_not_matter(counts: str) -> None:
    client, service = listing(numbered(35))

    def body(query: Query) -> bytes:
        shown = service.orders[int(query["offset"]) :][:10]
        return page(shown, size={"all": 35, "page": len(shown), "nothing": 0}[counts])

    service.body = body
    assert len(await ids(client)) == 35
    assert service.offsets == [0, 10, 20, 30, 35]


async def test_it_sorts_by_created_ascending_unless_told_otherwise() -> None:
    client, service = listing([])
    await ids(client)
    await ids(client, order_by=OrderListOrderBy.CART_TOTAL)
    await ids(client, order_by_direction="DESC")
    assert [(query["order_by"], query["order_by_direction"]) for query in service.queries] == [
        ("created", "asc"), ("cartTotal", "asc"), ("created", "desc"),
    ]  # fmt: skip


async def test_every_filter_goes_out_with_every_page() -> None:
    client, service = listing(numbered(1))
    since = datetime(2026, 1, 2, tzinfo=UTC)
    text = {name: ["SE"] for name in ROWS["GetCheckoutOrders"].query if name.startswith(("billing", "shipping"))}
    given: Any = {
        "offset": 0, "limit": 7, "search": "ada", "payment_id": "p", "reference": "r", "cart_reference": "c",
        "status": {OrderStatus.CHECKOUT}, "date_from": since, "date_to": since, "order_by": "created",
        "order_by_direction": "asc", "countries": ("SE",), **text,
    }  # fmt: skip
    assert await ids(client, **given) == ["o_0"]
    assert [set(query) for query in service.queries] == [set(ROWS["GetCheckoutOrders"].query)] * 2
    assert service.queries[1]["date_from"] == "2026-01-02T00:00:00+00:00"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"stauts": ["checkout"]}, "stauts"),
        ({"offset": -1}, "offset"),
        ({"offset": True}, "offset"),
        ({"limit": 0}, "limit"),
        ({"status": ["complete"]}, "status"),
        ({"status": []}, "status"),
        ({"date_from": datetime(2026, 1, 2)}, "date_from"),
        ({"order_by": "price"}, "order_by"),
        ({"order_by": ""}, "order_by"),
        ({"order_by": 0}, "order_by"),
        ({"order_by_direction": []}, "order_by_direction"),
        ({"verify": 1}, "verify"),
        ({"on_unreadable": "skip"}, "on_unreadable"),
    ],
)
async def test_a_bad_argument_is_named_at_once_and_nothing_is_sent(arguments: Any, named: str) -> None:
    client, service = listing(numbered(1))
    with pytest.raises((InvalidRequestError, TypeError), match=named):
        iter_orders(client, **arguments)
    assert service.queries == []


async def test_orders_that_come_again_are_dropped() -> None:
    """A list with the newest first grows at its front while it is read."""
    client, service = listing(numbered(30, first=100))

    def grow(count: int) -> None:
        if count < 6:
            service.orders = [*numbered(4, first=96 - 4 * count), *service.orders]

    service.before = grow
    came = await ids(client, order_by_direction="desc")
    assert [number for number in came if number in {f"o_{each}" for each in range(100, 130)}] == [
        f"o_{number}" for number in range(100, 130)
    ]
    assert len(came) == len(set(came))


async def test_orders_that_come_last_while_it_is_read_are_found() -> None:
    client, service = listing(numbered(20))
    service.before = lambda count: service.orders.extend(numbered(6, len(service.orders))) if count < 5 else None
    came = await ids(client)
    assert came == [f"o_{number}" for number in range(44)]


async def test_a_page_that_comes_twice_is_passed_over() -> None:
    client, service = listing(numbered(40))
    asked = [0]

    def body(query: Query) -> bytes:
        asked[0] += 1
        return service.plain_body({"offset": "10"} if asked[0] == 3 else query)

    service.body = body
    assert await ids(client) == [f"o_{number}" for number in (*range(20), *range(30, 40))]


@pytest.mark.parametrize(("good", "bad"), [(10, []), (10, [None, 7]), (0, [None, 7])])
async def test_a_service_that_ignores_the_offset_is_found_out(good: int, bad: list[Wire]) -> None:
    client, service = listing([])
    service.body = lambda query: page([*numbered(good), *bad] if len(service.queries) <= 10 else [])
    came: list[Order | DecodeError] = []
    with pytest.raises(PagingError, match=r"ignore the offset.*request id"):
        await collect(iter_orders(client, on_unreadable="yield"), came)
    assert [order.id for order in came if isinstance(order, Order)] == [f"o_{number}" for number in range(good)]
    assert len(service.queries) == 10


async def read_past_errors(orders: AsyncIterator[Order]) -> tuple[list[str | None], int]:
    """The ids of all orders, and how many errors came between them."""
    came, errors = list[str | None](), 0
    while errors < 9:
        try:
            came.append((await anext(orders)).id)
        except StopAsyncIteration:
            break
        except PagingError:
            errors += 1
    return came, errors


@pytest.mark.parametrize("burst", [9, 24, 40])
async def test_new_orders_at_the_front_do_not_end_it(burst: int) -> None:
    """Up to as many as are remembered are known again; of more, some come twice."""
    client, service = listing(numbered(60), most=3)

    def grow(count: int) -> None:
        if count == 11:
            service.orders = [*numbered(burst, first=100), *service.orders]

    service.before = grow
    came, errors = await read_past_errors(iter_orders(client, order_by_direction="desc"))
    assert errors == 0
    old = [f"o_{number}" for number in range(60)]
    assert [order_id for order_id in dict.fromkeys(came) if order_id in old] == old


async def test_pages_without_anything_new_can_be_passed() -> None:
    client, service = listing(numbered(60), most=3)
    service.body = lambda query: service.plain_body({"offset": "0"} if 3 <= int(query["offset"]) < 40 else query)
    came, errors = await read_past_errors(iter_orders(client))
    assert errors == 1
    assert came == [f"o_{number}" for number in (0, 1, 2, *range(42, 60))]


async def test_the_offset_that_it_tells_is_where_to_begin_anew() -> None:
    client, service = listing(numbered(35))
    orders = iter_orders(client, offset=4)
    assert orders.offset == 4
    first = [(await anext(orders)).id for _ in range(13)]
    assert orders.offset == 17
    await orders.aclose()
    assert first + await ids(client, offset=orders.offset) == [f"o_{number}" for number in range(4, 35)]
    assert service.offsets[0] == 4


async def test_a_page_is_read_while_the_one_before_is_given_out_and_no_more() -> None:
    client, service = listing(numbered(35))
    async with iter_orders(client) as orders:
        for _ in range(10):
            await anext(orders)
            await settle(20)
            assert service.offsets == [0, 10]


async def test_what_is_no_order_spoils_neither_its_page_nor_the_rest() -> None:
    wire: list[Wire] = [{"id": "o_0"}, None, {"id": "o_1", "created": 7}, {"currency": "SEK"}, [], {"id": "o_2"}]
    client, _ = listing(wire, most=4)
    came = [order async for order in iter_orders(client, on_unreadable="yield")]
    assert [each.id if isinstance(each, Order) else each.result for each in came] == [
        "o_0", None, "o_1", Order(currency="SEK"), [], "o_2",
    ]  # fmt: skip
    assert [str(each).partition(" [")[0] for each in came if isinstance(each, DecodeError)] == [
        "GetCheckoutOrders: the order at offset 1 cannot be read: expected an object, got null",
        "GetCheckoutOrders: the order at offset 3 cannot be read: it has no id",
        "GetCheckoutOrders: the order at offset 4 cannot be read: expected an object, got an array",
    ]


@pytest.mark.parametrize("deep", ["[" * 80 + "]" * 80, f'{{"attributes":{"[" * 80 + "]" * 80}}}'])
async def test_what_is_no_order_and_nested_deep_is_one_error(deep: str) -> None:
    client, _, _ = scripted((200, {}, f'{{"data":[{deep},{{"id":"o_1"}}]}}'.encode()), (200, {}, b'{"data":[]}'))
    came = [order async for order in iter_orders(client, on_unreadable="yield")]
    assert [type(order) for order in came] == [DecodeError, Order]


async def test_what_is_no_order_can_be_raised_and_gone_on_after() -> None:
    client, _ = listing([{"id": "o_0"}, 7, {"id": "o_1"}])
    orders = iter_orders(client)
    assert (await anext(orders)).id == "o_0"
    with pytest.raises(DecodeError, match="offset 1"):
        await anext(orders)
    assert [order.id async for order in orders] == ["o_1"]


@pytest.mark.parametrize("body", [b"{}", b'{"data": null}', b'{"data": 7}', b"[]", b'{"data": 7, "pagination": {}}'])
async def test_what_is_no_page_is_an_error_and_no_end(body: bytes) -> None:
    client, service = listing(numbered(1))
    service.body = lambda query: body if query["offset"] == "1" else service.plain_body(query)
    orders = iter_orders(client)
    assert (await anext(orders)).id == "o_0"
    with pytest.raises(DecodeError):
        await anext(orders)
    service.body = service.plain_body
    assert [order.id async for order in orders] == []


@pytest.mark.parametrize("end", [b'{"data": []}', b'{"pagination": {"size": 0}}', b'{"data": null, "pagination": {}}'])
async def test_an_empty_page_ends_it(end: bytes) -> None:
    client, service = listing(numbered(10))
    service.body = lambda query: end if query["offset"] == "10" else service.plain_body(query)
    assert len(await ids(client)) == 10


async def test_a_page_that_fails_is_asked_for_again_by_whoever_goes_on() -> None:
    client, transport, _ = scripted(
        (200, {}, page(numbered(2))), (501, {}, b""), (200, {}, page(numbered(1, first=2))), (200, {}, page([]))
    )
    orders = iter_orders(client)
    came = [await anext(orders), await anext(orders)]
    with pytest.raises(ServerError):
        await anext(orders)
    came += [order async for order in orders]
    assert [order.id for order in came] == ["o_0", "o_1", "o_2"]
    assert [query_of(request)["offset"] for request in transport.requests] == ["0", "2", "2", "3"]


# Filters that a service ignores

ADA = {"givenName": "Ada", "familyName": "Berg", "country": "SE", "email": "ada@example.com", "phone": "+46 70-123"}
FULL: Wire = {
    "id": "o_0",
    "reference": "R0",
    "created": "2026-01-02T12:00:00Z",
    "lastModified": "2026-01-03T12:00:00Z",
    "country": "SE",
    "state": {"currentStatus": "Checkout"},
    "cart": {"reference": "C0"},
    "payments": [{"id": "p_0"}],
    "customer": {"billing": ADA, "shipping": ADA},
}
NOON = datetime(2026, 1, 3, 12, tzinfo=UTC)
FITTING: list[tuple[str, Any, Any]] = [
    ("status", ["completed", "checkout"], ["completed"]),
    ("payment_id", "p_0", "p_1"),
    ("reference", "r0", "R"),
    ("cart_reference", "C0", "C1"),
    ("countries", "se", ["NO", "FI"]),
    ("date_from", NOON, NOON + timedelta(seconds=1)),
    ("date_to", NOON - timedelta(days=1), NOON - timedelta(days=1, seconds=1)),
    *((f"{role}_countries", ["NO", "SE"], "NO") for role in ("billing", "shipping")),
    *((f"{role}_emails", "Ada@Example.com", "bo@example.com") for role in ("billing", "shipping")),
    *((f"{role}_names", ["Bo", "berg, ada"], "Ada Ek") for role in ("billing", "shipping")),
    *((f"{role}_phones", "+4670123", "+4670124") for role in ("billing", "shipping")),
]


async def test_every_filter_is_checked_but_what_to_search_for() -> None:
    never = {"offset", "limit", "order_by", "order_by_direction", "search"}
    assert {name for name, _, _ in FITTING} | never == set(ROWS["GetCheckoutOrders"].query)


@pytest.mark.parametrize(
    ("name", "fits", "differs"), FITTING, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_a_filter_that_is_ignored_stops_it(name: str, fits: Any, differs: Any) -> None:
    client, _ = listing([FULL])
    assert await ids(client, verify=True, **{name: fits}) == ["o_0"]
    with pytest.raises(PagingError, match=f"o_0 does not fit the filter '{name}'") as caught:
        await ids(client, verify=True, **{name: differs})
    assert isinstance(caught.value.result, Order)
    assert "Ada" not in str(caught.value)
    assert await ids(client, **{name: differs}) == ["o_0"]
    bare, _ = listing([{"id": "o_0"}])
    with pytest.raises(PagingError):
        await ids(bare, verify=True, **{name: fits})


async def test_no_order_of_a_page_with_one_that_does_not_fit_is_given_out() -> None:
    client, service = listing([FULL | {"id": f"o_{number}"} for number in range(10)])
    service.orders[7] = numbered(1)[0]
    came: list[Order] = []
    with pytest.raises(PagingError):
        await collect(iter_orders(client, verify=True, status=["checkout"], limit=5), came)
    assert [order.id for order in came] == [f"o_{number}" for number in range(5)]


async def test_an_order_whose_filtered_member_cannot_be_read_is_one_that_cannot_be_read() -> None:
    client, _ = listing([FULL | {"state": 7}, FULL | {"id": "o_1", "cart": 7}])
    with pytest.raises(DecodeError, match="its state does not fit"):
        await ids(client, verify=True, status="checkout")
    came = [each async for each in iter_orders(client, verify=True, status="checkout", on_unreadable="yield")]
    assert [type(each) for each in came] == [DecodeError, Order]


# Ending early


class Stuck:
    """Answers the first page; then it takes forever, and counts who waits and who was sent away."""

    def __init__(self) -> None:
        self.waiting = self.sent_away = 0

    async def __call__(self, request: Request, call_next: Any, /) -> Response:
        if query_of(request)["offset"] == "0":
            return Response(request, 200, {}, page(numbered(3)))
        self.waiting += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.sent_away += 1
            raise
        raise AssertionError


async def by_break(client: OrderClient) -> None:
    async for _ in iter_orders(client):
        await settle(20)
        break


async def by_aclose(client: OrderClient) -> None:
    orders = iter_orders(client)
    await anext(orders)
    await settle(20)
    await orders.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await orders.aclose()
    assert [order async for order in orders] == []


async def by_error(client: OrderClient) -> None:
    async def fail() -> None:
        async with iter_orders(client) as orders:
            async for _ in orders:
                await settle(20)
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()


async def by_cancel(client: OrderClient) -> None:
    async def consume() -> None:
        async for _ in iter_orders(client):
            pass

    task = asyncio.create_task(consume())
    await settle(20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task


async def by_aclose_of_another_task(client: OrderClient, *, clean_up: bool = False) -> None:
    orders = iter_orders(client)

    async def consume() -> int:
        return len([order async for order in orders])

    task = asyncio.create_task(in_clean_up(consume) if clean_up else consume())
    await settle(20)
    await orders.aclose()
    assert await task == 3


async def by_aclose_during_a_clean_up(client: OrderClient) -> None:
    await by_aclose_of_another_task(client, clean_up=True)


async def by_timeout(client: OrderClient) -> None:
    orders = iter_orders(client)
    came = [await anext(orders) for _ in range(3)]
    waiting = asyncio.ensure_future(anext(orders))
    await settle(20)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert len(came) == 3


@pytest.mark.parametrize(
    "end",
    [
        by_break,
        by_aclose,
        by_error,
        by_cancel,
        by_aclose_of_another_task,
        by_aclose_during_a_clean_up,
        by_timeout,
    ],
)
async def test_ending_early_leaves_nothing(end: Callable[[OrderClient], Any]) -> None:
    stuck = Stuck()
    client, _, _ = scripted(call_middlewares=[stuck])
    await end(client)
    await settle(20)
    assert (stuck.waiting, stuck.sent_away) == (1, 1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


class Held:
    """Keeps the second page back until it is let go."""

    def __init__(self) -> None:
        self.released = asyncio.Event()

    async def __call__(self, request: Request, call_next: Any, /) -> Response:
        if query_of(request)["offset"] == "2":
            await self.released.wait()
        response: Response = await call_next(request)
        return response


@pytest.mark.parametrize("turns", range(12))
async def test_a_page_is_kept_for_whoever_goes_on_after_a_cancellation(turns: int) -> None:
    """In whichever turn of the event loop it comes: before, while and after the page arrives."""
    held = Held()
    service = Listing(numbered(6), most=2)
    client, _, _ = scripted(service, call_middlewares=[held])
    orders = iter_orders(client)
    came = [await anext(orders), await anext(orders)]
    waiting = asyncio.ensure_future(anext(orders))
    await settle(20)
    held.released.set()
    await settle(turns)
    waiting.cancel()
    await asyncio.wait([waiting])
    came += [] if waiting.cancelled() else [waiting.result()]
    assert orders.offset == len(came)
    came += [order async for order in orders]
    assert [order.id for order in came] == [f"o_{number}" for number in range(6)]
    assert service.offsets == [0, 2, 4, 6]


async def test_the_error_of_a_page_that_nobody_asks_for_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    client, _, _ = scripted((200, {}, page(numbered(2))), (501, {}, b""))
    await by_break(client)
    await settle(20)
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def test_several_tasks_can_share_the_work() -> None:
    client, service = listing(numbered(95))
    orders = iter_orders(client)
    came: list[str | None] = []

    async def lane() -> None:
        async for order in orders:
            await asyncio.sleep(0)
            came.append(order.id)

    lanes = [asyncio.create_task(lane()) for _ in range(8)]
    await asyncio.sleep(0)
    lanes[0].cancel()
    await asyncio.gather(*lanes, return_exceptions=True)
    assert len(came) == len(set(came)) >= 94
    assert service.offsets[-1] == 95


async def test_a_sandbox_gives_all_its_orders() -> None:
    sandbox = Sandbox()
    seeded = sandbox.seed_orders(250)
    async with sandbox.client() as client:
        assert await ids(client, limit=500) == seeded
        assert sandbox.count == 4
        completed = await ids(client, verify=True, status=[OrderStatus.COMPLETED], countries=["SE"])
    assert 0 < len(completed) < 250
