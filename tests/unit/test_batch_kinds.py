"""Every change of the API as a value and as a line of a batch file."""

import inspect
import json
from pathlib import Path
from typing import Any, cast

import pytest
from endpoint_calls import CALLS, Given
from journals import end, mark, write
from support import scripted
from timeline import on_a_timeline, outcomes_of
from unknowns import CHANGES, ORDER

import norce_order_async
from norce_order_async import Attempt, InvalidRequestError, OutcomeKind, Verdict
from norce_order_async.batch import (
    AddPaymentActions,
    Batch,
    Change,
    CreateHook,
    CreateOrder,
    DeleteConsent,
    DeleteHook,
    Input,
    InputLine,
    Journal,
    Outcome,
    PatchAttributes,
    PatchConsent,
    PatchConsents,
    UpdateCart,
    UpdateReference,
    UpdateState,
    save_report,
)
from norce_order_async.batch.changes import members_of
from norce_order_async.batch.lines import KINDS, parse_change
from norce_order_async.batch.resolving import JournalResolver
from norce_order_async.core.settings import Timeout
from norce_order_async.endpoints.requested import requested
from norce_order_async.models import Cart, Hook, Order, PaymentAction
from norce_order_async.testing import FakeClock, Sandbox
from norce_order_async.wire.table import ROWS

CHANGING = [given for given in CALLS if ROWS[given.name].changes]
OP = {kind.operation: kind for kind in KINDS.values()}
HOOK = Hook(adapter_id="a", invoke="https://a.example")
UNKNOWN = OutcomeKind.UNKNOWN


def test_every_change_of_the_table_is_a_kind() -> None:
    assert {kind.operation for kind in KINDS.values()} == {row.name for row in ROWS.values() if row.changes}
    assert all(getattr(norce_order_async.batch, kind.__name__) is kind for kind in KINDS.values())


@pytest.mark.parametrize("given", CHANGING, ids=[given.name for given in CHANGING])
async def test_a_kind_takes_and_sends_what_its_endpoint_function_does(given: Given) -> None:
    kind, row = OP[given.name], ROWS[given.name]
    assert kind.op == given.function.__name__
    assert (kind.not_twice is None) == (row.repeat == "safe")
    left_out = ("client", "options", "merchant", "channel")
    parameters = [name for name in inspect.signature(given.function).parameters if name not in left_out]
    assert [name for name in members_of(kind) if name not in left_out] == parameters
    change = kind(**given.arguments)
    client, transport, _ = scripted(given.response)
    receipt = await change.apply(client)
    (request,) = transport.requests
    assert (receipt.operation, receipt.outcome, receipt.attempts) == (given.name, OutcomeKind.APPLIED, 1)
    assert request.url.endswith(given.target)
    assert (None if request.body is None else json.loads(request.body)) == given.body


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_a_line_of_a_report_is_the_same_change(tmp_path: Path, kind: str, format: Any) -> None:
    change = CHANGES[kind]("o_1", 'a "mark", or two')
    path = tmp_path / f"failed.{format}"
    save_report([Outcome(number=1, line=1, change=change, outcome=OutcomeKind.NOT_SENT)], path)
    (entry,) = Input(path)
    assert (entry.problem, requested_of(entry.change)) == (None, requested_of(change))
    assert entry.change is not None
    assert (type(entry.change), entry.change.resource) == (type(change), change.resource)


