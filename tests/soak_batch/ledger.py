"""Lines of which it is known what must become of each, and the check that it did.

Several lines change the same thing, so that their order matters; some must be refused, some cannot be read.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import attrs

from norce_order_async import CallError, OrderClient, OutcomeKind, get_order
from norce_order_async.batch.journal import INTERRUPTED, EmptyJournal, JournalReader
from norce_order_async.batch.report import JournalRow
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.testing import SANDBOX_TOKEN, ReceivedRequest, Sandbox
from norce_order_async.wire.json import decode_json

CONSENTS = [f"c_{number}" for number in range(4)]
BAD = ("{oops", "[]", '{"op": "refund", "order_id": "o_1"}', '{"op": "delete_consent", "order_id": "o_1"}')
REFUSED = 0.05
"""The share of lines about what was never there; as many more are about a consent deleted before."""


@attrs.define
class Ledger:
    """A batch file and what must become of it.

    Attributes:
        lines: The lines.
        right: What each line must come to: applied, rejected, or not sent.
        attributes: Of each order, in the end.
        consents: Of each order, in the end.
        owners: Which line each request is for, by its ``x-request-id``.
        sent: Requests for each line.
        applied: How many of those were carried out.
        closed: Lines whose outcome was in the journal when a run had ended.
        left: Lines that a run had marked and not closed when it ended: sent, perhaps, so that a refusal of the next
            request says nothing of the one before.
        seen: How many requests came in the runs so far.
        violations: What was not as it must be.
    """

    lines: list[dict[str, Any] | str] = attrs.Factory(list[dict[str, Any] | str])
    right: list[OutcomeKind] = attrs.Factory(list[OutcomeKind])
    attributes: defaultdict[str, dict[str, int]] = attrs.Factory(lambda: defaultdict[str, dict[str, int]](dict))
    consents: defaultdict[str, dict[str, bool]] = attrs.Factory(
        lambda: defaultdict[str, dict[str, bool]](lambda: dict.fromkeys(CONSENTS, False))
    )
    owners: dict[str, int] = attrs.Factory(dict[str, int])
    sent: Counter[int] = attrs.Factory(Counter[int])
    applied: Counter[int] = attrs.Factory(Counter[int])
    closed: dict[int, JournalRow] = attrs.Factory(dict[int, JournalRow])
    left: set[int] = attrs.Factory(set[int])
    seen: int = 0
    violations: list[str] = attrs.Factory(list[str])

    @classmethod
    def write(cls, count: int, rng: random.Random) -> "Ledger":
        """Make up lines, about 20 for each order."""
        ledger = cls()
        for number in range(1, count + 1):
            order_id = f"o_{rng.randrange(max(1, count // 20))}"
            ledger._add(number, order_id, rng)
        return ledger

    def _add(self, number: int, order_id: str, rng: random.Random) -> None:
        kind, absent = rng.random(), rng.random() < REFUSED
        if kind < 0.02:
            self.lines.append(rng.choice(BAD))
            self.right.append(OutcomeKind.NOT_SENT)
            return
        if kind < 0.5:
            values = {f"a_{rng.randrange(3)}": number}
            order_id = f"{order_id}_absent" if absent else order_id
            self.lines.append({"op": "patch_attributes", "order_id": order_id, "attributes": values})
            if not absent:
                self.attributes[order_id].update(values)
            self.right.append(OutcomeKind.REJECTED if absent else OutcomeKind.APPLIED)
            return
        name = "c_absent" if absent else rng.choice(CONSENTS)
        there = self.consents[order_id]
        self.right.append(OutcomeKind.APPLIED if name in there else OutcomeKind.REJECTED)
        line: dict[str, Any] = {"order_id": order_id, "consent_id": name}
        if kind < 0.57:
            self.lines.append({"op": "delete_consent"} | line)
            there.pop(name, None)
        else:
            checked = rng.random() < 0.5
            self.lines.append({"op": "patch_consent"} | line | {"checked": checked})
            if name in there:
                there[name] = checked

    def sandbox(self, *faults: str) -> Sandbox:
        """A sandbox with the orders as they are before."""
        sandbox = Sandbox(remember=100 * len(self.lines))
        for order_id in self.orders:
            sandbox.add_order(order_id, consents=CONSENTS)
        sandbox.faults.add(*faults)
        return sandbox

    @property
    def orders(self) -> list[str]:
        """The orders that are there."""
        return sorted({*self.attributes, *self.consents})

    def after_run(self, journal: Path, origin: Sandbox) -> int:
        """Hold what came during a run, or after it was killed, against what the journal said before; its new lines."""
        requests = list(islice(origin.requests, self.seen, None))
        self.seen = origin.count
        before = self.closed
        self.closed = {}
        for row in _rows(journal):
            if row.request_id is not None:
                self.owners[row.request_id] = row.number
            if row.error == INTERRUPTED:
                self.left.add(row.number)
            else:
                self.closed[row.number] = row
        for request in requests:
            number = self.owners.get(request.headers["x-request-id"])
            if number is None:
                self.violations.append(f"{request.method} {request.target} was sent, and the journal has no mark of it")
                continue
            self.sent[number] += 1
            self.applied[number] += request.applied
            if number in before:
                self.violations.append(f"line {number} was sent again; it was {before[number].outcome} before")
            if request.status and not _is_for(request, self.lines[number - 1]):
                self.violations.append(f"line {number} was sent as {request.method} {request.target} {request.body!r}")
        self.violations += [
            f"line {number} was {row.outcome}, and is {self.closed[number].outcome if number in self.closed else None}"
            for number, row in before.items()
            if number not in self.closed or self.closed[number].outcome != row.outcome
        ]
        return len(self.closed) - len(before)

    def settle(self, journal: Path) -> Counter[str]:
        """See that every line has one true outcome in the end; how many have which."""
        rows = list(_rows(journal))
        if [row.number for row in rows] != list(range(1, len(self.lines) + 1)):
            self.violations.append(f"{len(rows)} outcomes for {len(self.lines)} lines")
        outcomes = Counter[str]()
        for row in rows:
            outcomes[f"{row.outcome}"] += 1
            if not self._is_true(row):
                self.violations.append(
                    f"line {row.number} is {row.outcome} and should be {self.right[row.number - 1]}: sent "
                    f"{self.sent[row.number]} times, carried out {self.applied[row.number]} times ({row.message})"
                )
        return outcomes

    def _is_true(self, row: JournalRow) -> bool:
        right, line = self.right[row.number - 1], self.lines[row.number - 1]
        again = self.sent[row.number] > 1 or row.number in self.left
        match row.outcome:
            case OutcomeKind.APPLIED:
                return right is OutcomeKind.APPLIED and self.applied[row.number] > 0
            case OutcomeKind.ACCEPTED:
                return False  # nothing answers 202 here
            case OutcomeKind.APPLIED_INFERRED:
                # One that found nothing and was sent again is gone, too, but not by us.
                return isinstance(line, dict) and line["op"] == "delete_consent" and again
            case OutcomeKind.REJECTED:
                return right is OutcomeKind.REJECTED and not self.applied[row.number]
            case OutcomeKind.NOT_SENT:
                return right is OutcomeKind.NOT_SENT and not self.sent[row.number]
            case OutcomeKind.UNKNOWN:
                return again
            case None:
                return False

    async def compare(self, url: str) -> None:
        """Read every order back, and compare."""
        async with OrderClient(base_url=url, merchant="norce", channel="1", auth=SANDBOX_TOKEN) as client:
            for order_id in self.orders:
                try:
                    order = await get_order(client, order_id)
                except CallError as error:
                    self.violations.append(f"{order_id} cannot be read: {error}")
                    continue
                found = {consent.id: consent.checked for consent in order.consents}
                if found != self.consents[order_id]:
                    self.violations.append(f"{order_id} has {found}, not {self.consents[order_id]}")
                if dict(order.attributes or {}) != self.attributes[order_id]:
                    self.violations.append(f"{order_id} has {order.attributes}, not {self.attributes[order_id]}")

    @property
    def twice(self) -> int:
        """How many requests were not the first of their line."""
        return sum(count - 1 for count in self.sent.values())


def _rows(journal: Path) -> Sequence[JournalRow]:
    """What a journal has; nothing when a run was killed before it had made one."""
    try:
        with JournalReader.open(journal) as reader:
            return list(reader.rows())
    except EmptyJournal:
        return []
    except ConfigurationError:
        if journal.exists() and journal.stat().st_size:
            raise
        return []


def _is_for(request: ReceivedRequest, line: dict[str, Any] | str) -> bool:
    """Whether a request asks for what a line says."""
    if isinstance(line, str):
        return False
    method, body = "PATCH", None
    place = f"/orders/{line['order_id']}/"
    match line["op"]:
        case "patch_attributes":
            place, body = f"{place}attributes", line["attributes"]
        case "patch_consent":
            place, body = f"{place}consents/{line['consent_id']}", {"checked": line["checked"]}
        case _:
            method, place = "DELETE", f"{place}consents/{line['consent_id']}"
    given = decode_json(request.body) if request.body else None
    if isinstance(given, dict) and line["op"] == "patch_consent":
        given.pop("id", None)
    return request.method == method and request.target.endswith(place) and given == body
