"""The order of a batch: in turn for each resource, and nobody waits for another's."""

import random
from collections import defaultdict
from typing import Any

import pytest

from norce_order_async import DeleteConsent, Entry, PatchAttributes, PatchConsent
from norce_order_async.batch.items import Item
from norce_order_async.batch.schedule import Schedule


def item(number: int, order: str, *, size: int = 1, **scope: Any) -> Item:
    change = DeleteConsent(order, "c", **scope)
    return Item(number=number, entry=Entry(number, change, size=size), change=change)


def ready(schedule: Schedule) -> list[int]:
    return [one.number for one in schedule.ready]


def test_only_the_first_change_of_a_resource_is_ready() -> None:
    schedule = Schedule()
    for number, order in enumerate(["a", "a", "b", "a", "c"], 1):
        schedule.add(item(number, order))
    assert ready(schedule) == [1, 3, 5]


def test_the_next_of_a_resource_is_ready_when_the_one_before_is_done_and_goes_first() -> None:
    schedule = Schedule()
    for number, order in enumerate(["a", "a", "b", "c"], 1):
        schedule.add(item(number, order))
    schedule.done(schedule.ready.popleft())
    assert ready(schedule) == [2, 3, 4]


def test_a_change_that_names_the_merchant_that_is_sent_anyway_is_of_the_same_resource() -> None:
    schedule = Schedule()
    scopes: list[dict[str, Any]] = [{}, {"merchant": "m"}, {"channel": "1"}, {"merchant": "other"}]
    for number, scope in enumerate(scopes, 1):
        one = item(number, "a", **scope)
        one.scope = ("m", "1")
        schedule.add(one)
    assert ready(schedule) == [1, 4]


def test_a_change_that_was_put_back_keeps_its_resource() -> None:
    schedule = Schedule()
    for number in (1, 2):
        schedule.add(item(number, "a"))
    taken = schedule.ready.popleft()
    schedule.add(item(3, "a"))
    assert ready(schedule) == []
    schedule.put_back(taken)
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
        schedule.add(Item(number=number, entry=Entry(number, change), change=change))
    assert ready(schedule) == [1, 3]


def test_what_is_held_is_counted_until_it_is_done() -> None:
    schedule = Schedule()
    for number in (1, 2, 3):
        schedule.add(item(number, "a", size=10 * number))
    first = schedule.ready.popleft()
    assert (schedule.held, schedule.size) == (3, 60)
    schedule.done(first)
    assert (schedule.held, schedule.size) == (2, 50)


def test_drained_are_those_that_wait_in_the_order_of_the_input() -> None:
    schedule = Schedule()
    for number, order in enumerate(["a", "a", "b", "a", "c", "b"], 1):
        schedule.add(item(number, order))
    under_way = schedule.ready.popleft()
    assert [one.number for one in schedule.drain()] == [2, 3, 4, 5, 6]
    assert (schedule.held, schedule.size, ready(schedule)) == (1, 1, [])
    schedule.done(under_way)
    assert (schedule.held, schedule.size) == (0, 0)


def test_nothing_is_kept_of_what_is_done() -> None:
    schedule = Schedule()
    for number in range(1, 1_001):
        schedule.add(item(number, f"o_{number % 7}"))
    while schedule.ready:
        schedule.done(schedule.ready.popleft())
    assert schedule.held == schedule.size == 0
    assert not any(vars(schedule).values())


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_each_resource_goes_in_turn(seed: int) -> None:
    dice, schedule = random.Random(seed), Schedule()
    under_way: dict[str, Item] = {}
    done: defaultdict[str, list[int]] = defaultdict(list)
    added = 0
    while added < 300 or schedule.held:
        move = dice.random()
        if move < 0.4 and added < 300:
            added += 1
            schedule.add(item(added, dice.choice("aaaabcdef")))
        elif move < 0.7 and schedule.ready:
            taken = schedule.ready.popleft()
            assert taken.change.order_id not in under_way
            under_way[taken.change.order_id] = taken
        elif under_way:
            taken = under_way.pop(dice.choice(list(under_way)))
            if dice.random() < 0.3:
                schedule.put_back(taken)
            else:
                done[taken.change.order_id].append(taken.number)
                schedule.done(taken)
    assert sum(map(len, done.values())) == 300
    assert all(numbers == sorted(numbers) for numbers in done.values())
