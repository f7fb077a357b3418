"""A batch of every kind of change, a quarter of whose answers go wrong, killed twice, and then taken back.

    PYTHONPATH=tests python -m soak_batch.undo 5000

In the end each order is compared with what it was before, in a sandbox where only those changes were made that the
batch said cannot be taken back. Every old value in the file is compared with the orders as they were.
"""

import argparse
import copy
import random
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
from soak_batch.processes import INPUT, JOURNAL, Running, write
from soak_injectors.programs import main
from undoing import told, whole_order
from unknowns import CHANGES

from norce_order_async import OutcomeKind
from norce_order_async.batch import (
    Change,
    DeleteConsent,
    JournalReader,
    PatchAttributes,
    PatchConsent,
    kinds,
    run_batch,
)
from norce_order_async.batch.report import encode_record
from norce_order_async.models import Consent, Hook
from norce_order_async.testing import ReceivedRequest, Sandbox, SandboxServer
from norce_order_async.wire.json import decode_json

FAULTS = ("drop-before:share=8%", "drop-after:share=8%", "status:503:share=5%", "status:504:share=4%")
"""A quarter of all requests, those that read included."""
ARGUMENTS = ("--once", "--timeout", "1", "--settle", "1", "--concurrency", "40", "--patience", "60")
BACK = "undo.jsonl"
LEFT = "undo.left.jsonl"
MEMBERS = {
    "update_cart": "cart",
    "update_billing_address": "customer.billing",
    "update_shipping_address": "customer.shipping",
    "update_reference": "reference",
}
PARTS = {"consent": "consents", "validation": "validations", "hook": "hooks", "notification": "notifications"}
REPLACED = {"validation": "callback", "payment": "payment", "shipping": "shipping"}
SEVERAL: Sequence[Callable[[str, str], Change]] = (
    lambda order, mark: PatchConsent(order, "ci", checked=mark.endswith("1")),
    lambda order, mark: PatchConsent(order, "cl", checked=True),
    lambda order, mark: DeleteConsent(order, "cj"),
    lambda order, mark: kinds.PatchConsents(order, {"ck": True, "cl": True}),
    lambda order, mark: kinds.CreateConsent(order, Consent(id=f"made-{mark}", checked=True)),
    lambda order, mark: PatchAttributes(order, {"a": mark, f"new-{mark}": mark}),
    lambda order, mark: PatchAttributes(order, {"number": 7, "b": mark}),
    lambda order, mark: kinds.UpdateReference(order, mark),
    lambda order, mark: kinds.DeleteValidation(order, "v"),
)
"""Changes that meet others of their order."""


@attrs.define
class Scene:
    """The changes in the order of the input, and the orders before them."""

    changes: list[Change] = attrs.Factory(lambda: list[Change]())
    orders: dict[str, dict[str, Any]] = attrs.Factory(dict[str, dict[str, Any]])

    @classmethod
    def make(cls, count: int, rng: random.Random) -> "Scene":
        """Make up orders, each with some three changes."""
        scene, makers = cls(), [*(CHANGES | {"create_hook": _hook}).items()]
        for number in range(count):
            order_id, gone = f"o_{number}", f"gone_{number}"
            scene.orders[order_id] = _order(rng, order_id)
            for line in range(rng.randrange(1, 6)):
                mark = f"wrote-{number}-{line}"
                op, make = makers[rng.randrange(len(makers))]
                if op == "delete_order":
                    scene.orders[gone] = _order(rng, gone)
                make = make if rng.random() < 0.5 or op == "delete_order" else rng.choice(SEVERAL)
                scene.changes.append(make(gone if op == "delete_order" else order_id, mark))
        rng.shuffle(scene.changes)
        return scene

    def sandbox(self) -> Sandbox:
        """A sandbox with the orders."""
        sandbox = Sandbox(remember=1_000_000)
        for order_id, members in self.orders.items():
            sandbox.add_order(order_id, **copy.deepcopy(members))
        return sandbox


def _hook(order: str, mark: str) -> Change:
    return kinds.CreateHook(order, Hook(adapter_id="a", subscribe_to="/nothing", invoke=mark))


