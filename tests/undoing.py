"""Orders before and after a batch that is taken back."""

import copy
import json
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import timeline
from endpoint_calls import ACTION
from timeline import Timeline, outcomes_of
from unknowns import ORDER

from norce_order_async.batch import Change, InputLine, Journal, Outcome, save_undo
from norce_order_async.batch.run import Batch
from norce_order_async.testing import Sandbox

journal_at = partial(timeline.journal_at, undo=True)
_LONGEST_ID = len("made-wrote-99999-9")
"""What is longer is an id that the sandbox has made."""


def whole_order(order_id: str) -> dict[str, Any]:
    """The order of :mod:`unknowns` with all that the service writes itself, so that it can come back as it was."""
    order = copy.deepcopy(ORDER)
    order["cart"]["total"] = {"includingVat": 0, "excludingVat": 0}
    order["total"] = order["shippings"][0]["total"]
    # Nobody is to be called: the hosts are made up.
    order["hooks"][0]["subscribeTo"] = order["notifications"][0]["scope"] = "/nothing"
    written = {"state": "intent", "orderId": order_id, "merchant": "norce", "channel": "1"}
    order["payments"] = [{"type": "default", **payment, **written} for payment in order["payments"]]
    order["payments"][0]["actions"] = [{"id": "y", "adapterId": "b", "type": "cancel", "url": ACTION.url}]
    order["shippings"] = [{**shipping, **written} for shipping in order["shippings"]]
    return order


def told(order: Mapping[str, Any] | None, new: Collection[str] = ()) -> Any:
    """An order without what no change brings back: times, places in lists, ids that the service makes.

    Args:
        order: As it is on the wire; None for one that is gone.
        new: Attributes that were not there before, and may be null now.
    """
    if order is None:
        return None
    members = copy.deepcopy(dict(order))
    del members["lastModified"], members["created"]
    for move in members["state"]["transitions"]:
        del move["timeStamp"]
    members["attributes"] = {
        name: value for name, value in members["attributes"].items() if value is not None or name not in new
    }
    for name in ("consents", "validations", "hooks", "notifications", "payments", "shippings"):
        for part in members.get(name, []):
            for action in part.get("actions", []):
                del action["id"]
            if name in ("validations", "hooks") or len(part["id"]) > _LONGEST_ID:
                del part["id"]
        members[name] = sorted(members.get(name, []), key=_text)
    return json.loads(_text(members))


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=float)


def order_with(**members: Any) -> Sandbox:
    sandbox = Sandbox()
    sandbox.add_order("o_1", **whole_order("o_1") | members)
    return sandbox


async def run(
    sandbox: Sandbox, changes: Iterable[Change | InputLine], journal: Journal | None = None, **settings: Any
) -> list[Outcome]:
    async with sandbox.client(retry=None, clock=Timeline()) as client:
        return await outcomes_of(Batch(client, changes, journal=journal, once=True, settle=0.0, **settings))


def saved(journal: Journal, folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The lines that take a batch back, and those that say what cannot be."""
    summary = save_undo(journal, folder / "undo.jsonl")
    back, left = (
        [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        for path in (summary.path, summary.left_path)
    )
    assert (summary.changes, summary.left) == (len(back), len(left))
    return back, left


def reads(sandbox: Sandbox) -> int:
    return sum(request.method == "GET" for request in sandbox.requests)