def requested_of(change: Change | None) -> Any:
    return None if change is None else requested(change)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ({"op": "update_cart", "order_id": "o"}, "update_cart needs cart"),
        ({"op": "update_cart", "order_id": "o", "cart": []}, "cart must be an object, got list"),
        ({"op": "update_cart", "order_id": "o", "cart": {"itmes": []}}, "cart.itmes: there is no such member"),
        (
            {"op": "update_cart", "order_id": "o", "cart": {"items": [{"discounts": [{"cod": "x"}]}]}},
            "cart.items[0].discounts[0].cod: there is no such member",
        ),
        (
            {"op": "update_cart", "order_id": "o", "cart": {"items": [{"quantity": 1.5}]}},
            "cart.items[0].quantity: expected an integer, got 1.5",
        ),
        ({"op": "delete_hook", "order_id": "o", "hook_id": "a/b"}, "hook_id"),
        ({"op": "delete_hook", "order_id": "o", "hook_id": 3}, "hook_id must be a str, got int"),
        ({"op": "delete_order", "order_id": "o", "hook_id": "h"}, "delete_order does not take 'hook_id'"),
        ({"op": "update_reference", "order_id": "o", "reference": 3}, "reference must be a str, got int"),
        ({"op": "update_state", "order_id": "o", "status": "gone"}, "status must be one of checkout, processing"),
        ({"op": "patch_consents", "order_id": "o", "checked": {"a": 1}}, "checked['a'] must be a bool, got int"),
        ({"op": "patch_consents", "order_id": "o", "checked": {}}, "checked"),
        ({"op": "create_shipping", "order_id": "o", "shipping": {}}, "shipping.total: it is required"),
        ({"op": "add_payment_actions", "order_id": "o", "payment_id": "p", "actions": {}}, "actions must be a list"),
        ({"op": "create_order", "order": {}, "order_id": "o"}, "create_order does not take 'order_id'"),
        ({"op": "delete_hooks", "order_id": "o"}, "op 'delete_hooks' is none of delete_hook,"),
    ],
)
def test_what_is_wrong_with_a_line_is_said(line: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        parse_change(line)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: UpdateCart("o", {"items": []}), "cart must be a Cart, got dict"),  # type: ignore[arg-type]
        (lambda: AddPaymentActions("o", "p", [HOOK]), r"actions\[0\] must be a PaymentAction, got Hook"),  # type: ignore[list-item]
        (lambda: CreateHook("o/p", HOOK), "order_id"),
        (lambda: UpdateReference("o", 1001), "reference must be a str, got int"),  # type: ignore[arg-type]
        (lambda: UpdateReference("o", "\ud800"), "reference holds a lone surrogate"),
        (lambda: UpdateState("o", 5), "status must be a str, got int"),  # type: ignore[arg-type]
        (lambda: PatchConsents("o", {"a": 1}), r"checked\['a'\] must be a bool, got int"),  # type: ignore[dict-item]
        (lambda: PatchConsents("o", {5: True}), "an id in checked must be a str, got int"),  # type: ignore[dict-item]
        (lambda: PatchConsents("o", {"a/b": True}), "an id in checked"),
        (lambda: PatchConsents("o", {}), "checked must be an object with at least one member"),
        (lambda: PatchAttributes("o", []), "attributes must be an object with at least one member"),  # type: ignore[arg-type]
    ],
)
def test_what_is_wrong_with_a_value_is_said(make: Any, says: str) -> None:
    with pytest.raises((TypeError, InvalidRequestError), match=says):
        make()


@pytest.mark.parametrize("cart", [Cart(reference=cast("str", 123)), cast("Cart", {"reference": "x"})])
async def test_an_order_that_cannot_be_sent_ends_its_own_line_alone(cart: Cart) -> None:
    client, origin, _ = on_a_timeline()
    changes = [CreateOrder(Order(culture="sv-SE", currency="SEK", cart=cart)), DeleteConsent("o_1", "c")]
    outcomes = {outcome.line: outcome for outcome in await outcomes_of(Batch(client, changes, once=True))}
    assert (outcomes[1].outcome, outcomes[1].error) == ("not_sent", "InvalidRequestError")
    assert outcomes[2].outcome == "applied"
    assert len(origin.sent) == 1


