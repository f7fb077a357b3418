"""The order of a batch: in turn for each resource, and nobody waits for another's."""

import random
from collections import defaultdict
from collections.abc import Callable, Sized
from functools import partial
from itertools import combinations
from typing import Any, ClassVar

import attrs
import pytest

from norce_order_async import CallOptions, OrderClient, Receipt
from norce_order_async.batch import Change, DeleteConsent, InputLine, PatchAttributes, PatchConsent
from norce_order_async.batch.changes import Scope
from norce_order_async.batch.engine.schedule import Schedule, WorkItem
from norce_order_async.batch.kinds import CreateOrder
from norce_order_async.models import Cart, Order


@attrs.frozen
class About(Change):
    """A change of any resource of an order."""

    op: ClassVar[str] = "about"
    what: str = attrs.field(kw_only=True)

    @property
    def resource(self) -> str:
        return self.what

    async def apply(self, client: OrderClient, options: CallOptions | None = None) -> Receipt:
        raise NotImplementedError


@attrs.frozen
class OfNoOrder(About):
    """A change of a resource that is no order's."""

    order_id: str = attrs.field(default="", init=False)


def item_of(number: int, change: Change, *, size: int = 1, scope: Scope = (None, None)) -> WorkItem:
    return WorkItem(number, InputLine(number, change, size=size), change, scope)


def item(number: int, order: str, *, size: int = 1, **scope: Any) -> WorkItem:
    return item_of(number, DeleteConsent(order, "c", **scope), size=size)


def about(number: int, what: str) -> WorkItem:
    return item_of(number, About("a", what=what))


def ready(schedule: Schedule) -> list[int]:
    return [one.number for one in [*schedule.ready, *schedule.requeued]]


def test_only_the_first_change_of_a_resource_is_ready() -> None:
    schedule = Schedule()
    for number, order in enumerate(["a", "a", "b", "a", "c"], 1):
        schedule.add(item(number, order))
    assert ready(schedule) == [1, 3, 5]


def test_the_next_of_a_resource_is_ready_when_the_one_before_is_done_and_goes_first() -> None:
    schedule = Schedule()
    for number, order in enumerate(["a", "a", "b", "c"], 1):
        schedule.add(item(number, order))
    schedule.done(schedule.take())
    assert ready(schedule) == [2, 3, 4]


def test_a_change_that_names_the_merchant_that_is_sent_anyway_is_of_the_same_resource() -> None:
    schedule = Schedule()
    scopes: list[dict[str, Any]] = [{}, {"merchant": "m"}, {"channel": "1"}, {"merchant": "other"}]
    for number, scope in enumerate(scopes, 1):
        schedule.add(item_of(number, DeleteConsent("a", "c", **scope), scope=("m", "1")))
    assert ready(schedule) == [1, 4]


def test_a_change_that_was_put_back_keeps_its_resource() -> None:
    schedule = Schedule()
    for number in (1, 2):
        schedule.add(item(number, "a"))
    taken = schedule.take()
    schedule.add(item(3, "a"))
    assert ready(schedule) == []
    schedule.requeue(taken)
    assert ready(schedule) == [1]


@pytest.mark.parametrize("scope", [{"merchant": "m"}, {"channel": "2"}])
def test_the_same_order_of_another_merchant_or_channel_is_another_resource(scope: dict[str, Any]) -> None:
    schedule = Schedule()
    schedule.add(item(1, "a"))
    schedule.add(item(2, "a", **scope))
    assert ready(schedule) == [1, 2]


def test_a_consent_is_one_resource_whatever_is_done_to_it_and_attributes_are_another() -> None:
    schedule = Schedule()
    changes = [DeleteConsent("a", "c"), PatchConsent("a", "c", checked=True), PatchAttributes("a", {"b": 1})]
    for number, change in enumerate(changes, 1):
        schedule.add(item_of(number, change))
    assert ready(schedule) == [1, 3]


def test_orders_that_are_made_wait_for_each_other_where_their_carts_have_one_reference() -> None:
    schedule = Schedule()
    for number, reference in enumerate([None, "a", None, "b", "a", None], 1):
        order = Order(cart=None if reference is None else Cart(reference=reference))
        schedule.add(item_of(number, CreateOrder(order)))
    assert ready(schedule) == [1, 2, 3, 4, 6]


def test_what_is_held_is_counted_until_it_is_done() -> None:
    schedule = Schedule()
    for number in (1, 2, 3):
        schedule.add(item(number, "a", size=10 * number))
    first = schedule.take()
    assert (schedule.held, schedule.size) == (3, 60)
    schedule.done(first)
    assert (schedule.held, schedule.size) == (2, 50)


def test_drained_are_those_that_wait_in_the_order_of_the_input() -> None:
    schedule = Schedule()
    for number, order in enumerate(["a", "a", "b", "a", "c", "b"], 1):
        schedule.add(item(number, order))
    under_way = schedule.take()
    assert [one.number for one in schedule.drain()] == [2, 3, 4, 5, 6]
    assert (schedule.held, schedule.size, ready(schedule)) == (1, 1, [])
    schedule.done(under_way)
    assert (schedule.held, schedule.size) == (0, 0)


def test_nothing_is_kept_of_what_is_done() -> None:
    schedule = Schedule()
    for number in range(1, 1_001):
        schedule.add(item(number, f"o_{number % 7}"))
    while schedule.has_ready:
        schedule.done(schedule.take())
    assert schedule.held == schedule.size == 0
    assert [len(kept) for kept in vars(schedule).values() if isinstance(kept, Sized)] == [0] * 5


# Resources nest


