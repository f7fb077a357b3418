"""What a batch reads before a change goes out, keeps, and gives back as it was."""

import json
from pathlib import Path
from typing import Any

import pytest
from journals import begin, mark, write
from support import execute
from timeline import Answer, Sent, Timeline, on_a_timeline, outcomes_of, until_it_fails
from undoing import journal_at, order_with, reads, run, saved, told

from norce_order_async import ConfigurationError, OutcomeKind
from norce_order_async.batch import (
    Change,
    CreateConsent,
    DeleteConsent,
    DeleteOrder,
    Input,
    InputLine,
    PatchAttributes,
    PatchConsent,
    UpdateCart,
    UpdateReference,
    save_report,
    save_undo,
    write_html_report,
)
from norce_order_async.batch.processes import ProcessBatch
from norce_order_async.batch.resolving import JournalResolver
from norce_order_async.batch.run import Batch
from norce_order_async.core.errors import ReadTimeout
from norce_order_async.models import Consent
from norce_order_async.testing import Fault
from norce_order_async.wire.models import Cart

APPLIED, NOT_SENT, UNKNOWN = OutcomeKind.APPLIED, OutcomeKind.NOT_SENT, OutcomeKind.UNKNOWN


# What is read, and when


async def test_the_old_value_is_in_the_journal_before_the_first_request_goes_out(tmp_path: Path) -> None:
    path, seen = tmp_path / "j", list[Any]()

    def answer(sent: Sent) -> Answer:
        if sent.method == "GET":
            return 200, {"content-type": "application/json"}, b'{"id":"o_1","reference":"before"}'
        seen.append(execute(path, "SELECT value, json_extract(record, '$.reference') FROM old_values, undo"))
        return 200

    client, _, _ = on_a_timeline(answer)
    with journal_at(path) as journal:
        await outcomes_of(Batch(client, [UpdateReference("o_1", "after")], journal=journal))
    assert seen == [[('"before"', "before")]]


async def test_each_part_is_read_once_and_reads_are_requests_of_no_change(tmp_path: Path) -> None:
    sandbox = order_with()
    changes = [PatchConsent("o_1", name, checked=True) for name in ("ci", "cj", "ck")] * 3
    with journal_at(tmp_path / "j") as journal:
        await run(sandbox, [*changes, PatchAttributes("o_1", {"a": 1}), PatchAttributes("o_1", {"b": 1})], journal)
        summary = journal.summary()
    assert reads(sandbox) == 2
    assert (summary.requests, summary.retried) == (sandbox.count, 0) == (13, 0)


async def test_the_first_value_counts_also_for_later_runs_after_a_lost_answer(tmp_path: Path) -> None:
    sandbox = order_with()
    change = PatchAttributes("o_1", {"a": "after"})
    sandbox.faults.add(Fault.drop_after(operation="PatchCheckoutOrderAttributes", times=3))
    with journal_at(tmp_path / "j") as journal:
        (outcome,) = await run(sandbox, [change], journal)
        assert (outcome.outcome, told(sandbox.order("o_1"))["attributes"]) == (UNKNOWN, {"a": "after"})
        assert saved(journal, tmp_path)[0][0]["_outcome"] == "unknown"
    with journal_at(tmp_path / "j") as journal:
        (outcome,) = await run(sandbox, [change], journal, only={UNKNOWN})
        ((back,), left) = saved(journal, tmp_path)
    assert (outcome.outcome, back["attributes"], left, reads(sandbox)) == (APPLIED, {"a": "before"}, [], 1)


async def test_a_mark_without_an_old_value_says_that_nothing_was_sent(tmp_path: Path) -> None:
    sandbox = order_with()
    change = PatchAttributes("o_1", {"a": "after"})
    entry = InputLine(1, change)
    with journal_at(tmp_path / "j") as journal:
        write(journal, [mark(1, change)], [])
    sandbox.faults.add(Fault.status(400, operation="PatchCheckoutOrderAttributes", times=1))
    with journal_at(tmp_path / "j") as journal:
        (outcome,) = await run(sandbox, [entry], journal)
    assert outcome.outcome is OutcomeKind.REJECTED  # and not unknown


