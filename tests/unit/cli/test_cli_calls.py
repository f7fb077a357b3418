"""Every operation once, typed as a person types it, against a sandbox in this process."""

import json
import re

import pytest
from shell import Shell

from norce_order_async.cli.commands import BY_NAME, COMMANDS
from norce_order_async.wire.table import ROWS

PAYMENT = '{"type": "default", "amount": 125.00}'
SHIPPING = '{"total": {"includingVat": 50, "excludingVat": 40}, "vatRate": 0.25}'
ACTION = '[{"adapterId": "pay", "type": "capture", "url": "https://pay.example"}]'
CALLBACK = '{"adapterId": "stock", "url": "https://stock.example"}'
ADDRESS = '{"city": "Lund", "country": "SE"}'
ORDER = """{"merchant": "norce", "channel": "1", "cart": {"items": [{"id": "row", "quantity": 1}]}}"""


def words_for(shell: Shell, name: str) -> list[str]:
    """What to type for a command, with what it is about made first."""
    order = ["o_123"]
    ids = ROWS[BY_NAME[name].operation].ids
    if "payment_id" in ids:
        order.append(shell.id_of("payment", "create", "o_123", "--json", PAYMENT))
    if "action_id" in ids:
        shell("action", "add", *order, "--json", ACTION)
        order.append(shell.order["payments"][0]["actions"][0]["id"])
    if "shipping_id" in ids:
        order.append(shell.id_of("shipping", "create", "o_123", "--json", SHIPPING))
    for kind, body in (("validation", CALLBACK), ("hook", HOOK), ("notification", NOTIFICATION)):
        if f"{kind}_id" in ids:
            shell(kind, "create", "o_123", "--json", body)
            order.append(shell.order[f"{kind}s"][0]["id"])
    if name == "order validate":
        shell("cart", "update", "o_123", "--json", '{"items": [{"id": "row", "quantity": 1}]}')
    if "consent_id" in ids:
        order.append("ci_terms")
    return [*name.split(), *([] if name in ("order list", "order create") else order), *BODIES.get(name, [])]


HOOK = '{"subscribeTo": "/consents", "invoke": "https://shop.example/hook"}'
NOTIFICATION = '{"scope": "/state", "invoke": "https://shop.example/told"}'
BODIES: dict[str, list[str]] = {
    "order list": ["--status", "Checkout", "--limit", "50"],
    "order create": ["--json", ORDER],
    "state update": ["Removed"],
    "cart update": ["--json", '{"items": [{"id": "row", "quantity": 2}]}'],
    "reference update": ["web-17"],
    "billing-address update": ["--json", ADDRESS],
    "shipping-address update": ["--json", ADDRESS],
    "consent create": ["--json", '{"id": "ci_new", "checked": false}'],
    "consent patch": ["--checked"],
    "consent patch-many": ["ci_terms:=true", "ci_newsletter:=false"],
    "attributes patch": ["erpId=A-17", "weight:=1.50"],
    "payment create": ["--json", PAYMENT],
    "payment update": ["--json", PAYMENT],
    "action add": ["--json", ACTION],
    "transaction add": ["--json", '{"event": "capture", "amount": 125.00}'],
    "shipping create": ["--json", SHIPPING],
    "shipping update": ["--json", SHIPPING],
    "validation create": ["--json", CALLBACK],
    "validation update": ["--json", CALLBACK],
    "hook create": ["--json", HOOK],
    "notification create": ["--json", NOTIFICATION],
}


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_every_operation_is_made_and_printed(shell: Shell, name: str) -> None:
    words = words_for(shell, name)
    code, out = shell(*words, "--output", "json")
    assert (code, shell.errors) == (0, "")
    assert shell.sandbox.requests[-1].operation == BY_NAME[name].operation
    json.loads(out)
    for seconds in re.findall(r'"elapsed": ([\d.e-]+)', out):
        assert float(seconds) == round(float(seconds), 6)