@pytest.mark.parametrize(
    ("one", "other"),
    [("consents", "consents/x"), ("consents/x", "consents"), ("", "consents/x"), ("attributes", ""), ("a/b/c", "a")],
)
@pytest.mark.parametrize("of", [partial(About, "a"), OfNoOrder])
def test_what_holds_another_is_the_same_resource(of: Callable[..., Change], one: str, other: str) -> None:
    schedule = Schedule()
    schedule.add(item_of(1, of(what=one)))
    schedule.add(item_of(2, of(what=other)))
    assert ready(schedule) == [1]
    schedule.done(schedule.take())
    assert ready(schedule) == [2]


def test_names_that_begin_alike_are_different_resources() -> None:
    schedule = Schedule()
    for number, what in enumerate(["consents/x", "consents/xy", "consents2", "attributes"], 1):
        schedule.add(about(number, what))
    assert ready(schedule) == [1, 2, 3, 4]


def test_what_holds_many_waits_for_all_of_them_and_they_for_it() -> None:
    schedule = Schedule()
    for number, what in enumerate(["consents/x", "attributes", "", "consents/x", "attributes"], 1):
        schedule.add(about(number, what))
    first, second = schedule.take(), schedule.take()
    assert (first.number, second.number, ready(schedule)) == (1, 2, [])
    schedule.done(first)
    assert ready(schedule) == []
    schedule.done(second)
    assert ready(schedule) == [3]
    schedule.done(schedule.take())
    assert ready(schedule) == [4, 5]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_nothing_is_made_beside_what_holds_it(seed: int) -> None:
    dice, schedule = random.Random(seed), Schedule()
    under_way: list[WorkItem] = []
    done: list[WorkItem] = []
    added = 0
    while added < 200 or schedule.held:
        move = dice.random()
        if move < 0.4 and added < 200:
            added += 1
            what = dice.choice(["", "consents", "consents/x", "consents/y", "consents/x/z", "attributes"])
            schedule.add(about(added, what))
        elif move < 0.7 and schedule.has_ready:
            under_way.append(schedule.take())
            assert not [1 for one, other in combinations(under_way, 2) if conflict(one, other)]
        elif under_way:
            done.append(under_way.pop(dice.randrange(len(under_way))))
            schedule.done(done[-1])
    assert len(done) == 200
    assert not [1 for one, other in combinations(done, 2) if conflict(one, other) and one.number > other.number]
    assert not schedule.has_ready


def conflict(one: WorkItem, other: WorkItem) -> bool:
    short = min(len(one.path), len(other.path))
    return one.path[:short] == other.path[:short]


# Settling


def test_what_may_still_be_carried_out_keeps_its_resource_until_it_has_settled() -> None:
    schedule = Schedule()
    schedule.add(about(1, "consents/x"))
    schedule.add(about(2, "consents"))
    taken = schedule.take()
    taken.settles_at = 25.0
    schedule.done(taken, 10.0)
    assert (schedule.held, schedule.next_due) == (1, 25.0)
    for number, what in enumerate(["consents/x", "attributes"], 3):
        schedule.add(about(number, what), 12.0)
    schedule.ring(24.0)
    assert ready(schedule) == [4]
    schedule.ring(25.0)
    assert (ready(schedule), schedule.next_due) == ([2, 4], None)
    assert [schedule.take().waited for _ in range(2)] == [15.0, 0.0]


def test_a_resource_of_an_earlier_run_has_to_settle_also_where_nothing_of_it_is_made() -> None:
    schedule = Schedule()
    earlier = about(1, "consents/x")
    earlier.settles_at = 20.0
    schedule.settle(earlier)
    schedule.add(about(2, ""), 5.0)
    assert (ready(schedule), schedule.held) == ([], 1)
    schedule.ring(20.0)
    assert schedule.take().waited == 15.0


def test_a_change_of_an_earlier_run_that_is_behind_one_of_this_run_settles_with_it() -> None:
    schedule = Schedule()
    schedule.add(about(1, "attributes"))
    earlier = about(2, "attributes")
    earlier.settles_at = 20.0
    schedule.settle(earlier)
    assert schedule.next_due is None
    schedule.add(about(3, "attributes"), 5.0)
    taken = schedule.take()
    schedule.done(taken, 6.0)
    assert ready(schedule) == []
    schedule.ring(20.0)
    assert schedule.take().waited == 14.0


def test_what_is_to_be_sent_again_waits_for_its_time_and_is_drained_before() -> None:
    schedule = Schedule()
    for number in (1, 2, 3):
        schedule.add(about(number, f"consents/{number}"))
    for due in (30.0, 20.0):
        schedule.requeue_at(schedule.take(), due)
    assert schedule.next_due == 20.0
    schedule.ring(20.0)
    assert [schedule.take().number for _ in range(2)] == [3, 2]
    assert [item.number for item in schedule.drain()] == [1]
    left: tuple[int, float | None] = (schedule.held, schedule.next_due)
    assert left == (2, None)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_each_resource_goes_in_turn(seed: int) -> None:
    dice, schedule = random.Random(seed), Schedule()
    under_way: dict[str, WorkItem] = {}
    done: defaultdict[str, list[int]] = defaultdict(list)
    added = 0
    while added < 300 or schedule.held:
        move = dice.random()
        if move < 0.4 and added < 300:
            added += 1
            schedule.add(item(added, dice.choice("aaaabcdef")))
        elif move < 0.7 and schedule.has_ready:
            taken = schedule.take()
            assert taken.change.order_id not in under_way
            under_way[taken.change.order_id] = taken
        elif under_way:
            taken = under_way.pop(dice.choice(list(under_way)))
            if dice.random() < 0.3:
                schedule.requeue(taken)
            else:
                done[taken.change.order_id].append(taken.number)
                schedule.done(taken)
    assert sum(map(len, done.values())) == 300
    assert all(numbers == sorted(numbers) for numbers in done.values())
