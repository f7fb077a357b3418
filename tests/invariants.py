"""Many operations through faults; then every outcome is held against what the origin knows.

    PYTHONPATH=tests python -m invariants 20000 --seeds 5

A seed decides operations and faults, so a violation can be run again.
"""

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Literal, get_args

import attrs
from operation_mix import MIX, At, Kind, Origin, Thing

from norce_order_async import (
    AiohttpTransport,
    CallError,
    CallOptions,
    ConnectError,
    HttptoolsTransport,
    OrderClient,
    OutcomeKind,
    RetryPolicy,
    Timeout,
)
from norce_order_async.middleware import Call
from norce_order_async.testing import SANDBOX_TOKEN, FakeClock, Sandbox, SandboxServer, SandboxTransport
from norce_order_async.transport import Request, Response, Transport

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


@attrs.frozen(kw_only=True)
class Planned(Thing):
    """An operation that is to be made.

    Attributes:
        name: The operationId.
        exists: Whether what it needs is there.
    """

    name: str
    exists: bool

    @property
    def kind(self) -> Kind:
        """What it does."""
        return MIX[self.name]


def plan(count: int, rng: random.Random, sandbox: Sandbox) -> list[Planned]:
    """Choose the operations, and put what they need into the sandbox."""
    planned: list[Planned] = []
    orders: dict[str, dict[str, Any]] = {}
    names = list(MIX)
    for number in range(count):
        name = rng.choice(names)
        order_id = f"own_{number}" if MIX[name].own else f"o_{number % max(1, count // 100)}"
        each = Planned(name=name, order_id=order_id, mark=f"m_{number}", exists=rng.random() < 0.95)
        planned.append(each)
        if each.kind.own and each.kind.removes and not each.exists:
            continue
        members = orders.setdefault(order_id, {})
        if each.kind.needs is not None and each.exists:
            part, others = each.kind.needs
            members.setdefault(part, []).append({"id": each.mark, **others})
    for order_id, members in orders.items():
        sandbox.add_order(order_id, **members)
    return planned


async def run(count: int, seed: int, door: Door, through: Through | None = None) -> Result:
    """Run ``count`` operations, each on a thing of its own, and compare.

    With ``through`` (the door is a socket then) the origin has no faults: they are made by what stands between.
    """
    rng = random.Random(seed)
    sandbox = Sandbox(seed=seed, remember=0)
    planned = plan(count, rng, sandbox)
    if through is None:
        sandbox.faults.add(*FAULTS)

    calls: dict[str, Call] = {}
    violations: list[str] = []

    async def operate(client: OrderClient, each: Planned) -> None:
        def note(call: Call, _: BaseException | None) -> None:
            calls[each.mark] = call

        try:
            options = CallOptions(on_call=note)
            at = At(client=client, order_id=each.order_id, mark=each.mark, options=options)
            right = await each.kind.operate(at)
            if each.kind.effects is None and right is not (each.exists or each.kind.needs is None):
                violations.append(f"{each}: what was read is wrong")
        except CallError:
            pass

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
        queue = iter(planned)

        async def lane() -> None:
            for each in queue:
                await operate(client, each)

        await asyncio.gather(*(lane() for _ in range(32)))

    violations += untrue(planned, calls, Origin(sandbox))
    attempts = sum(len(call.attempts) for call in calls.values())
    outcomes = Counter(call.outcome for call in calls.values())
    return Result(violations, outcomes, attempts / count, attempts - refusing.refused)


def untrue(planned: Sequence[Planned], calls: Mapping[str, Call], origin: Origin) -> Iterator[str]:
    """Every outcome that is not as the origin has it, in words."""
    for each in planned:
        if each.mark not in calls:
            yield f"{each}: no outcome"
            continue
        outcome = calls[each.mark].outcome
        if each.kind.effects is None:
            continue
        effects = each.kind.effects(origin, each)
        if each.kind.removes and not each.exists and not outcome.done:
            effects = 0  # one that never was there is gone, too, but not by us
        if effects > 1 or (outcome.done and not effects) or (effects and outcome in NOTHING_DONE):
            yield f"{each} is {outcome}, but the origin has it {effects} times"


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
