"""Unknown changes of a journal are looked at, and made again, at the pace and with the patience of a batch."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from journals import end, mark, write
from timeline import Answer, Origin, Sent, Timeline, always, journal_at, on_a_timeline, outcomes_of, refused

from norce_order_async import CallError, ConfigurationError, OrderClient, OutcomeKind, PermissionDeniedError, Verdict
from norce_order_async.batch import (
    Batch,
    Change,
    DeleteOrder,
    Journal,
    JournalReader,
    JournalResolver,
    PatchAttributes,
    PatchConsent,
)
from norce_order_async.batch.files import InputLine
from norce_order_async.batch.kinds import CreatePayment, PatchConsents, UpdatePayment
from norce_order_async.batch.overlaps import Line, Overlaps
from norce_order_async.models import Payment

APPLIED, NOT_SENT, UNKNOWN = OutcomeKind.APPLIED, OutcomeKind.NOT_SENT, OutcomeKind.UNKNOWN


def body(order: str) -> Answer:
    order_now: dict[str, Any] = {"id": order, "attributes": {}, "lastModified": "2020-01-01T00:00:00Z"}
    return 200, {"content-type": "application/json"}, json.dumps(order_now).encode()


def seen(sent: Sent) -> Answer:
    """Nothing of a change is on the server."""
    if sent.request.url.endswith("/payments"):
        return 200, {"content-type": "application/json"}, b"[]"
    return body(sent.order)


def patches(number: int) -> list[Change]:
    return [PatchAttributes(f"o_{n}", {"tag": "x"}) for n in range(number)]


class Scene:
    """A journal of changes that are all unknown, and a server that has none of them."""

    journals: ClassVar[list[Journal]] = []

    def __init__(
        self,
        path: Path,
        changes: Sequence[Change],
        write_answer: Callable[[Sent], Answer] = lambda sent: 200,
        read_answer: Callable[[Sent], Answer] = seen,
        *,
        elapsed: float = 1.0,
    ) -> None:
        self.changes = changes
        self.client: OrderClient
        self.origin: Origin
        self.clock: Timeline
        self.client, self.origin, self.clock = on_a_timeline(
            lambda sent: read_answer(sent) if sent.method == "GET" else write_answer(sent)
        )
        self.journal = journal_at(path)
        self.journals.append(self.journal)
        started = self.clock.wall() - elapsed
        marks = [mark(number, change, started=started) for number, change in enumerate(changes, 1)]
        lost = [end(item.number, UNKNOWN, item.change, started=started, error="ReadTimeout") for item in marks]
        write(self.journal, marks, lost, once=[item.number for item in marks if item.change.not_twice])

    def resolver(self, *, settle: float = 0.0, **arguments: Any) -> JournalResolver:
        return JournalResolver(self.client, self.journal, lambda: self.changes, settle=settle, **arguments)

    async def resolved(self, **arguments: Any) -> JournalResolver:
        """A resolver that has run."""
        resolver = self.resolver(**arguments)
        await resolver.run()
        return resolver

    def outcomes(self) -> list[OutcomeKind | None]:
        return [row.outcome for row in self.journal.rows()]

    def errors(self) -> set[str | None]:
        return {row.error for row in self.journal.rows() if row.outcome is not APPLIED}

    def written(self) -> list[Sent]:
        return [sent for sent in self.origin.sent if sent.method != "GET"]

    def reads(self) -> list[float]:
        return [sent.at for sent in self.origin.sent if sent.method == "GET"]

    def check_left(self) -> None:
        """What was found and not made is told as such, and nothing is under way any more."""
        assert {*self.outcomes()} <= {APPLIED, NOT_SENT}
        assert self.errors() == {"ReadTimeout"}
        summary = self.journal.summary()
        assert (summary.in_flight, summary.unfinished) == (0, 0)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Closes the journals of a test."""
    yield
    while Scene.journals:
        Scene.journals.pop().close()


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (refused(), "nothing went through for 10 s: refused"),
        (401, "5 changes in a row fail alike: HTTP 401"),
    ],
)
async def test_a_server_that_is_gone_or_refuses_everything_is_waited_for_once(
    tmp_path: Path, failure: Answer, says: str
) -> None:
    answers = [failure]
    scene = Scene(tmp_path / "j", patches(400), lambda sent: answers[0])
    resolver = await scene.resolved(pace={"patience": 10.0})
    assert (resolver.stopped, resolver.made_again, scene.clock.now < 15) == (says, 0, True)
    assert isinstance(resolver.error, CallError)
    scene.check_left()
    requests = scene.journal.summary().requests
    assert requests == 400 + len(scene.written())
    answers[0] = 200
    reads = len(scene.reads())
    again = await scene.resolved()
    assert (again.stopped, again.made_again, again.worked, len(scene.reads())) == (None, 400, True, reads)
    assert {*scene.outcomes()} == {APPLIED}


def two_merchants(number: int) -> list[Change]:
    return [PatchAttributes(f"o_{n}", {"tag": "x"}, merchant=("mine", "refused")[n % 2]) for n in range(number)]


