"""A handler of the sandbox that waits for adapters, through both doors."""

from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from norce_order_async import BadRequestError, NotFoundError, OrderClient, get_order, patch_attributes, patch_consent
from norce_order_async.testing import Sandbox, SandboxServer
from norce_order_async.testing.sandbox import doors
from norce_order_async.testing.sandbox.exchange import AdapterCall, AdapterReply, Ask, Refused, Result
from norce_order_async.testing.sandbox.handlers import HANDLERS
from norce_order_async.testing.sandbox.store import Store, find_part

pytestmark = pytest.mark.asyncio


def patch_consent_with_a_hook(
    store: Store, ask: Ask
) -> Generator[Sequence[AdapterCall], Sequence[AdapterReply], Result]:
    store.find(ask)
    (reply,) = yield [AdapterCall("https://a.example/hook", {"checked": ask.body["checked"]})]
    if reply.status != 200:
        raise Refused(400, "order-error", "A hook refuses.")
    order = store.find(ask)
    store.write(order, find_part(order["consents"], "consent", ask.ids["consent_id"]), "checked", True)
    return None


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    monkeypatch.setitem(HANDLERS, "PatchCheckoutOrderConsent", patch_consent_with_a_hook)
    sandbox = Sandbox()
    sandbox.add_order("o_1", consents=["ci_news"])
    return sandbox


@pytest_asyncio.fixture(params=["transport", "server"])
async def client(request: pytest.FixtureRequest, sandbox: Sandbox) -> AsyncIterator[OrderClient]:
    async with AsyncExitStack() as stack:
        if request.param == "transport":
            yield await stack.enter_async_context(sandbox.client(retry=None))
        else:
            server = await stack.enter_async_context(SandboxServer(sandbox))
            yield await stack.enter_async_context(sandbox.client(retry=None, base_url=server.url, transport=None))


async def test_an_adapter_may_use_the_api_before_it_agrees(
    sandbox: Sandbox, client: OrderClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def agree(call: AdapterCall) -> AdapterReply:
        assert call == AdapterCall("https://a.example/hook", {"checked": True})
        order = await get_order(client, "o_1")
        assert order.consents
        await patch_attributes(client, "o_1", {"seen": order.consents[0].checked})
        return AdapterReply(200)

    monkeypatch.setattr(doors, "call_adapter", agree)
    await patch_consent(client, "o_1", "ci_news", checked=True)
    order = sandbox.order("o_1")
    assert order is not None
    assert order["attributes"] == {"seen": False}
    assert order["consents"][0]["checked"] is True
    assert [seen.operation for seen in sandbox.requests] == [
        "GetCheckoutOrder",
        "PatchCheckoutOrderAttributes",
        "PatchCheckoutOrderConsent",
    ]


async def test_an_adapter_may_refuse(sandbox: Sandbox, client: OrderClient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(call: AdapterCall) -> AdapterReply:
        return AdapterReply(400)

    monkeypatch.setattr(doors, "call_adapter", refuse)
    with pytest.raises(BadRequestError, match="A hook refuses"):
        await patch_consent(client, "o_1", "ci_news", checked=True)
    order = sandbox.order("o_1")
    assert order is not None
    assert order["consents"][0]["checked"] is False
    assert not sandbox.requests[-1].applied


async def test_the_order_is_looked_at_again(
    sandbox: Sandbox, client: OrderClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def put_another_order_in(call: AdapterCall) -> AdapterReply:
        sandbox.add_order("o_1")
        return AdapterReply(200)

    monkeypatch.setattr(doors, "call_adapter", put_another_order_in)
    with pytest.raises(NotFoundError, match="Consent with id:ci_news not found"):
        await patch_consent(client, "o_1", "ci_news", checked=True)
