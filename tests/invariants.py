"""Many operations through faults; then every outcome is held against what the origin knows.

    python tests/invariants.py 20000 --seeds 5

A seed decides operations and faults, so a violation can be run again.
"""

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Literal, get_args

import attrs

from norce_order_async import (
    AiohttpTransport,
    CallError,
    ConnectError,
    Consent,
    HttptoolsTransport,
    OutcomeKind,
    Request,
    Response,
    RetryPolicy,
    Timeout,
    Transport,
    create_consent,
    delete_consent,
    patch_attributes,
    patch_consent,
)
from norce_order_async.client import OrderClient
from norce_order_async.testing import SANDBOX_TOKEN, FakeClock, Sandbox, SandboxServer, SandboxTransport

Door = Literal["aiohttp", "httptools", "in process"]
Through = Callable[[str], AbstractAsyncContextManager[str]]
"""Something that stands between: takes the origin's address, and has another one while it is entered."""

FAULTS = (
    "drop-before:share=4%",
    "drop-after:share=5%",
    "truncate:share=3%",
    "status:429:retry-after=1:share=3%",
    "status:500:share=2%",
    "status:502:share=3%",
    "status:503:share=3%",
)
REFUSED = 0.02
"""The share of connections that fail before anything is sent; 25 % of all requests meet a fault."""


class Refusing(Transport):
    """Lets some connections fail before anything is sent."""

    def __init__(self, inner: Transport, rng: random.Random) -> None:
        self.inner = inner
        self.rng = rng
        self.refused = 0

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        """Send, or don't."""
        if self.rng.random() < REFUSED:
            self.refused += 1
            raise ConnectError("refused by the test", sent=False)
        return await self.inner.send(request, timeout=timeout)

    async def aclose(self) -> None:
        """Close."""
        await self.inner.aclose()


@attrs.frozen
class Result:
    """What came of a run.

    Attributes:
        violations: Every outcome that is not true, in words.
        outcomes: How many operations ended in each.
        attempts: Requests for each operation.
        sent: Requests in all that were not refused.
    """

    violations: list[str]
    outcomes: Counter[OutcomeKind]
    attempts: float
    sent: int

    @property
    def unknown(self) -> float:
        """The share of operations of which the caller does not know the outcome."""
        return self.outcomes[OutcomeKind.UNKNOWN] / self.outcomes.total()


async def run(count: int, seed: int, door: Door, through: Through | None = None) -> Result:
    """Run ``count`` operations, each on a thing of its own, and compare.

    With ``through`` (the door is a socket then) the origin has no faults: they are made by what stands between.
    """
    rng = random.Random(seed)
    sandbox = Sandbox(seed=seed, remember=0)
    orders = [f"o_{number}" for number in range(max(1, count // 100))]
    kinds = [
        rng.choice(("patch_consent", "delete_consent", "patch_attributes", "create_consent")) for _ in range(count)
    ]
    exists = [rng.random() < 0.95 for _ in range(count)]
    for place, order_id in enumerate(orders):
        mine = range(place, count, len(orders))
        wanted = [number for number in mine if kinds[number] in ("patch_consent", "delete_consent") and exists[number]]
        sandbox.add_order(order_id, consents=[f"c_{number}" for number in wanted])
    if through is None:
        sandbox.faults.add(*FAULTS)

    outcomes: dict[int, OutcomeKind] = {}
    attempts = 0

    async def operate(client: OrderClient, number: int) -> None:
        nonlocal attempts
        order_id = orders[number % len(orders)]
        try:
            match kinds[number]:
                case "patch_consent":
                    receipt = await patch_consent(client, order_id, f"c_{number}", checked=True)
                case "delete_consent":
                    receipt = await delete_consent(client, order_id, f"c_{number}")
                case "patch_attributes":
                    receipt = await patch_attributes(client, order_id, {f"a_{number}": number})
                case _:
                    receipt = await create_consent(client, order_id, Consent(id=f"c_{number}", checked=True))
        except CallError as error:
            outcomes[number] = error.outcome
            attempts += len(error.attempts)
        else:
            outcomes[number] = receipt.outcome
            attempts += receipt.attempts

    inner: Transport
    async with AsyncExitStack() as stack:
        if door == "in process":
            url, inner = "http://localhost/checkout/order", SandboxTransport(sandbox)
        else:
            server = await stack.enter_async_context(SandboxServer(sandbox))
            url = server.url
            if through is not None:
                url = await stack.enter_async_context(through(url))
            inner = AiohttpTransport() if door == "aiohttp" else HttptoolsTransport()
        refusing = Refusing(inner, rng)
        client = await stack.enter_async_context(
            OrderClient(
                base_url=url,
                merchant="norce",
                channel="1",
                auth=SANDBOX_TOKEN,
                transport=refusing,
                retry=RetryPolicy.batch(),
                timeout=Timeout(total=1e6, attempt=2.0 if through else 15.0),
                clock=FakeClock(),
            )
        )
        numbers = iter(range(count))

        async def lane() -> None:
            for number in numbers:
                await operate(client, number)

        await asyncio.gather(*(lane() for _ in range(32)))

    violations = [f"{number}: no outcome" for number in range(count) if number not in outcomes]
    for place, order_id in enumerate(orders):
        order = sandbox.order(order_id) or {}
        consents: Counter[str] = Counter(consent["id"] for consent in order["consents"])
        checked = {consent["id"]: consent["checked"] for consent in order["consents"]}
        for number in range(place, count, len(orders)):
            kind, outcome, name = kinds[number], outcomes[number], f"c_{number}"
            effects: int = {
                "patch_consent": int(checked.get(name) is True),
                # One that never was there is gone, too, but not by us.
                "delete_consent": int(name not in checked and (exists[number] or outcome.done)),
                "patch_attributes": int(order["attributes"].get(f"a_{number}") == number),
                "create_consent": consents[name],
            }[kind]
            if effects > 1 or (outcome.done and not effects) or (effects and outcome in NOTHING_DONE):
                violations.append(f"{number}: {kind} is {outcome}, but the origin has it {effects} times")
    return Result(violations, Counter(outcomes.values()), attempts / count, attempts - refusing.refused)


NOTHING_DONE = (OutcomeKind.NOT_SENT, OutcomeKind.REJECTED)


def main(arguments: Any = None) -> int:
    """Run several seeds through every door and print what came of each; 1 if there was a violation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--seeds", type=int, default=1)
    options = parser.parse_args(arguments)
    failed = False
    for seed in range(options.seeds):
        for door in get_args(Door):
            result = asyncio.run(run(options.count, seed, door))
            told = ", ".join(f"{count:,} {kind}" for kind, count in result.outcomes.most_common())
            print(
                f"seed {seed}, {door}: {told}; unknown {result.unknown:.2%}; "
                f"{result.attempts:.3f} requests an operation; {len(result.violations)} violations",
                flush=True,
            )
            for violation in result.violations[:10]:
                print(f"  {violation}")
            failed = failed or bool(result.violations)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
