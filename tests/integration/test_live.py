"""The probe of a real service, held against the sandbox: what it asks, what it touches, and that it leaves nothing."""

import argparse
from collections import Counter

import pytest
from live import __main__ as live
from live.probe import LastResponse, NotOurs, Probe
from live.questions import QUESTIONS

from norce_order_async import list_orders
from norce_order_async.testing import SANDBOX_TOKEN, Fault, Sandbox


def probe_of(sandbox: Sandbox) -> Probe:
    last = LastResponse()
    return Probe(sandbox.client(retry=None, call_middlewares=[last]), last, pause=0)


@pytest.fixture
def sandbox() -> Sandbox:
    sandbox = Sandbox()
    sandbox.add_order("o_neighbour", consents=["ci_probe"])
    return sandbox


async def test_the_sandbox_is_as_the_library_assumes_and_nothing_is_left(sandbox: Sandbox) -> None:
    before = sandbox.order("o_neighbour")
    probe = probe_of(sandbox)
    rows = await live.ask_all(probe)
    page = live.table(rows, probe.client.base_url, probe.requests)
    assert len(rows) == len(QUESTIONS) + 3
    assert "**no**" not in page
    assert "nothing is left" in page
    assert "`x-request-id`" in page
    assert SANDBOX_TOKEN not in page
    assert probe.requests == len(sandbox.requests)
    assert (sandbox.order("o_neighbour"), [order.id for order in (await list_orders(sandbox.client())).data]) == (
        before,
        ["o_neighbour"],
    )


async def test_an_order_that_it_did_not_make_is_not_changed(sandbox: Sandbox) -> None:
    probe = probe_of(sandbox)
    await probe.make()
    with pytest.raises(NotOurs):
        await probe.send("RemoveCheckoutOrderConsent", order_id="o_neighbour", consent_id="ci_probe")
    assert Counter(request.method for request in sandbox.requests) == {"POST": 1}


async def test_an_order_whose_creation_was_not_answered_is_named(sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault.drop_after())
    probe = probe_of(sandbox)
    rows = await live.ask_all(probe)
    assert rows[0][2].startswith("no answer")
    assert rows[-1][2] == f"perhaps an order with the cart reference {probe.reference}"
    assert probe.requests == 1


async def test_what_cannot_be_removed_is_named(sandbox: Sandbox) -> None:
    sandbox.faults.add("status:403:operation=DeleteCheckoutOrder")
    probe = probe_of(sandbox)
    rows = await live.ask_all(probe)
    assert f"could not be removed: {probe.order_id}" in [came for _, _, came, _ in rows]


async def test_other_environments_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {"ENVIRONMENT": "production", "SLUG": "acme", "MERCHANT": "m", "CHANNEL": "1", "TOKEN": "t"}
    for name, value in settings.items():
        monkeypatch.setenv(f"NORCE_{name}", value)
    with pytest.raises(SystemExit, match="is not playground"):
        await live.main(argparse.Namespace(any_environment=False, pause=0, out=None))
