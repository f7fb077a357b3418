"""A shell whose command meets a sandbox in memory."""

import pytest
from command import sandbox_settings
from shell import Shell

from norce_order_async.testing import Sandbox, SandboxTransport


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    sandbox = Sandbox()
    sandbox.add_order("o_123", merchant="norce", channel="1", consents=["ci_terms", "ci_newsletter"])
    monkeypatch.setattr("norce_order_async.client.default_transport", lambda: SandboxTransport(sandbox))
    for name, value in sandbox_settings("http://localhost/checkout/order").items():
        monkeypatch.setenv(name, value)
    return Shell(sandbox, capsys)
