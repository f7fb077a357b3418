"""What a run of schemathesis does beside its own; schemathesis loads this file in its process.

Half of the requests are about things that are there, not about random ids. A refusal of valid data is allowed where
docs/sandbox.md has it: its code stands there, and it is not ``bad-request``, the code of what breaks the contract. When
the run ends, every operation has to have succeeded at least once.
"""

import atexit
import json
import os
import re
from collections import Counter
from functools import cache
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, cast
from urllib.request import Request, urlopen

# Imported in a way that type checkers don't follow: they run where schemathesis is not installed.
schemathesis: Any = import_module("schemathesis")
checks: Any = import_module("schemathesis.specs.openapi.checks")

BASE = os.environ["SANDBOX_URL"]
TOKEN = os.environ["SANDBOX_TOKEN"]
REUSED = 20
"""How many requests are about one order; some of them take away what others need."""

_turns = count()
_answers: Counter[tuple[str, int]] = Counter()
_order: dict[str, str] = {}


@cache
def chosen_codes() -> frozenset[str]:
    """The codes that the sandbox's table of choices names."""
    page = Path(__file__).parents[2].joinpath("docs", "sandbox.md").read_text(encoding="utf-8")
    return frozenset(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", page.partition("## What it chose")[2])) - {"bad-request"}


def call(method: str, path: str, body: object = None) -> Any:
    headers = {"Authorization": f"Bearer {TOKEN}", "x-merchant": "norce", "x-channel": "1"}
    headers["Content-Type"] = "application/json"
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(f"{BASE}/api/v0/checkout/orders{path}", data, headers, method=method)) as answer:
        return json.loads(answer.read() or b"null")


def new_order() -> dict[str, str]:
    """The ids of a new order and of one of everything in it."""
    parts = {name: [{"id": "x"}] for name in ("consents", "validations", "hooks", "notifications")}
    price = {"includingVat": 125, "excludingVat": 100}
    order = call("POST", "", {**parts, "cart": {"items": [{"total": price}]}})["id"]
    action = {"adapterId": "psp", "type": "capture", "url": "https://psp.example/capture"}
    payment = call("POST", f"/{order}/payments", {"amount": 125, "actions": [action]})["id"]
    shipping = call("POST", f"/{order}/shippings")["id"]
    read = call("GET", f"/{order}")
    ids = {f"{name[:-1]}_id": read[name][0]["id"] for name in parts}
    return ids | {
        "order_id": order,
        "payment_id": payment,
        "shipping_id": shipping,
        "action_id": read["payments"][0]["actions"][0]["id"],
    }


def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    turn = next(_turns)
    parameters = case.path_parameters
    if turn % 2 or not parameters or case.meta is None or case.meta.phase.name.value == "stateful":
        return
    if not _order or turn % REUSED == 0 or case.method.upper() == "DELETE":
        _order.update(new_order())
    known = {name: _order[name] for name in parameters if name in _order}
    if len(known) == len(parameters):
        case.path_parameters.update(known)
        case.headers.update({"x-merchant": "norce", "x-channel": "1"} if case.meta.generation.mode.is_positive else {})


def after_call(context: Any, case: Any, response: Any) -> None:
    _answers[case.operation.definition.raw["operationId"], response.status_code] += 1


def is_a_choice(response: Any) -> bool:
    """Whether the sandbox's table names this refusal."""
    if not 400 <= response.status_code < 500:
        return False
    try:
        body = json.loads(response.content)
    except ValueError:
        return False
    problems = cast("list[dict[str, Any]]", body if isinstance(body, list) else [body])
    return {problem.get("code") for problem in problems} <= chosen_codes()


def valid_data_is_taken(context: Any, response: Any, case: Any) -> Any:
    return None if is_a_choice(response) else checks.positive_data_acceptance(context, response, case)


def status_is_published(context: Any, response: Any, case: Any) -> Any:
    return None if is_a_choice(response) else checks.status_code_conformance(context, response, case)


def tell() -> None:
    operations = sorted({operation for operation, _ in _answers})
    for operation in operations:
        statuses = {status: number for (name, status), number in sorted(_answers.items()) if name == operation}
        print(f"{operation:40} " + "  ".join(f"{status}: {number}" for status, number in statuses.items()))
    done = {operation for operation, status in _answers if status < 300}
    missing = [operation for operation in operations if operation not in done]
    print(f"{len(done)} operations succeeded" + (f"; never: {missing}" if missing else ""), flush=True)
    if missing:
        os._exit(1)


schemathesis.hook(before_call)
schemathesis.hook(after_call)
schemathesis.check(valid_data_is_taken)
schemathesis.check(status_is_published)
atexit.register(tell)