def unless_refused(answer: Callable[[Sent], Answer]) -> Callable[[Sent], Answer]:
    return lambda sent: 403 if sent.request.headers["x-merchant"] == "refused" else answer(sent)


@pytest.mark.parametrize("settle", [0.0, 50.0])
@pytest.mark.parametrize(
    ("read_answer", "write_answer", "left"),
    [(unless_refused(seen), always, UNKNOWN), (seen, unless_refused(always), NOT_SENT)],
    ids=["looks", "changes"],
)
async def test_a_merchant_that_is_refused_is_left_and_the_others_go_on(
    tmp_path: Path,
    settle: float,
    read_answer: Callable[[Sent], Answer],
    write_answer: Callable[[Sent], Answer],
    left: OutcomeKind,
) -> None:
    scene = Scene(tmp_path / "j", two_merchants(60), write_answer, read_answer)
    for again in (30, 0):
        resolver = await scene.resolved(settle=settle, pace={"concurrency": 4})
        assert (resolver.stopped or "").startswith("what is left of refused/1 was not made, because 10 orders in a row")
        assert (isinstance(resolver.error, PermissionDeniedError), resolver.made_again) == (True, again)
        assert scene.outcomes() == [APPLIED, left] * 30
        assert scene.errors() == {"ReadTimeout"}
    sent_for_it = [sent for sent in scene.origin.sent if sent.request.headers["x-merchant"] == "refused"]
    assert sum((sent.method == "GET") == (left is UNKNOWN) for sent in sent_for_it) <= 2 * 16

    def let_in(sent: Sent) -> Answer:
        return seen(sent) if sent.method == "GET" else 200

    scene.origin.answer = let_in
    resolver = await scene.resolved()
    assert (resolver.stopped, resolver.made_again, {*scene.outcomes()}) == (None, 30, {APPLIED})


async def test_it_stops_after_so_many_failures(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "j", patches(20), lambda sent: 404)
    resolver = await scene.resolved(max_failures=3, pace={"concurrency": 1})
    assert (resolver.stopped, resolver.made_again) == ("3 changes failed", 3)
    assert scene.outcomes() == [OutcomeKind.REJECTED] * 3 + [NOT_SENT] * 17


async def test_a_stop_finishes_what_is_under_way(tmp_path: Path) -> None:
    def answer(sent: Sent) -> Answer:
        if len(scene.written()) == 5:
            resolver.stop("interrupted")
        return 200

    scene = Scene(tmp_path / "j", patches(20), answer)
    resolver = scene.resolver(pace={"concurrency": 2})
    await resolver.run()
    assert (resolver.stopped, resolver.made_again) == ("interrupted", len(scene.written()))
    assert scene.outcomes().count(APPLIED) == len(scene.written()) < 8
    scene.check_left()


async def test_what_is_ended_at_once_was_perhaps_made(tmp_path: Path) -> None:
    def answer(sent: Sent) -> Answer:
        if len(scene.written()) == 5:
            resolver.abort("interrupted")
        return 200

    scene = Scene(tmp_path / "j", patches(20), answer)
    resolver = scene.resolver(pace={"concurrency": 1})
    await resolver.run()
    assert (scene.outcomes(), resolver.made_again) == ([APPLIED] * 4 + [None] + [NOT_SENT] * 15, 5)
    scene.journal.close()
    with JournalReader.open(tmp_path / "j") as reader:
        assert [(row.number, row.error) for row in reader.rows([UNKNOWN])] == [(5, "Interrupted")]


async def test_a_stop_ends_the_wait_for_what_may_be_under_way(tmp_path: Path) -> None:
    def answer(sent: Sent) -> Answer:
        resolver.stop("interrupted")
        return seen(sent)

    scene = Scene(tmp_path / "j", patches(3), read_answer=answer)
    resolver = scene.resolver(settle=1000.0)
    await resolver.run()
    assert (scene.outcomes(), scene.written(), dict(resolver.verdicts)) == ([UNKNOWN] * 3, [], {})
    assert scene.clock.now < 10


@pytest.mark.parametrize(
    "changes", [patches(40), [CreatePayment(f"o_{n}", Payment(reference="r")) for n in range(20)]], ids=["one", "two"]
)
async def test_looks_keep_to_the_rate_and_to_what_may_be_under_way(tmp_path: Path, changes: list[Change]) -> None:
    scene = Scene(tmp_path / "j", changes)
    resolver = await scene.resolved(pace={"rate": 10.0, "concurrency": 2})
    reads = scene.reads()
    assert (len(reads), scene.origin.most <= 2, resolver.verdicts.total()) == (40, True, len(changes))
    assert max(sum(at <= other < at + 1 for other in reads) for at in reads) <= 12


async def test_looks_hold_for_an_outage(tmp_path: Path) -> None:
    scene = Scene(
        tmp_path / "j", patches(100), read_answer=lambda sent: refused() if sent.at < 5 else seen(sent), elapsed=60.0
    )
    resolver = await scene.resolved(pace={"patience": 30.0}, worked=True)
    assert (resolver.stopped, dict(resolver.verdicts), resolver.made_again) == (
        None, {Verdict.NOT_APPLIED: 100}, 100,
    )  # fmt: skip
    assert len([at for at in scene.reads() if at < 5]) < 40


