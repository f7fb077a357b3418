"""Many operations against hostile answers; then each call's outcome is held against the origin's ledger.

    PYTHONPATH=tests python -m hostile.operations 20000 --tls 4000

Some calls are cancelled at a random moment, some have little time. A seed decides operations and answers.
"""

import argparse
import asyncio
import pickle
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import attrs
from hostile.answers import KINDS, LATE
from hostile.ledger import Entry, Ledger

from norce_order_async import (
    AiohttpTransport,
    CallError,
    CallOptions,
    DecodeError,
    HttptoolsTransport,
    NorceOrderError,
    OrderClient,
    OutcomeKind,
    Receipt,
    RetryBudget,
    RetryPolicy,
    Timeout,
    create_consent,
    create_order,
    delete_consent,
    get_order,
    patch_attributes,
    patch_consent,
)
from norce_order_async.middleware import Call
from norce_order_async.models import Consent, Order
from norce_order_async.operations import Operation, Repeat, decode_receipt
from norce_order_async.testing import FakeClock
from norce_order_async.testing.conformance.certificates import Certificates
from norce_order_async.transport import Transport

TRANSPORTS: dict[str, Callable[..., Transport]] = {"aiohttp": AiohttpTransport, "httptools": HttptoolsTransport}
LANES = 64
ATTEMPT = LATE / 2
"""Seconds that an attempt may take."""
ONCE = Operation("Once", "POST", "/api/v0/checkout/orders/{order_id}/once", Repeat.NEVER, decode_receipt)
SINGLE = ("create_consent", "create_order", "once")
"""Operations that must not be made twice."""
NAMES = ("patch_consent", "delete_consent", "patch_attributes", "get_order", *SINGLE)


@attrs.define
class End:
    """How a call ended, as ``on_call`` tells it and as its caller sees it.

    Attributes:
        name: Which operation.
        call: Its account.
        error: What it raised.
        result: What it returned.
    """

    name: str
    call: Call | None = None
    error: BaseException | None = None
    result: object = None


@attrs.frozen
class Ran:
    """What came of a run.

    Attributes:
        violations: What is not true, in words.
        outcomes: How many calls ended in each outcome.
        kinds: How many requests were answered in each way.
        requests: How many came to the origin.
        seconds: How long it took.
    """

    violations: list[str]
    outcomes: Counter[OutcomeKind]
    kinds: Counter[str]
    requests: int
    seconds: float


async def run(count: int, seed: int, transport: str, *, tls: bool = False) -> Ran:
    """Make ``count`` calls and compare."""
    rng, started = random.Random(seed), time.monotonic()
    lanes = LANES // 4 if tls else LANES  # a handshake takes both ends' CPU, and an attempt has little time
    ledger = Ledger(rng)
    certificates = Certificates.make() if tls else None
    ends = {f"r{number}": End(rng.choice(NAMES)) for number in range(count)}
    async with ledger.origin(certificates.server if certificates else None) as origin:
        client = OrderClient(
            base_url=f"{origin.url}/checkout/order",
            merchant="norce",
            channel="1",
            auth="token",
            transport=TRANSPORTS[transport](ssl_context=certificates.trusted if certificates else None),
            retry=RetryPolicy(max_attempts=4),
            timeout=Timeout(total=1e6, attempt=ATTEMPT),
            limit=lanes // 2,
            budget=RetryBudget(capacity=1_000_000),
            clock=FakeClock(),
        )
        async with client:
            waiting = iter(ends.items())

            async def lane() -> None:
                for request_id, end in waiting:
                    await operate(client, request_id, end, rng)

            await asyncio.gather(*(lane() for _ in range(lanes)))
        await asyncio.sleep(LATE)  # what comes late is written down, too
    violations = list(ledger.problems)
    for request_id, end in ends.items():
        entries = ledger.entries[request_id]
        violations += (
            f"{request_id}: {end.name} {what} [{end.call and end.call.outcome}, {end.error!r}, {entries}]"
            for what in check(request_id, end, entries)
        )
    return Ran(
        violations,
        Counter(end.call.outcome for end in ends.values() if end.call is not None),
        ledger.kinds,
        sum(map(len, ledger.entries.values())),
        time.monotonic() - started,
    )


async def operate(client: OrderClient, request_id: str, end: End, rng: random.Random) -> None:
    """Make one call, and note how it ends; some are cut."""

    def ended(call: Call, error: BaseException | None) -> None:
        if end.call is not None:
            raise AssertionError("a call has ended twice")
        end.call = call

    options = CallOptions(request_id=request_id, on_call=ended, log_cut=False)
    if rng.random() < 0.02:
        options = attrs.evolve(options, timeout=Timeout(total=rng.uniform(0.001, 0.05)))
    task = asyncio.ensure_future(make(client, end.name, f"o_{request_id}", options))
    if rng.random() < 0.02:
        asyncio.get_running_loop().call_later(rng.uniform(0, 0.05), task.cancel)
    with suppress(asyncio.CancelledError):
        await asyncio.wait([task])
    if task.cancelled():
        end.error = asyncio.CancelledError()
    else:
        end.error, end.result = task.exception(), None if task.exception() else task.result()


