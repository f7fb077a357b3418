"""Which orders a plan changes, and what is told of the others."""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from norce_order_async import ConfigurationError, DecodeError, InvalidRequestError
from norce_order_async.batch import read_changes
from norce_order_async.batch.conditions import (
    Condition,
    consent_is,
    created_before,
    created_from,
    in_states,
    of_shop,
)
from norce_order_async.batch.files.json_lines import entries
from norce_order_async.batch.files.layout import InputLayout
from norce_order_async.batch.files.source import Source
from norce_order_async.batch.plan import IgnoredFilterError, Plan, read_into
from norce_order_async.cli.plan_lines import NOT_WHOLE, blocks
from norce_order_async.models import Order
from norce_order_async.wire.codec import structure

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
CHECKOUT = {"state": {"currentStatus": "checkout"}}
NO_STATE, NO_TIME, NO_CONSENT = "no state that can be read", "no created that can be read", "consent ci cannot be read"


def order(**members: Any) -> Order:
    return structure({"id": "o_1", **members}, Order)


def consents(*pairs: tuple[str, Any]) -> dict[str, Any]:
    return {"consents": [{"id": name, "checked": checked} for name, checked in pairs]}


@pytest.mark.parametrize(
    ("condition", "members", "reason"),
    [
        (in_states(["checkout"]), CHECKOUT, None),
        (in_states(["checkout"]), {"state": {"currentStatus": "Checkout"}}, None),
        (in_states(["checkout", "accepted"]), {"state": {"currentStatus": "accepted"}}, None),
        (in_states(["checkout"]), {"state": {"currentStatus": "checkouts"}}, "not in state checkout"),
        (in_states(["checkout"]), {}, NO_STATE),
        (in_states(["checkout"]), {"state": None}, NO_STATE),
        (in_states(["checkout"]), {"state": {}}, NO_STATE),
        (in_states(["checkout"]), {"state": "checkout"}, NO_STATE),
        (in_states(["checkout"]), {"state": {"currentStatus": 1}}, NO_STATE),
        (created_before(NOON), {"created": "2026-01-02T11:59:59.999Z"}, None),
        (created_before(NOON), {"created": "2026-01-02T12:59:59+01:00"}, None),
        (created_before(NOON), {"created": "2026-01-02T12:00:00Z"}, f"created at {NOON.isoformat()} or later"),
        (created_before(NOON), {"created": "yesterday"}, NO_TIME),
        (created_before(NOON), {"lastModified": "2026-01-01T12:00:00Z"}, NO_TIME),
        (created_from(NOON), {"created": "2026-01-02T12:00:00"}, None),
        (created_from(NOON), {"created": "2026-01-02T11:59:59Z"}, f"created before {NOON.isoformat()}"),
        (created_from(NOON), {"created": None}, NO_TIME),
        (consent_is("ci", "true"), consents(("other", False), ("ci", True)), None),
        (consent_is("ci", "true"), consents(("ci", False)), "consent ci is false"),
        (consent_is("ci", "true"), consents(("CI", True)), "consent ci is absent"),
        (consent_is("ci", "true"), consents(("ci", None)), NO_CONSENT),
        (consent_is("ci", "true"), consents(("ci", "true")), NO_CONSENT),
        (consent_is("ci", "true"), consents(("ci", True), ("ci", False)), NO_CONSENT),
        (consent_is("ci", "false"), consents(("ci", False)), None),
        (consent_is("ci", "absent"), {"consents": []}, None),
        (consent_is("ci", "absent"), consents(("ci", False)), "consent ci is false"),
        (consent_is("ci", "absent"), {}, NO_CONSENT),
        (consent_is("ci", "absent"), {"consents": None}, NO_CONSENT),
        (consent_is("ci", "absent"), {"consents": [7]}, NO_CONSENT),
        (consent_is("ci", "absent"), {"consents": [{"checked": True}]}, NO_CONSENT),
        (of_shop("a", "1"), {}, None),
        (of_shop("a", "1"), {"merchant": "A", "channel": "1"}, None),
        (of_shop("a", "1"), {"merchant": "a", "channel": "2"}, "of another merchant or channel"),
    ],
)
def test_an_order_is_held_against_a_condition(
    condition: Condition, members: dict[str, Any], reason: str | None
) -> None:
    assert condition.reason(order(**members)) == reason


async def listed(*orders: Order | DecodeError) -> AsyncIterator[Order | DecodeError]:
    for each in orders:
        yield each


def in_state(number: int, state: str = "checkout", **members: Any) -> Order:
    return structure({"id": f"o_{number}", "state": {"currentStatus": state}, **members}, Order)


