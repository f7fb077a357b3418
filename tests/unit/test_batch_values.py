"""The journal of changes that are given as values: the same list goes on, another one is refused."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
from journals import mark, write
from timeline import Answer, Sent, account, always, journal_at, lost, on_a_timeline, outcomes_of, until_it_fails

from norce_order_async import ConfigurationError, OutcomeKind
from norce_order_async.batch import Change, DeleteConsent, InputLine, JournalResolver, PatchAttributes, PatchConsents
from norce_order_async.batch.engine.running import Progress
from norce_order_async.batch.inputs import InputFile
from norce_order_async.batch.journal import Journal, digest_of
from norce_order_async.batch.kinds import UpdateCart
from norce_order_async.batch.process_link import ProcessLink
from norce_order_async.batch.processes import ProcessBatch
from norce_order_async.batch.run import Batch
from norce_order_async.models import Cart, Item, Logistics, Price

ANOTHER = "is not the one that the journal knows: choose another journal for another input"
FORMS: dict[str, Callable[[list[Change]], Any]] = {}


def form(function: Callable[[list[Change]], Any]) -> Callable[[list[Change]], Any]:
    """One of the forms in which changes are given."""
    FORMS[function.__name__] = function
    return function


@form
def values(changes: list[Change]) -> list[Change]:
    return changes


@form
async def awaited(changes: list[Change]) -> AsyncIterator[Change]:
    for change in changes:
        yield change


@form
def entries(changes: list[Change]) -> list[InputLine]:
    return [InputLine(7 * number, change) for number, change in enumerate(changes, 1)]


def letters(names: str) -> list[Change]:
    return [PatchAttributes(f"o_{name}", {"tag": name, "seen": True}) for name in names]


async def made(path: Path, given: Any, answer: Callable[[Sent], Answer] = always, **settings: Any) -> list[str]:
    """The orders that were sent to in a run with this journal."""
    client, origin, _ = on_a_timeline(answer)
    with journal_at(path) as journal:
        await outcomes_of(Batch(client, given, journal=journal, **settings))
    return [sent.order for sent in origin.sent]


@pytest.mark.parametrize("given", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("status", [200, 404, 502])
async def test_the_same_list_goes_on_and_another_one_is_refused(
    path: Path, given: Callable[[list[Change]], Any], status: int
) -> None:
    assert {*await made(path, given(letters("ab")), lambda sent: status)} == {"o_a", "o_b"}
    assert await made(path, given(letters("ab"))) == []
    before = account(path)
    client, origin, _ = on_a_timeline()
    for names, number in (("cd", 1), ("ac", 2)):
        with journal_at(path) as journal:
            outcomes, error = await until_it_fails(Batch(client, given(letters(names)), journal=journal))
        assert isinstance(error, ConfigurationError)
        assert str(error) == f"line {7 * number if given is entries else number} {ANOTHER}"
        assert (outcomes, origin.sent, account(path)) == ([], [], before)
    assert await made(path, given(letters("abc"))) == ["o_c"]


@pytest.mark.parametrize("given", FORMS.values(), ids=FORMS)
async def test_what_a_kill_left_open_is_continued_by_the_same_change_only(
    path: Path, given: Callable[[list[Change]], Any]
) -> None:
    """A DELETE that finds nothing would be taken for what the killed run had done."""
    client, origin, _ = on_a_timeline(lambda sent: 404)
    with journal_at(path) as journal:
        killed = DeleteConsent("o_1", "c")
        write(journal, [mark(1, killed, digest=digest_of(killed))], [])
    with journal_at(path) as journal:
        _, error = await until_it_fails(Batch(client, given([DeleteConsent("o_2", "c")]), journal=journal))
    assert (ANOTHER in str(error), origin.sent, account(path)) == (True, [], {1: (1, None)})
    assert await made(path, given([killed])) == ["o_1"]


async def test_what_could_not_be_sent_is_made_when_it_is_corrected_and_asked_for(path: Path) -> None:
    tags: dict[str, Any] = {"tag": object()}
    first = [*letters("a"), InputLine(2, problem="no order"), PatchAttributes("o_c", tags)]
    assert await made(path, first) == ["o_a"]
    assert await made(path, letters("abc")) == []
    assert await made(path, letters("abc"), only=["not_sent"]) == ["o_b", "o_c"]
    assert await made(path, letters("abc")) == []
    assert {outcome for _, outcome in account(path).values()} == {"applied"}


async def test_a_journal_of_before_goes_on_without_digests(path: Path) -> None:
    with journal_at(path) as journal:
        write(journal, [mark(1, DeleteConsent("o_1", "c"))], [])
    assert await made(path, [DeleteConsent("o_1", "c")]) == ["o_1"]


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"request_id": 17}, "request_id of an InputLine must be of type str, got int"),
        ({"change": 5}, "change of an InputLine must be of type Change, got int"),
        (
            {"change": None, "problem": LookupError("no order")},
            "problem of an InputLine must be of type str, got LookupError",
        ),
        ({"line": "2"}, "line of an InputLine must be of type int, got str"),
        ({"line": 2**63}, r"line of an InputLine must be at most 2\*\*63 - 1"),
        ({"digest": -(2**63)}, "digest of an InputLine must be at most"),
        ({"redelivered": "no"}, "redelivered of an InputLine must be of type bool, got str"),
    ],
)
async def test_an_entry_that_is_made_wrong_ends_no_change(path: Path, members: dict[str, Any], says: str) -> None:
    given: dict[str, Any] = {"line": 2, "change": DeleteConsent("o_b", "c")} | members
    client, origin, _ = on_a_timeline()
    with journal_at(path) as journal:
        batch = Batch(client, [DeleteConsent("o_a", "c"), InputLine(**given)], journal=journal)
        outcomes, error = await until_it_fails(batch)
    assert isinstance(error, TypeError | ValueError)
    assert re.match(says, str(error))
    assert [sent.order for sent in origin.sent] == ["o_a"] * len(outcomes)
    assert 2 not in account(path)
    assert "o_b" in await made(path, [DeleteConsent("o_a", "c"), DeleteConsent("o_b", "c")])


@pytest.mark.parametrize("with_journal", [False, True])
async def test_an_entry_with_a_problem_is_not_made(path: Path, with_journal: bool) -> None:
    client, origin, _ = on_a_timeline()
    given = [InputLine(1, DeleteConsent("o_a", "c"), problem="not wanted"), InputLine(2, DeleteConsent("o_b", "c"))]
    with journal_at(path) if with_journal else nullcontext() as journal:
        outcomes = {outcome.line: outcome for outcome in await outcomes_of(Batch(client, given, journal=journal))}
    assert (outcomes[1].outcome, outcomes[1].message) == ("not_sent", "not wanted")
    assert outcomes[1].source == DeleteConsent("o_a", "c").record()
    assert [sent.order for sent in origin.sent] == ["o_b"]


async def test_lines_of_files_have_no_digest_of_their_own(path: Path) -> None:
    """The journal has the digest of the file, so nothing is computed for each line."""
    client, _, _ = on_a_timeline()
    with Journal.open(path, inputs=[InputFile("changes.jsonl", "ab" * 32, 1)], target="t") as journal:
        await outcomes_of(Batch(client, entries(letters("a")), journal=journal))
        assert journal.states(1, 1)[1].digest is None


async def progress_of(batch: ProcessBatch) -> list[Progress]:
    return [progress async for progress in batch]


async def test_another_list_is_refused_where_processes_make_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(link: ProcessLink) -> None:
        """Starts nothing."""

    async def hear(link: ProcessLink) -> tuple[Any, ...]:
        while not batch.stopped:  # noqa: ASYNC110 (what the batch says)
            await asyncio.sleep(0)
        return "end", None, {}, None, None, True

    monkeypatch.setattr(ProcessLink, "start", start)
    monkeypatch.setattr(ProcessLink, "hear", hear)
    await made(path, letters("ab"))
    settings: dict[str, Any] = {"base_url": "https://x.example", "merchant": "norce", "channel": "1", "auth": "t"}
    with journal_at(path) as journal:
        batch = ProcessBatch(letters("cd"), processes=1, settings=settings, journal=journal)
        with pytest.raises(ConfigurationError, match=f"line 1 {ANOTHER}"):
            await asyncio.wait_for(progress_of(batch), 20)


@pytest.mark.parametrize("given", FORMS.values(), ids=FORMS)
async def test_what_is_unknown_is_looked_at_for_the_same_list_only(
    path: Path, given: Callable[[list[Change]], Any]
) -> None:
    await made(path, given(letters("a")), lambda sent: lost())
    client, origin, _ = on_a_timeline(lambda sent: 404)
    with journal_at(path) as journal:
        with pytest.raises(ConfigurationError, match=ANOTHER):
            await JournalResolver(client, journal, lambda: given(letters("b")), settle=0.0).run()
        assert [row.outcome for row in journal.rows()] == [OutcomeKind.UNKNOWN]
        assert origin.sent == []
        await JournalResolver(client, journal, lambda: given(letters("a")), settle=0.0).run()
    assert [sent.order for sent in origin.sent] == ["o_a"]


# The digest


@attrs.frozen
class Mine(DeleteConsent):
    """A change whose record may be none that JSON holds."""

    note: object = None


def value(number: str) -> PatchAttributes:
    return PatchAttributes("o", {"a": Decimal(number)})


def cart_of(total: int) -> UpdateCart:
    return UpdateCart("o", Cart(total=Price(including_vat=Decimal(total))))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (PatchConsents("o", {"a": True, "b": False}), PatchConsents("o", {"b": False, "a": True}), True),
        (DeleteConsent("o", "c"), DeleteConsent("o", "c", merchant="m"), False),
        (DeleteConsent("o", "c"), PatchAttributes("o", {"c": 1}), False),
        (PatchAttributes("o", {"a": 1}), PatchAttributes("o", {"a": 2}), False),
        (cart_of(1), cart_of(2), False),
        (value("12345678901234567890.10"), value("12345678901234567890.11"), False),
        (value("0.1"), value("0.10000000000000000001"), False),
        (value("1e400"), value("2e400"), False),
        (value("0.10"), value("0.1"), True),
        (value("1e400"), PatchAttributes("o", {"a": "1E+400"}), False),
        (Mine("o", "c", note=object()), Mine("o", "d", note=object()), True),
        (Mine("o", "c", note=float("nan")), Mine("o", "d", note=float("nan")), True),
        (Mine("o", "c", note=Decimal("1" * 9_999)), Mine("o", "d", note=Decimal("1" * 9_999)), True),
    ],
)
def test_what_tells_changes_apart(one: Change, other: Change, same: bool) -> None:
    assert (digest_of(one) == digest_of(other)) is same


def test_a_digest_stays_what_it_is() -> None:
    """Another version of the package goes on with the journal."""
    assert digest_of(PatchConsents("o_1", {"ä": True, "b": False})) == 2_392_710_027
    numbers: dict[str, Any] = {
        "a": Decimal("0.10"), "b": 1.5, "c": Decimal("1E+2"), "d": -0.0, "e": 2**70, "f": 1e22, "g": Decimal("19.90"),
    }  # fmt: skip
    assert digest_of(PatchAttributes("o_1", numbers)) == 1_512_896_879
    item = Item(quantity=cast("int", 2.0), price=Price(including_vat=Decimal("10.10")))
    assert digest_of(UpdateCart("o_1", Cart(items=[item]))) == 415_026_362


@pytest.mark.parametrize(
    "cart",
    [
        Cart(items=cast("list[Item]", [{"sku": "A"}])),
        Cart(total=Price(including_vat=Decimal("NaN"))),
        Cart(items=[Item(logistics=Logistics(shipping_date=datetime(2026, 1, 2)))]),
    ],
)
async def test_a_model_that_cannot_be_written_ends_its_own_change_alone(tmp_path: Path, cart: Cart) -> None:
    client, origin, _ = on_a_timeline()
    path = tmp_path / "j"
    with journal_at(path) as journal:
        batch = Batch(client, [UpdateCart("o_1", cart), *letters("ab")], journal=journal)
        outcomes = {outcome.line: outcome for outcome in await outcomes_of(batch)}
    assert (outcomes[1].outcome, outcomes[1].error) == (OutcomeKind.NOT_SENT, "InvalidRequestError")
    assert [outcomes[line].outcome for line in (2, 3)] == ["applied", "applied"]
    assert sorted(sent.order for sent in origin.sent) == ["o_a", "o_b"]
    assert account(path) == {1: (0, "not_sent"), 2: (0, "applied"), 3: (0, "applied")}