async def test_what_may_have_been_made_before_is_not_taken_back(tmp_path: Path) -> None:
    sandbox = order_with(attributes={"a": "written by us, perhaps"})
    redelivered = InputLine(1, PatchAttributes("o_1", {"a": 1}), redelivered=True)
    with journal_at(tmp_path / "j") as journal:
        await run(sandbox, [redelivered, InputLine(2, PatchAttributes("o_1", {"a": 2}))], journal)
        back, left = saved(journal, tmp_path)
    assert (back, reads(sandbox)) == ([], 0)
    assert {line["_remark"] for line in left} == {"it may have been made before, so that nobody knows what was there"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (404, "NotFoundError"),
        (400, "BadRequestError"),
        ((200, {"content-type": "application/json"}, b"[]"), "DecodeError"),
        ((200, {"content-type": "application/json"}, b'{"id":"o_2"}'), "DecodeError"),
        ((200, {"content-type": "application/json"}, b'{"id":"o_1","attributes":{"a":1,"a":2}}'), "DecodeError"),
        (ReadTimeout("no answer", sent=True), "ReadTimeout"),
    ],
    ids=["gone", "refused", "list", "other", "twice", "silent"],
)
async def test_a_change_whose_old_value_cannot_be_read_is_not_sent(answer: Answer, error: str, tmp_path: Path) -> None:
    client, origin, _ = on_a_timeline(lambda sent: answer if sent.order == "o_1" else 200)
    with journal_at(tmp_path / "j") as journal:
        changes = [PatchAttributes("o_1", {"a": 1}), PatchAttributes("o_1", {"a": 2})]
        outcomes = await outcomes_of(Batch(client, changes, journal=journal, settle=0.0, patience=30.0))
        assert saved(journal, tmp_path) == ([], [])
        assert journal.summary().requests == len(origin.sent)
    assert {sent.method for sent in origin.sent} == {"GET"}
    assert [(outcome.outcome, outcome.error) for outcome in outcomes] == [(NOT_SENT, error)] * 2
    assert str(outcomes[0].message).startswith("what was there before could not be read: ")


async def test_reads_keep_to_the_rate(tmp_path: Path) -> None:
    def answer(sent: Sent) -> Answer:
        return 200, {"content-type": "application/json"}, b'{"id":"%s"}' % sent.order.encode()

    client, origin, _ = on_a_timeline(answer)
    changes = [PatchAttributes(f"o_{number}", {"a": 1}) for number in range(10)]
    with journal_at(tmp_path / "j") as journal:
        await outcomes_of(Batch(client, changes, journal=journal, rate=10.0))
    times = sorted(sent.at for sent in origin.sent)
    assert len(times) == 20
    assert times[-1] - times[0] > 1.8


# What was there, as it was


async def test_attributes_go_back_as_they_came(tmp_path: Path) -> None:
    raw = '{"a":1.50,"b":{"x":[100,"ö",null,{"y":0.1000000000000000000001}]},"c":null,"d":"\\u2028"}'

    def answer(sent: Sent) -> Answer:
        if sent.method != "GET":
            return 200
        return 200, {"content-type": "application/json"}, f'{{"id":"o_1","attributes":{raw}}}'.encode()

    client, _, _ = on_a_timeline(answer)
    with journal_at(tmp_path / "j") as journal:
        await outcomes_of(Batch(client, [PatchAttributes("o_1", dict.fromkeys("abcd", 0))], journal=journal))
        saved(journal, tmp_path)
    client, origin, _ = on_a_timeline()
    await outcomes_of(Batch(client, Input(tmp_path / "undo.jsonl")))
    assert origin.sent[0].request.body == raw.replace("\\u2028", "\u2028").encode()


@pytest.mark.parametrize(
    ("members", "change", "remark"),
    [
        ({"cart": {"colour": "red"}}, UpdateCart("o_1", Cart()), "cart.colour: there is no such member"),
        ({"cart": {"items": "none"}}, UpdateCart("o_1", Cart()), "cart.items: expected an array, got a string"),
        ({"cart": None}, UpdateCart("o_1", Cart()), "there was none before, and no operation takes it off"),
        ({"reference": None}, UpdateReference("o_1", "x"), "there was none before, and no operation takes it off"),
        ({"reference": 5}, UpdateReference("o_1", "x"), "reference must be a str, got int"),
        ({"attributes": []}, PatchAttributes("o_1", {"a": 1}), "the order's attributes were no object, but list"),
        ({"consents": {}}, DeleteConsent("o_1", "ci"), "the order's consents were no list, but dict"),
        ({"consents": [1]}, DeleteConsent("o_1", "ci"), "the order's consents held something else than objects"),
        (
            {"consents": [{"id": "ci"}, {"id": "ci"}]},
            DeleteConsent("o_1", "ci"),
            "the order had 2 consents of the id ci",
        ),
        (
            {"consents": [{"id": "ci", "checked": "yes"}]},
            PatchConsent("o_1", "ci", checked=True),
            "the consent ci was neither checked nor unchecked, and cannot be set to that",
        ),
        (
            {"consents": [{"id": "ci", "text": 5}]},
            DeleteConsent("o_1", "ci"),
            "what was there before cannot be sent as it was: see consent",
        ),
        (
            {"consents": []},
            PatchConsent("o_1", "ci", checked=True),
            "the order had no consent ci: whatever the API makes of that stays",
        ),
        (
            {"consents": [{"id": "ci"}]},
            CreateConsent("o_1", Consent(id="ci")),
            "the order had a consent ci before: to delete it could take that off",
        ),
    ],
)  # fmt: skip
async def test_what_cannot_go_back_as_it_was_is_said(
    members: dict[str, Any], change: Change, remark: str, tmp_path: Path
) -> None:
    def answer(sent: Sent) -> Answer:
        body = json.dumps({"id": "o_1"} | members).encode() if sent.method == "GET" else b""
        return 200, {"content-type": "application/json"}, body

    client, origin, _ = on_a_timeline(answer)
    with journal_at(tmp_path / "j") as journal:
        (outcome,) = await outcomes_of(Batch(client, [change], journal=journal, once=True))
        back, (line,) = saved(journal, tmp_path)
    assert (outcome.outcome, len(origin.sent), back, line["_remark"]) == (APPLIED, 2, [], remark)