async def read(
    plan: Plan,
    *orders: Order | DecodeError,
    conditions: tuple[Condition, ...] = (in_states(["checkout"]),),
    check: Callable[[str], object] = str,
    allow_ignored: bool = False,
) -> None:
    await read_into(plan, listed(*orders), conditions, check, allow_ignored=allow_ignored)


async def test_a_plan_has_each_order_once_in_the_order_of_the_list_as_it_came_first() -> None:
    plan = Plan()
    far = [in_state(number) for number in range(100, 2_000)]
    await read(
        plan, in_state(3), in_state(1), in_state(2, "removed"), in_state(4), *far,
        in_state(1), in_state(3, "removed"), in_state(2), DecodeError("no order"),
    )  # fmt: skip
    assert list(plan.orders()) == ["o_3", "o_1", "o_4", *(each.id for each in far)]
    assert plan.counts() == (1_903, {"not in state checkout": 1})
    assert (plan.read, plan.unreadable, plan.against) == (1_908, 1, {"status": 2})
    plan.close()


async def test_an_id_that_cannot_be_sent_is_counted_and_not_planned() -> None:
    def check(order_id: str) -> None:
        if not order_id.isalnum():
            raise InvalidRequestError(order_id)

    plan = Plan()
    await read(plan, *(order(id=name, **CHECKOUT) for name in ("a", "a/b", "\ud800")), check=check)
    assert list(plan.orders()) == ["a"]
    assert plan.counts() == (1, {"an id that cannot be sent": 2})
    plan.close()


@pytest.mark.parametrize(
    ("fits", "against", "first", "stops"),
    [
        (0, 9, 0, None),
        (0, 10, 0, 10),
        (0, 500, 0, 10),
        (90, 10, 90, None),  # a tenth, as of orders that change while they are read
        (90, 11, 90, 101),
        (1_000, 100, 1_000, None),
        (5, 95, 5, 15),
    ],
)
async def test_a_filter_that_is_clearly_ignored_stops_a_plan(
    fits: int, against: int, first: int, stops: int | None
) -> None:
    orders = [in_state(number, "checkout" if number < first else "removed") for number in range(fits + against)]
    plan = Plan()
    if stops is None:
        await read(plan, *orders)
    else:
        with pytest.raises(IgnoredFilterError, match=f"of the first {stops} orders do not fit the filter 'status'"):
            await read(plan, *orders)
    assert plan.read == (stops or fits + against)
    plan.close()
    plan = Plan()
    await read(plan, *orders, allow_ignored=True)
    assert (plan.counts()[0], plan.against["status"]) == (fits, against)
    plan.close()


@pytest.mark.parametrize(
    ("condition", "members"),
    [
        (in_states(["checkout"]), {}),  # nothing that shows which state was meant
        (created_before(NOON), {"created": "2026-02-01T00:00:00Z"}),  # the list is not asked for it
        (created_from(NOON), {"created": "2026-01-01T00:00:00Z", "lastModified": "2026-02-01T00:00:00Z"}),
        (consent_is("ci", "true"), {}),
    ],
)
async def test_what_the_service_may_have_understood_otherwise_is_no_ignored_filter(
    condition: Condition, members: dict[str, Any]
) -> None:
    plan = Plan()
    await read(plan, *(order(**members | {"id": f"o_{number}"}) for number in range(50)), conditions=(condition,))
    assert (plan.counts()[0], plan.read) == (0, 50)
    plan.close()


def test_what_stands_in_place_of_a_plan_that_failed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.jsonl"
    path.write_bytes(NOT_WHOLE)
    (entry,) = read_changes(path)
    assert entry.change is None
    with pytest.raises(ConfigurationError, match="ended inside line 1"):
        list(entries(Source(str(path), "jsonl", checksums=True), InputLayout()))


def test_wherever_a_pipe_is_cut_its_reader_finds_a_line_that_is_cut_off() -> None:
    random = Random(0)
    records: list[Any] = [{"op": "x" * random.randrange(1, 700), "attributes": {"a": {"b": {}}}} for _ in range(300)]
    deep: Any = {}
    for _ in range(600):
        deep = {"": deep}
    lines = [json.dumps(record, separators=(",", ":")).encode() + b"\n" for record in (*records, deep)]
    written_blocks = list(blocks(lines))
    assert b"".join(written_blocks) == b"".join(lines)
    assert max(map(len, written_blocks)) <= 512  # what POSIX writes to a pipe whole or not at all
    written = b""
    for block in written_blocks[:-1]:
        written += block
        last = written.rpartition(b"\n")[2]
        with pytest.raises(json.JSONDecodeError):
            json.loads(last)
    assert list(blocks([])) == []
