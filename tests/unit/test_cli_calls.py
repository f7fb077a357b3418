"""Every operation once, typed as a person types it, against a sandbox in this process."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from norce_order_async.cli import main
from norce_order_async.cli.calls import BY_NAME, COMMANDS
from norce_order_async.testing import SANDBOX_TOKEN, Sandbox, SandboxTransport
from norce_order_async.wire.table import ROWS

PAYMENT = '{"type": "default", "amount": 125.00}'
SHIPPING = '{"total": {"includingVat": 50, "excludingVat": 40}, "vatRate": 0.25}'
ACTION = '[{"adapterId": "pay", "type": "capture", "url": "https://pay.example"}]'
CALLBACK = '{"adapterId": "stock", "url": "https://stock.example"}'
ADDRESS = '{"city": "Lund", "country": "SE"}'
ORDER = """{"merchant": "norce", "channel": "1", "cart": {"items": [{"id": "row", "quantity": 1}]}}"""


class Shell:
    """Runs the command in this process, against one sandbox."""

    def __init__(self, sandbox: Sandbox, capture: pytest.CaptureFixture[str]) -> None:
        self.sandbox = sandbox
        self._capture = capture
        self.errors = ""

    def __call__(self, *words: str) -> tuple[int, str]:
        try:
            code = main(words)
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, self.errors = self._capture.readouterr()
        return code, out

    def id_of(self, *words: str) -> str:
        """Create something, and return the id that is printed."""
        code, out = self(*words)
        assert code == 0, self.errors
        return out.strip()

    @property
    def order(self) -> Any:
        return json.loads(self("order", "get", "o_123", "--output", "json")[1])


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    sandbox = Sandbox()
    sandbox.add_order("o_123", merchant="norce", channel="1", consents=["ci_terms", "ci_newsletter"])
    monkeypatch.setattr("norce_order_async.client._default_transport", lambda: SandboxTransport(sandbox))
    settings = {
        "BASE_URL": "https://sandbox.api-se.norce.tech/checkout/order",
        "MERCHANT": "norce",
        "CHANNEL": "1",
        "TOKEN": SANDBOX_TOKEN,
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"NORCE_{name}", value)
    for name in ("PROFILE", "CONFIG", "ENVIRONMENT", "SLUG", "ADAPTER_ID", "TOKEN_FILE", "PROXY", "CA_FILE"):
        monkeypatch.delenv(f"NORCE_{name}", raising=False)
    return Shell(sandbox, capsys)  # type: ignore[return-value]


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
    "order list": ["--status", "checkout", "--limit", "50"],
    "order create": ["--json", ORDER],
    "state update": ["removed"],
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