async def test_what_is_used_again_for_the_next_change_is_kept_as_it_was() -> None:
    attributes: dict[str, Any] = {}
    checked: dict[str, bool] = {}
    actions: list[PaymentAction] = []
    changes: list[Change] = []
    for number in (1, 2):
        attributes["n"], checked[f"ci_{number}"] = number, True
        actions.append(PaymentAction(id=f"a_{number}"))
        changes += PatchAttributes("o", attributes), PatchConsents("o", checked), AddPaymentActions("o", "p", actions)
    records = [change.record() for change in changes]
    assert [record["attributes"] for record in records[::3]] == [{"n": 1}, {"n": 2}]
    assert [record["checked"] for record in records[1::3]] == [{"ci_1": True}, {"ci_1": True, "ci_2": True}]
    assert [len(record["actions"]) for record in records[2::3]] == [1, 2]


def test_changes_nest_in_the_order_as_their_paths_do() -> None:
    resources = {kind: make("o_1", "x").resource for kind, make in CHANGES.items()}
    assert resources["update_state"] == resources["delete_order"] == ""
    assert resources["patch_consents"] == resources["create_consent"] == "consents"
    assert resources["update_billing_address"] == "customer/billing"
    assert (resources["update_payment"], resources["execute_payment_action"]) == ("payments/p", "payments/q")
    assert resources["add_transaction"] == "payments/q/transactions"


async def run(batch: Batch) -> list[tuple[OutcomeKind, str | None]]:
    async with batch:
        outcomes = [outcome async for outcome in batch]
    return [(outcome.outcome, outcome.message) for outcome in sorted(outcomes, key=lambda one: one.number)]


def opened(path: Path) -> Journal:
    return Journal.open(path / "journal", inputs=(), target="t")


async def test_what_is_not_safe_to_repeat_is_refused() -> None:
    client, transport, _ = scripted(200)
    (hook, reference) = await run(Batch(client, [CreateHook("o_1", HOOK), UpdateReference("o_1", "x")]))
    assert hook[0] is OutcomeKind.NOT_SENT
    assert "create_hook is not safe to repeat (a second one is called twice)" in (hook[1] or "")
    assert (reference[0], len(transport.requests)) == (OutcomeKind.APPLIED, 1)


@pytest.mark.parametrize("only", [None, [OutcomeKind.UNKNOWN, OutcomeKind.NOT_SENT]])
async def test_what_is_made_once_is_never_sent_again(tmp_path: Path, only: Any) -> None:
    changes = [CreateHook("o_1", HOOK), UpdateState("o_1", "accepted"), DeleteHook("o_1", "hook")]
    client, transport, _ = scripted(502, 409, 200)
    with opened(tmp_path) as journal:
        assert [kind for kind, _ in await run(Batch(client, changes, journal=journal, once=True))] == [
            UNKNOWN, OutcomeKind.REJECTED, OutcomeKind.APPLIED,
        ]  # fmt: skip
        assert (journal.summary().not_again, len(transport.requests)) == (1, 3)
    with opened(tmp_path) as journal:
        assert not await run(Batch(client, changes, journal=journal, once=True, only=only))
    assert len(transport.requests) == 3


async def test_what_is_not_made_again_for_lack_of_once_stays_as_it_was(tmp_path: Path) -> None:
    changes = [UpdateState("o_1", "accepted"), UpdateReference("o_1", "x")]
    client, transport, _ = scripted(409, 200)
    with opened(tmp_path) as journal:
        await run(Batch(client, changes, journal=journal, once=True))
        before = list(journal.rows())
    only = [OutcomeKind.REJECTED]
    with opened(tmp_path) as journal:
        assert not await run(Batch(client, changes, journal=journal, only=only))
        assert list(journal.rows()) == before
        assert journal.summary().to_make_again(only) == (only, True)
    assert len(transport.requests) == 2


