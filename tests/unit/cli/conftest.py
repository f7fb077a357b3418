"""A shell whose command meets a sandbox in memory."""

import os

import pytest
from shell import Shell

from norce_order_async.testing import SANDBOX_TOKEN, Sandbox, SandboxTransport


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    sandbox = Sandbox()
    sandbox.add_order("o_123", merchant="norce", channel="1", consents=["ci_terms", "ci_newsletter"])
    monkeypatch.setattr("norce_order_async.client.default_transport", lambda: SandboxTransport(sandbox))
    for name in [name for name in os.environ if name.startswith("NORCE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NORCE_BASE_URL", "http://localhost/checkout/order")
    monkeypatch.setenv("NORCE_MERCHANT", "norce")
    monkeypatch.setenv("NORCE_CHANNEL", "1")
    monkeypatch.setenv("NORCE_TOKEN", SANDBOX_TOKEN)
    return Shell(sandbox, capsys)
