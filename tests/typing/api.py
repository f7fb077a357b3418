"""Only type-checked, never run: what the checkers must accept of users' code, and what they must infer."""

from collections.abc import AsyncIterator
from typing import assert_type

from norce_order_async import (
    CallOptions,
    Environment,
    OrderClient,
    OutcomeKind,
    Receipt,
    RetryPolicy,
    ShopStats,
    Timeout,
    create_order,
    delete_consent,
    get_order,
    patch_attributes,
    patch_consent,
)
from norce_order_async.batch import (
    BatchSettings,
    Change,
    DeleteConsent,
    Input,
    Journal,
    JournalResolver,
    Outcome,
    PatchAttributes,
    run_batch,
)
from norce_order_async.middleware import Handler
from norce_order_async.models import Consent, Order, Payment
from norce_order_async.operations import Operation, Repeat, json_decoder
from norce_order_async.testing import Fault, Sandbox
from norce_order_async.transport import Request, Response


async def middleware(request: Request, call_next: Handler, /) -> Response:
    """A plain function is a middleware."""
    return await call_next(request.with_headers(traceparent="00-1"))


class Source:
    """Anything with an async ``get`` is a token source."""

    async def get(self, *, rejected: str | None = None) -> str:
        """A token."""
        return "token"


LIST_PAYMENTS = Operation("GetOrderPayments", "GET", "/{order_id}/payments", Repeat.SAFE, json_decoder(list[Payment]))


async def use(client: OrderClient) -> None:
    """The endpoint functions."""
    assert_type(await delete_consent(client, "o", "c"), Receipt)
    assert_type(
        await patch_consent(client, "o", "c", checked=True, options=CallOptions(timeout=3, retry=None)), Receipt
    )
    assert_type(await patch_attributes(client, "o", {"a": None, "b": [1, 2.5, {"c": "d"}]}), Receipt)
    assert_type(await create_order(client, Order(consents=[Consent(id="c")])), str)
    order = await get_order(client, "o")
    assert_type(order, Order)
    for consent in order.consents:
        assert_type(consent.checked, bool | None)
    assert_type(await client.execute(LIST_PAYMENTS, order_id="o"), list[Payment])
    assert_type(client.scoped(merchant="m", adapter_id=None), OrderClient)
    assert_type(client.scoped(slug="beta", auth="t", headers={}), OrderClient)
    assert_type(client.stats(by_shop=True).shops, tuple[ShopStats, ...])


async def batch(client: OrderClient, more: AsyncIterator[Change]) -> None:
    """Changes from anywhere."""
    changes = [DeleteConsent("o", "c"), PatchAttributes("o", {"a": 1})]
    async for outcome in run_batch(client, changes, concurrency=8):
        assert_type(outcome, Outcome)
        assert_type(outcome.outcome, OutcomeKind)
    async for outcome in run_batch(client, more, only=["not_sent", OutcomeKind.UNKNOWN]):
        assert_type(outcome.change, Change | None)
    failed: list[OutcomeKind] = [kind for kind in OutcomeKind if kind.failed]
    assert_type(BatchSettings(only=failed).only, frozenset[OutcomeKind] | None)
    BatchSettings(only={"rejected", "not_sent", "unknown"})


async def resolve_all(client: OrderClient, journal: Journal, changes: Input) -> None:
    """The entries of any input may be looked at."""
    await JournalResolver(client, journal, changes.entries).run()
    await JournalResolver(client, journal, lambda: [DeleteConsent("o", "c")]).run()


def make() -> list[OrderClient]:
    """Clients of every kind."""
    sandbox = Sandbox()
    sandbox.faults.add(Fault.status(503, times=1), "latency:0.1")
    assert sandbox.order("o")["consents"] == []
    return [
        OrderClient(environment=Environment.STAGE, slug="a", merchant="m", channel="1", auth=Source()),
        OrderClient(
            base_url="https://a.example",
            merchant="m",
            channel="1",
            auth="token",
            timeout=Timeout(total=5),
            retry=RetryPolicy(max_attempts=2),
            call_middlewares=[middleware],
        ),
        OrderClient.from_env(retry=None),
        sandbox.client(),
    ]