async def make(client: OrderClient, name: str, order_id: str, options: CallOptions) -> object:
    match name:
        case "patch_consent":
            return await patch_consent(client, order_id, "ci", checked=True, options=options)
        case "delete_consent":
            return await delete_consent(client, order_id, "ci", options=options)
        case "patch_attributes":
            return await patch_attributes(client, order_id, {"a": 1}, options=options)
        case "get_order":
            return await get_order(client, order_id, options=options)
        case "create_consent":
            return await create_consent(client, order_id, Consent(id="ci", checked=True), options=options)
        case "create_order":
            return await create_order(client, Order(), options=options)
        case _:
            return await client.execute(ONCE, options=options, order_id=order_id)


def check(request_id: str, end: End, entries: list[Entry]) -> list[str]:
    """What of a call's end the ledger contradicts, in words."""
    call, error, result = end.call, end.error, end.result
    if call is None:
        return ["has not told of its end"]
    found: list[str] = []
    made = sum(entry.made for entry in entries)
    outcome = call.outcome
    if outcome.done and not made:
        found.append("is done, and the origin has not made it")
    if outcome in (OutcomeKind.REJECTED, OutcomeKind.NOT_SENT) and made and end.name != "get_order":
        found.append("is not done, and the origin has made it")
    if outcome is OutcomeKind.NOT_SENT and entries:
        found.append("is not sent, and came")
    sent = sum(attempt.sent is not False for attempt in call.attempts)
    answered = sum(attempt.status is not None for attempt in call.attempts)
    lost = sum((attempt.error or "").startswith(("ConnectionLost", "CancelledError", "DeadlineExceeded", "ReadTimeout"))
               for attempt in call.attempts)  # fmt: skip
    if not sent - lost <= len(entries) <= sent or answered > len(entries):
        found.append(f"counts {sent} requests sent and {answered} answered, and {len(entries)} came")
    if end.name in SINGLE:
        again = entries[:-1] if end.name != "once" else entries[1:]
        if made > 1 or any(not entry.kind.startswith("429") for entry in again):
            found.append("was sent again")
    if isinstance(error, NorceOrderError):
        found += _of_error(error, call)
    elif error is not None and not isinstance(error, asyncio.CancelledError):
        found.append("has failed with a foreign error")
    if isinstance(result, Receipt) and (result.outcome, result.attempts) != (outcome, len(call.attempts)):
        found.append("has another receipt than account")
    if isinstance(result, Order) and (result.id != f"o_{request_id}" or result.attributes != {"nonce": request_id}):
        found.append("has got another's order")
    if isinstance(result, str) and result != f"o_{request_id}":
        found.append("has got another's id")
    return found


def _of_error(error: NorceOrderError, call: Call) -> list[str]:
    found: list[str] = []
    if error.outcome is not call.outcome:
        found.append(f"has {error.outcome} on its error")
    if isinstance(error, CallError) and error.attempts != tuple(call.attempts):
        found.append("has other attempts on its error")
    if isinstance(error, DecodeError) and not call.reads_body:
        found.append("was read, and nobody needs that")
    copies = pickle.loads(pickle.dumps(error)), type(error)(*error.args)
    if any((type(copy), str(copy), copy.outcome) != (type(error), str(error), error.outcome) for copy in copies):
        found.append("is another error when it is rebuilt")
    return found


def main(arguments: Any = None) -> int:
    """Run both transports, plain and over TLS, and print what came of it; 1 if there was a violation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--tls", type=int, default=0, help="how many operations over TLS")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    failed = 0
    for tls, count in ((False, options.count), (True, options.tls)):
        for transport in TRANSPORTS if count else ():
            ran = asyncio.run(run(count, options.seed, transport, tls=tls))
            told = ", ".join(f"{number:,} {kind}" for kind, number in ran.outcomes.most_common())
            hostile = ran.requests - ran.kinds["good"] - ran.kinds["gone"]
            print(
                f"{transport}{' over TLS' if tls else ''}: {told}; {ran.requests:,} requests, {hostile:,} answered in "
                f"{len(ran.kinds.keys() & KINDS)} hostile ways; {ran.seconds:.0f} s; {len(ran.violations)} violations",
                flush=True,
            )
            for violation in ran.violations[:20]:
                print(f"  {violation}")
            failed += len(ran.violations)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