async def test_what_a_killed_run_may_have_sent_is_made_once(tmp_path: Path) -> None:
    changes: list[Change] = [CreateHook("o_1", HOOK), UpdateReference("o_1", "x")]
    client, transport, _ = scripted(200)
    with opened(tmp_path) as journal:
        write(journal, [mark(number, change) for number, change in enumerate(changes, 1)], [], once=[1])
    with opened(tmp_path) as journal:
        assert await run(Batch(client, changes, journal=journal, once=True)) == [(OutcomeKind.APPLIED, None)]
        journal.end()
        summary = journal.summary()
    assert (summary.outcomes[UNKNOWN], summary.not_again, summary.unfinished) == (1, 1, 0)
    assert [request.call.operation for request in transport.requests] == ["UpdateCheckoutOrderReference"]


async def test_what_another_worker_was_lost_with_is_not_made_again() -> None:
    client, transport, _ = scripted(200)
    entry = InputLine(1, CreateHook("o_1", HOOK), redelivered=True)
    ((outcome, _),) = await run(Batch(client, [entry], once=True))
    assert (outcome, len(transport.requests)) == (UNKNOWN, 0)


async def test_what_was_made_once_is_not_reopened_by_what_is_made_again_before_it(tmp_path: Path) -> None:
    changes: list[Change] = [PatchConsent("o_1", "ci", checked=True), UpdateState("o_1", "accepted")]
    client, transport, _ = scripted(400, 200)
    with opened(tmp_path) as journal:
        await run(Batch(client, changes, journal=journal, once=True))
    with opened(tmp_path) as journal:
        await run(Batch(client, changes, journal=journal, once=True, only=[OutcomeKind.REJECTED]))
    assert [request.call.operation for request in transport.requests].count("UpdateCheckoutOrderState") == 1


async def test_a_journal_lets_go_of_what_was_written_once_it_is_done(tmp_path: Path) -> None:
    client, _, _ = scripted(200, 400)
    changes = [CHANGES["update_billing_address"]("o_1", "Secret"), CHANGES["update_cart"]("o_1", "Cart")]
    with opened(tmp_path) as journal:
        await run(Batch(client, changes, journal=journal))
        done, failed = journal.rows()
    assert done.record == {"op": "update_billing_address", "order_id": "o_1"}
    assert failed.record == changes[1].record()


Lines = list[tuple[Change, OutcomeKind, bool]]
"""Changes, how each has ended, and whether it was carried out."""


async def resolved(folder: Path, lines: Lines) -> tuple[JournalResolver, list[OutcomeKind | None], Sandbox]:
    """What becomes of a batch that has ended so."""
    clock = FakeClock()
    sandbox = Sandbox(wall=clock.wall)
    for order_id in ("o_1", "o_2"):
        sandbox.add_order(order_id, **ORDER)
    entries = [InputLine(number, change) for number, (change, _, _) in enumerate(lines, 1)]
    settings: dict[str, Any] = {"timeout": Timeout(attempt=5.0), "clock": clock}
    async with sandbox.client(**settings) as client:
        with opened(folder) as journal:
            for number, (change, outcome, is_carried_out) in enumerate(lines, 1):
                clock.now += 60
                if is_carried_out:
                    await change.apply(client)
                write(journal, [mark(number, change, started=clock.wall())], [])
                write(journal, [], [end(number, outcome, change, started=clock.wall())])
            resolver = JournalResolver(client, journal, lambda: entries)
            await resolver.run()
            rows = list(journal.rows())
    assert all((row.evidence is not None) == (lines[row.number - 1][1] is UNKNOWN) for row in rows)
    return resolver, [row.outcome for row in rows], sandbox


async def test_an_order_of_before_may_be_that_of_an_earlier_call(tmp_path: Path) -> None:
    clock, change = FakeClock(), CreateOrder(Order(cart=Cart(reference="c")))
    sandbox = Sandbox(wall=clock.wall)
    async with sandbox.client(clock=clock) as client:
        await change.apply(client)
        clock.now += 60
        with opened(tmp_path) as journal:
            write(journal, [mark(1, change, started=clock.wall())], [])
            write(journal, [], [end(1, UNKNOWN, change, started=clock.wall())])
            await JournalResolver(client, journal, lambda: [InputLine(1, change, redelivered=True)]).run()
            assert [row.outcome for row in journal.rows()] == [UNKNOWN]


