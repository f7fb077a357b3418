"""The way back of a batch: what is read and kept before a change goes out, and what brings it back."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from undoing import journal_at, order_with, reads, run, saved, told, whole_order
from unknowns import CHANGES

from norce_order_async import OutcomeKind
from norce_order_async.batch import (
    Change,
    CreateConsent,
    DeleteConsent,
    DeleteValidation,
    Input,
    PatchAttributes,
    PatchConsent,
    PatchConsents,
    UpdateReference,
    UpdateValidation,
)
from norce_order_async.batch.lines import KINDS
from norce_order_async.batch.undo.ways import WAYS, never
from norce_order_async.models import Consent
from norce_order_async.testing import Fault, Sandbox
from norce_order_async.wire.models import Callback

NOT_TAKEN_BACK = {
    "create_hook", "create_notification", "create_order", "create_payment", "create_shipping", "create_validation",
    "add_payment_actions", "add_transaction", "delete_order", "execute_payment_action", "update_state",
}  # fmt: skip
"""Of the changes in CHANGES; the notification there has no id."""
APPLIED, NOT_SENT, UNKNOWN = OutcomeKind.APPLIED, OutcomeKind.NOT_SENT, OutcomeKind.UNKNOWN


async def there_and_back(sandbox: Sandbox, folder: Path, changes: Iterable[Change]) -> tuple[Any, Any, list[Any]]:
    """The order before a batch and after it was taken back, and how that ended."""
    before = told(sandbox.order("o_1"))
    with journal_at(folder / "j") as journal:
        await run(sandbox, changes, journal)
        assert told(sandbox.order("o_1")) != before
        saved(journal, folder)
    outcomes = await run(sandbox, Input(folder / "undo.jsonl"))
    return before, told(sandbox.order("o_1"), {"d", "b", "new"}), [outcome.outcome for outcome in outcomes]


# The table


def test_the_table_says_of_every_kind_how_it_is_taken_back() -> None:
    assert WAYS.keys() == KINDS.keys() == CHANGES.keys()
    assert all((way.never is None) == (way.part is not None) == (way.back is not None) for way in WAYS.values())
    assert {op for op, make in CHANGES.items() if never(make("o_1", "mark"))} == NOT_TAKEN_BACK


@pytest.mark.parametrize("op", sorted(CHANGES.keys() - NOT_TAKEN_BACK))
async def test_what_takes_a_change_back_brings_all_values_back(op: str, tmp_path: Path) -> None:
    before, after, outcomes = await there_and_back(order_with(), tmp_path, [CHANGES[op]("o_1", "mark")])
    assert outcomes == [APPLIED]
    assert after == before


@pytest.mark.parametrize("actions", [[], [{"id": "y", "adapterId": "b", "type": "cancel", "url": "https://a.example"}]])
async def test_a_payment_whose_actions_may_get_other_ids_comes_back_with_that_remark(
    actions: list[Any], tmp_path: Path
) -> None:
    payments = [{**payment, "actions": actions} for payment in whole_order("o_1")["payments"]]
    with journal_at(tmp_path / "j") as journal:
        await run(order_with(payments=payments), [CHANGES["update_payment"]("o_1", "mark")], journal)
        (line,), left = saved(journal, tmp_path)
    assert (line.get("_remark"), left) == ("its actions may get other ids" if actions else None, [])


@pytest.mark.parametrize("op", sorted(NOT_TAKEN_BACK))
async def test_what_cannot_be_taken_back_is_said_and_nothing_is_read_for_it(op: str, tmp_path: Path) -> None:
    sandbox, change = order_with(), CHANGES[op]("o_1", "mark")
    with journal_at(tmp_path / "j") as journal:
        await run(sandbox, [change], journal)
        back, (line,) = saved(journal, tmp_path)
    assert (back, line["_undoes"], line["_op"], line["_remark"]) == ([], 1, op, never(change))
    assert reads(sandbox) == 0
    (again,) = await run(sandbox, Input(tmp_path / "undo.left.jsonl"))
    assert again.outcome is NOT_SENT


@pytest.mark.parametrize(
    "changes",
    [
        [PatchConsent("o_1", "ci", checked=True), DeleteConsent("o_1", "ci")],
        [DeleteConsent("o_1", "ci"), DeleteConsent("o_1", "ci"), PatchConsent("o_1", "cj", checked=True)],
        [CreateConsent("o_1", Consent(id="new")), PatchConsents("o_1", {"new": True, "ci": True})],
        [CreateConsent("o_1", Consent(id="new")), DeleteConsent("o_1", "new"), CreateConsent("o_1", Consent(id="new"))],
        [DeleteConsent("o_1", "ci"), CreateConsent("o_1", Consent(id="ci", text="new"))],
        [UpdateValidation("o_1", "v", Callback(url="https://a.example")), DeleteValidation("o_1", "v")],
        [PatchAttributes("o_1", {"a": 1}), PatchAttributes("o_1", {"a": 2, "new": 3})],
        [UpdateReference("o_1", "one"), UpdateReference("o_1", "two")],
    ],
    ids=["patched-deleted", "deleted-twice", "created-patched", "created-again", "deleted-created",
         "replaced-deleted", "attributes", "twice"],
)  # fmt: skip
async def test_several_changes_of_one_thing_are_taken_back_in_reverse(changes: list[Change], tmp_path: Path) -> None:
    before, after, outcomes = await there_and_back(order_with(), tmp_path, changes)
    assert set(outcomes) == {APPLIED}
    assert after == before


async def test_what_was_new_and_is_gone_again_leaves_nothing_to_take_back(tmp_path: Path) -> None:
    new = CreateConsent("o_1", Consent(id="new")), PatchConsent("o_1", "new", checked=True), DeleteConsent("o_1", "new")
    with journal_at(tmp_path / "j") as journal:
        assert {outcome.outcome for outcome in await run(order_with(), new, journal)} == {APPLIED}
        assert saved(journal, tmp_path) == ([], [])


@pytest.mark.parametrize(
    ("faults", "taken_back", "stays"),
    [
        ([], [1], []),
        ([Fault.drop_after(operation="CreateCheckoutOrderConsent", times=1)], [1], []),
        (
            [
                Fault.status(400, operation="CreateCheckoutOrderConsent", times=1),
                Fault.drop_before(operation="PatchCheckoutOrderConsent", times=1),
            ],
            [],
            [2],
        ),
    ],
    ids=["made", "unknown", "refused"],
)
async def test_what_goes_with_a_new_part_is_taken_back_with_it(
    faults: list[Fault], taken_back: list[int], stays: list[int], tmp_path: Path
) -> None:
    sandbox = order_with()
    before = told(sandbox.order("o_1"))
    sandbox.faults.add(*faults)
    changes = [CreateConsent("o_1", Consent(id="new")), PatchConsent("o_1", "new", checked=True)]
    with journal_at(tmp_path / "j") as journal:
        await run(sandbox, changes, journal)
        back, left = saved(journal, tmp_path)
    assert [line["_undoes"] for line in back] == taken_back
    assert [line["_undoes"] for line in left] == stays
    await run(sandbox, Input(tmp_path / "undo.jsonl"))
    assert told(sandbox.order("o_1")) == before


async def test_what_is_made_again_after_others_deleted_it_is_not_taken_off(tmp_path: Path) -> None:
    sandbox, change = order_with(), PatchConsent("o_1", "ci", checked=True)
    with journal_at(tmp_path / "j") as journal:
        await run(sandbox, [change], journal)
        await run(sandbox, [DeleteConsent("o_1", "ci")])
        await run(sandbox, [change, CreateConsent("o_1", Consent(id="ci"))], journal)
        back, (left,) = saved(journal, tmp_path)
    assert [line["op"] for line in back] == ["patch_consent"]
    assert (left["_undoes"], left["_undo"]["op"]) == (2, "delete_consent")
    assert left["_remark"] == "the order had a consent ci before: to delete it could take that off"


async def test_what_perhaps_changed_nothing_does_not_stand_for_what_was_deleted_before(tmp_path: Path) -> None:
    sandbox = order_with()
    before = told(sandbox.order("o_1"))
    sandbox.faults.add(Fault.drop_before(operation="UpdateCheckoutOrderValidation", times=1))
    with journal_at(tmp_path / "j") as journal:
        changes = [DeleteValidation("o_1", "v"), UpdateValidation("o_1", "v", Callback(url="https://a.example"))]
        outcomes = await run(sandbox, changes, journal)
        assert [outcome.outcome for outcome in outcomes] == [APPLIED, UNKNOWN]
        saved(journal, tmp_path)
    await run(sandbox, Input(tmp_path / "undo.jsonl"))
    assert told(sandbox.order("o_1")) == before


async def test_what_is_to_be_made_once_more_is_taken_back_as_what_is_done(tmp_path: Path) -> None:
    sandbox = order_with()
    before = told(sandbox.order("o_1"))
    sandbox.faults.add(Fault.status(400, operation="PatchCheckoutOrderConsent", times=1))
    changes = [
        PatchConsent("o_1", "ci", checked=True), DeleteConsent("o_1", "ci"), CreateConsent("o_1", Consent(id="ci")),
    ]  # fmt: skip
    with journal_at(tmp_path / "j") as journal:
        await run(sandbox, changes, journal)
        journal.reopen([OutcomeKind.REJECTED], "norce", "1", once=True)
        assert saved(journal, tmp_path)[1] == []
    await run(sandbox, Input(tmp_path / "undo.jsonl"))
    assert told(sandbox.order("o_1")) == before