async def test_what_was_perhaps_deleted_is_not_made_again(tmp_path: Path) -> None:
    sandbox = order_with()
    sandbox.faults.add(Fault.drop_before(operation="RemoveCheckoutOrderConsent"))
    with journal_at(tmp_path / "j") as journal:
        await run(sandbox, [DeleteConsent("o_1", "ci"), PatchConsent("o_1", "cj", checked=True)], journal)
        ((back,), (left,)) = saved(journal, tmp_path)
    assert (back["_undoes"], left["_undoes"], left["_outcome"]) == (2, 1, "unknown")
    assert left["_undo"]["op"] == "create_consent"


async def test_what_was_not_read_is_not_made_after_what_is_resolved(tmp_path: Path) -> None:
    sandbox, changes = order_with(), [DeleteOrder("o_1"), PatchAttributes("o_1", {"a": 1})]
    sandbox.faults.add(Fault.drop_before(operation="DeleteCheckoutOrder", times=3))
    sandbox.faults.add(Fault.status(400, operation="GetCheckoutOrder", times=1))
    with journal_at(tmp_path / "j") as journal:
        outcomes = await run(sandbox, changes, journal)
        assert {outcome.outcome for outcome in outcomes} == {UNKNOWN, NOT_SENT}
        async with sandbox.client(clock=Timeline()) as client:
            resolver = JournalResolver(client, journal, lambda: list(map(InputLine, (1, 2), changes)), settle=0.0)
            await resolver.run()
    assert (resolver.made_again, sandbox.order("o_1")) == (1, None)
    assert all(request.method != "PATCH" for request in sandbox.requests)


# Journals with and without


async def test_a_batch_stays_with_what_it_was_begun_with(tmp_path: Path) -> None:
    for kept, path in ((True, tmp_path / "kept"), (False, tmp_path / "plain")):
        journal_at(path, undo=not kept).close()
        with journal_at(path, undo=kept) as journal:  # as long as nothing is begun
            await run(order_with(), [UpdateReference("o_1", "x")], journal)
        with pytest.raises(ConfigurationError, match="--undo"):
            journal_at(path, undo=not kept)
        with journal_at(path, undo=kept) as journal:
            assert journal.summary().done == 1


async def test_without_it_nothing_is_read_or_kept(tmp_path: Path) -> None:
    sandbox = order_with()
    with begin(tmp_path / "j") as journal:
        await run(sandbox, [UpdateReference("o_1", "x")], journal)
        with pytest.raises(ConfigurationError, match="does not keep what was there"):
            save_undo(journal, tmp_path / "undo.jsonl")
        assert execute(journal.path, "SELECT count(*) FROM sqlite_master WHERE name = 'undo'") == [(0,)]
    assert sandbox.count == 1


def test_other_processes_do_not_keep_what_was_there(tmp_path: Path) -> None:
    with journal_at(tmp_path / "j") as journal, pytest.raises(ConfigurationError, match="one process"):
        ProcessBatch([], processes=1, settings={}, journal=journal)


async def test_nothing_is_sent_when_the_old_value_cannot_be_written(tmp_path: Path) -> None:
    sandbox = order_with()
    with journal_at(tmp_path / "j") as journal:
        assert journal.undo is not None
        execute(journal.path, "DROP TABLE old_values")
        async with sandbox.client() as client:
            outcomes, error = await until_it_fails(Batch(client, [UpdateReference("o_1", "x")], journal=journal))
    assert "cannot be" in str(error)
    assert [outcome.outcome for outcome in outcomes] == [NOT_SENT]
    assert {request.method for request in sandbox.requests} <= {"GET"}


@pytest.mark.parametrize("name", ["undo.csv", "undo.jsonl.gz", "undo.xlsx", "undo.xls"])
def test_the_file_is_json_lines(name: str, tmp_path: Path) -> None:
    with journal_at(tmp_path / "j") as journal, pytest.raises(ConfigurationError, match=r"\*\.jsonl"):
        save_undo(journal, tmp_path / name)


def test_what_a_journal_gives_is_saved_by_a_name(tmp_path: Path) -> None:
    names = [str(tmp_path / name) for name in ("r.csv", "r.html", "u.jsonl")]
    with journal_at(tmp_path / "j") as journal:
        save_report(journal.rows(), names[0])
        write_html_report(journal, names[1])
        save_undo(journal, names[2])
    assert all(Path(name).exists() for name in names)