async def test_what_is_not_applied_goes_out_again_with_what_followed_it(tmp_path: Path) -> None:
    lines: Lines = [
        (PatchAttributes("o_1", {"a": 1}), UNKNOWN, False),
        (PatchAttributes("o_1", {"b": 2}), OutcomeKind.REJECTED, False),
        (UpdateReference("o_1", "x"), OutcomeKind.REJECTED, False),
        (PatchAttributes("o_2", {"a": 3}), UNKNOWN, True),
        (UpdateReference("o_2", "y"), UNKNOWN, False),
        (UpdateReference("o_2", "z"), OutcomeKind.APPLIED, True),
    ]
    resolver, outcomes, sandbox = await resolved(tmp_path, lines)
    applied, rejected = OutcomeKind.APPLIED, OutcomeKind.REJECTED
    assert outcomes == [applied, applied, rejected, applied, UNKNOWN, applied]
    first, second = sandbox.order("o_1"), sandbox.order("o_2")
    assert first is not None
    assert second is not None
    assert (first["attributes"], first["reference"]) == ({"a": 1, "b": 2}, "before")
    assert (second["attributes"], second["reference"]) == ({"a": 3}, "z")
    assert (resolver.made_again, dict(resolver.verdicts)) == (
        2, {Verdict.NOT_APPLIED: 1, Verdict.APPLIED: 1, Verdict.CANNOT_TELL: 1},
    )  # fmt: skip


async def test_what_is_made_once_is_looked_at_and_stays_made_once(tmp_path: Path) -> None:
    other = CreateHook("o_2", Hook(adapter_id="b", invoke="https://a.example"))
    lines: Lines = [
        (CreateHook("o_1", HOOK), UNKNOWN, False),
        (CreateHook("o_2", HOOK), UNKNOWN, True),
        (CreateHook("o_2", HOOK), UNKNOWN, False),
        (other, UNKNOWN, True),
    ]
    resolver, outcomes, _ = await resolved(tmp_path, lines)
    assert outcomes == [OutcomeKind.NOT_SENT, UNKNOWN, UNKNOWN, OutcomeKind.APPLIED]
    assert resolver.made_again == 0


async def test_orders_that_are_created_are_told_apart(tmp_path: Path) -> None:
    make = CHANGES["create_order"]
    lines: Lines = [(make("", "c1"), UNKNOWN, False), (make("", "c2"), UNKNOWN, True), (make("", "c3"), UNKNOWN, False)]
    _, outcomes, _ = await resolved(tmp_path, lines)
    assert outcomes == [OutcomeKind.NOT_SENT, OutcomeKind.APPLIED, OutcomeKind.NOT_SENT]


async def test_what_an_ended_run_had_under_way_has_one_settling_time_together(tmp_path: Path) -> None:
    clock, sandbox = FakeClock(), Sandbox()
    sandbox.add_order("o_1", **ORDER)
    changes = [CHANGES["create_payment"]("o_1", f"lost {number}") for number in range(5)]
    with opened(tmp_path) as journal:
        write(journal, [mark(number, change, started=clock.wall()) for number, change in enumerate(changes, 1)], [])
    async with sandbox.client(clock=clock) as client:
        with opened(tmp_path) as journal:
            await JournalResolver(
                client, journal, lambda: list(map(InputLine, range(1, 6), changes)), settle=15.0
            ).run()
            assert {row.outcome for row in journal.rows()} == {OutcomeKind.NOT_SENT}
    assert sum(clock.slept) == 15.0


def test_an_attempt_of_an_earlier_version_has_no_wall_time() -> None:
    assert Attempt(1, 0.0).at is None
    assert CreateOrder(Order()).order_id == ""