async def test_looks_are_given_up_with_the_patience(tmp_path: Path) -> None:
    gone = [True]
    scene = Scene(tmp_path / "j", patches(100), read_answer=lambda sent: 503 if gone[0] else seen(sent))
    resolver = await scene.resolved(pace={"patience": 10.0})
    assert (resolver.stopped, resolver.verdicts.total()) == ("nothing went through for 10 s: HTTP 503", 0)
    assert scene.outcomes() == [UNKNOWN] * 100
    assert all(row.evidence is None for row in scene.journal.rows())
    gone[0] = False
    again = await scene.resolved()
    assert again.made_again == 100


async def test_an_order_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "j", patches(20), read_answer=lambda sent: 500 if sent.order == "o_3" else seen(sent))
    resolver = await scene.resolved()
    assert (resolver.stopped, resolver.made_again) == (None, 19)
    (row,) = scene.journal.rows([UNKNOWN])
    assert (row.number, row.evidence) == (4, "cannot_tell: it could not be read: ServerError")


async def test_what_a_later_change_has_overtaken_is_not_made_again(tmp_path: Path) -> None:
    """It was found not to be applied, and a run made the change after it before it was its turn."""
    changes: list[Change] = [PatchAttributes("o_1", {"a": 1}), PatchAttributes("o_1", {"a": 2}), *patches(1)]
    scene = Scene(tmp_path / "j", changes)
    write(scene.journal, [], [end(2, OutcomeKind.REJECTED, changes[1])])

    def stopping(sent: Sent) -> Answer:
        first.stop("interrupted")
        return seen(sent)

    scene.origin.answer = stopping
    first = scene.resolver(pace={"concurrency": 2})
    await first.run()
    assert (scene.outcomes(), scene.written()) == ([NOT_SENT, OutcomeKind.REJECTED, NOT_SENT], [])
    scene.origin.answer = always
    await outcomes_of(Batch(scene.client, changes, journal=scene.journal, only=[OutcomeKind.REJECTED]))
    resolver = await scene.resolved()
    assert (scene.outcomes(), resolver.made_again) == ([NOT_SENT, APPLIED, APPLIED], 1)


@pytest.mark.parametrize("given", [{"settle": -1.0}, {"max_failures": 0}, {"pace": {"concurrency": 0}}])
def test_a_wrong_argument_is_refused_before_anything_is_read(tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Scene(tmp_path / "j", patches(1)).resolver(**given)


CONSENT = PatchConsent("o_1", "ci", checked=True)
PAYMENT = CreatePayment("o_1", Payment(reference="r"))


@pytest.mark.parametrize(
    ("one", "other", "later", "earlier"),
    [
        (CONSENT, PatchConsent("o_1", "cj", checked=True), False, False),
        (CONSENT, CONSENT, True, True),
        (CONSENT, PatchConsent("o_1", "ci", checked=False), True, False),
        (CONSENT, PatchConsents("o_1", {"cj": True, "ci": False}), True, True),
        (PatchConsents("o_1", {"cj": True, "ci": False}), CONSENT, True, True),
        (CONSENT, DeleteOrder("o_1"), True, True),
        (DeleteOrder("o_1"), CONSENT, True, True),
        (PAYMENT, CreatePayment("o_1", Payment(reference="s")), False, False),
        (PAYMENT, CreatePayment("o_1", Payment(reference="r", type="t")), True, True),
        (PAYMENT, UpdatePayment("o_1", "p", Payment(reference="r")), True, True),
        (PAYMENT, UpdatePayment("o_1", "p", Payment(reference="s")), False, False),
        (UpdatePayment("o_1", "p", Payment(reference="r")), PAYMENT, False, False),
    ],
)
def test_whose_work_a_look_may_see(one: Change, other: Change, later: bool, earlier: bool) -> None:
    lines = [Line(number, InputLine(number, change), change) for number, change in ((1, other), (2, one), (3, other))]
    overlaps = Overlaps(lines, lambda number: True)
    assert ((overlaps.later(lines[1]) is not None), (overlaps.earlier(lines[1]) is not None)) == (later, earlier)
    overlaps = Overlaps(lines, lambda number: False)
    assert (overlaps.later(lines[1]), overlaps.earlier(lines[1])) == (None, None)


def test_the_changes_of_a_hot_order_are_compared_only_with_those_of_the_same() -> None:
    asked: list[int] = []

    def may_stand(number: int) -> bool:
        asked.append(number)
        return False

    changes = [PatchConsent("o_1", f"c_{number % 500}", checked=True) for number in range(1000)]
    lines = [Line(number, InputLine(number, change), change) for number, change in enumerate(changes, 1)]
    overlaps = Overlaps(lines, may_stand)
    assert not any(overlaps.later(line) or overlaps.earlier(line) for line in lines)
    assert len(overlaps.following({1, 2})) == 2
    assert len(asked) == 1002