def _order(rng: random.Random, order_id: str) -> dict[str, Any]:
    order = whole_order(order_id)
    order["attributes"] = {"a": f"before {rng.random()}", "number": Decimal(rng.randrange(10**6)) / 1000, "b": None}
    order["consents"] = [{**consent, "checked": rng.random() < 0.5, "text": "ö"} for consent in order["consents"]]
    return order


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The objects of a file."""
    if not path.exists():
        return []
    return [read for line in path.read_bytes().splitlines() if isinstance(read := decode_json(line), dict)]


def not_old(record: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
    """What in a line of the way back was not there before."""
    op: str = record["op"]
    verb, _, noun = op.partition("_")
    of = {
        name: {part["id"]: part for part in before.get(name, [])} for name in (*PARTS.values(), "payments", "shippings")
    }
    pairs: list[tuple[Any, Any]] = []
    if op == "patch_attributes":
        pairs = [(value, before["attributes"].get(name)) for name, value in record["attributes"].items()]
    elif op == "patch_consent":
        pairs = [(record["checked"], of["consents"][record["consent_id"]]["checked"])]
    elif op == "patch_consents":
        pairs = [(value, of["consents"][name]["checked"]) for name, value in record["checked"].items()]
    elif op in MEMBERS:
        value: Any = before
        for name in MEMBERS[op].split("."):
            value = value[name]
        given = record["reference"] if op == "update_reference" else record.get("cart", record.get("address"))
        pairs = [(given, value)]
    elif verb == "update":
        pairs = [(record[REPLACED[noun]], of[f"{noun}s"][record[f"{noun}_id"]])]
    elif verb == "create":
        part = record["callback" if noun == "validation" else noun]
        pairs = [(part, of[PARTS[noun]][part["id"]])]
    elif verb == "delete":
        pairs = [(record[f"{noun}_id"] in of[PARTS[noun]], False)]
    yield from (f"{record['_line']}: {record} and before {old}" for given, old in pairs if given != old)


async def soak(orders: int, kills: int, seed: int, *, lossy: bool = True) -> list[str]:
    """Run it, take it back, and say what was not as promised."""
    rng = random.Random(seed)
    scene = Scene.make(orders, rng)
    sandbox, count = scene.sandbox(), len(scene.changes)
    before = {order_id: sandbox.order(order_id) or {} for order_id in scene.orders}
    sandbox.faults.add(*FAULTS * lossy)
    violations: list[str] = []
    owners: dict[str, int] = {}
    with TemporaryDirectory() as path:
        folder = Path(path)
        write(folder / INPUT, [encode_record(change.record()) for change in scene.changes])
        async with SandboxServer(sandbox) as server:
            for number in range(kills):
                running, most = Running(folder, server.url, *ARGUMENTS, "--undo", BACK), (number + 1) / (kills + 1)
                while sandbox.count < 2 * count * most * rng.uniform(0.7, 1) and await running.lives(0.002):
                    pass
                running.send(signal.SIGKILL)
                ran = await running.end()
                owners |= _owners(folder)
                if ran.code != -signal.SIGKILL:
                    violations.append(f"it was not killed: {ran.code} {ran.said[-1000:]}")
            ran = await Running(folder, server.url, *ARGUMENTS, "--undo", BACK).end()
            reads = sum(request.operation == "GetCheckoutOrder" for request in sandbox.requests)
            print(f"run: exit code {ran.code}, {ran.told.get('outcomes')}, {reads:,} reads")
            undo = ran.told["undo"]
            print("undo: " + ", ".join(f"{undo[name]:,} {name}" for name in ("changes", "once", "left")))
            if "Traceback" in ran.said or ran.told.get("left") or ran.code not in (0, 1):
                violations.append(f"the run ended with {ran.code}: {ran.told} {ran.said[-2000:]}")
            sandbox.faults.clear()
            owners |= _owners(folder)
            made = {owners[request.headers["x-request-id"]] for request in sandbox.requests if _is_made(request)}
            changed = sum(before[order_id] != sandbox.order(order_id) for order_id in before)
            back = await Running(folder, server.url, "--once", name=BACK).end()
            print(f"back: exit code {back.code}, {back.told.get('outcomes')}, {changed:,} of {len(before):,} orders")
        lines, left = lines_of(folder / BACK), lines_of(folder / LEFT)
        violations += _not_made(folder, lines)
    for record in lines:
        violations += not_old(record, before[record["order_id"]])
    await _compare(scene, sandbox, lines, left, made, violations)
    print(f"left: {Counter(line['_remark'] for line in left).most_common()}", flush=True)
    return violations


def _not_made(folder: Path, lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Lines of the way back that were not made, other than those of changes that perhaps were not made either."""
    with JournalReader.open(folder / f"{BACK}.journal") as journal:
        rows = list(journal.rows())
    if len(rows) != len(lines):
        yield f"{len(rows)} of {len(lines)} lines of the way back were made"
    for row, line in zip(rows, lines, strict=False):
        is_of_nothing = line["_outcome"] == "unknown" and row.status == 404
        if row.outcome is not OutcomeKind.APPLIED and not is_of_nothing:
            yield f"{line} ended in {row.outcome}: {row.message}"


def _owners(folder: Path) -> dict[str, int]:
    """Which change each request is for that the journal knows of now."""
    with JournalReader.open(folder / JOURNAL) as journal:
        return {row.request_id: row.number for row in journal.rows() if row.request_id is not None}


def _is_made(request: ReceivedRequest) -> bool:
    """Whether a request was carried out that changes something."""
    return request.applied and request.operation != "GetCheckoutOrder"


async def _compare(
    scene: Scene,
    sandbox: Sandbox,
    lines: Sequence[Mapping[str, Any]],
    left: Sequence[Mapping[str, Any]],
    made: set[int],
    violations: list[str],
) -> None:
    """Compare each order with one in which only those changes were made that cannot be taken back."""
    new: defaultdict[str, set[str]] = defaultdict(set)
    for record in lines:
        if record["op"] == "patch_attributes":
            new[record["order_id"]] |= {name for name, value in record["attributes"].items() if value is None}
    other = scene.sandbox()
    stay: list[Change] = [scene.changes[line["_undoes"] - 1] for line in reversed(left) if line["_undoes"] in made]
    async with other.client() as client:
        async for outcome in run_batch(client, stay, once=True, concurrency=1):
            if outcome.outcome.failed:
                violations.append(f"in the other sandbox {outcome.change} failed: {outcome.message}")
    for order_id in scene.orders:
        found, expected = told(sandbox.order(order_id), new[order_id]), told(other.order(order_id), new[order_id])
        if found != expected:
            violations.append(f"{order_id} is not as it was: {_differences(found or {}, expected or {})}")


def _differences(found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    both = {name: (found.get(name), expected.get(name)) for name in {*found, *expected}}
    return [(name, one, other) for name, (one, other) in both.items() if one != other]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("orders", type=int, nargs="?", default=5_000)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="with a server that answers everything")
    options = parser.parse_args()
    sys.exit(main("undo", soak(options.orders, options.kills, options.seed, lossy=not options.quick)))
