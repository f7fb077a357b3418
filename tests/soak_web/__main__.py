"""The example web apps under load: visitors who leave, an API that fails, and SIGTERM in the middle of it.

    PYTHONPATH=tests python -m soak_web 1000

Where the server knows how, an app has two worker processes on uvloop. What each app's log says became of a change is
held against what the sandbox knows.
"""

import argparse
import asyncio
import random
import re
import signal
import sys
from collections import Counter

import aiohttp
import attrs
from webapps import COMMANDS, WebApp, missing

from norce_order_async.testing import Sandbox, SandboxServer

SERVERS = COMMANDS | {
    # Hypercorn kills its other workers as soon as the first has ended.
    "quart": ("quart", "-m uvicorn quart_app:app --port {port}"),
}
WORKERS = " --workers 2 --loop uvloop --no-access-log"
"""More options of uvicorn."""
AT_ONCE = 40
FAULTS = (
    "status:503:share=5%",
    "status:429:retry-after=0:share=2%",
    "drop-after:share=2%",
    "drop-before:share=2%",
    "latency:0.05:share=60%",
)
ENDED = re.compile(r"PatchCheckoutOrderConsent ([0-9a-f]{32}): (\w+)")
ACCEPTED = re.compile(r"unclosed <socket\.socket fd=(\d+),.* laddr=\('127\.0\.0\.1', (\d+)\)")
LEFT = re.compile(r"Traceback|unclosed (?!<socket)(?:transport <_SelectorSocketTransport fd=(\d+))?")


@attrs.define
class Account:
    """What the visitors of one app met.

    Attributes:
        answers: How many had which outcome, or which other end.
        refused: How often a visitor came while no server listened, and came again.
        lost: Of those whose connection was cut before the answer, how many had reached the API.
        restarts: How often the server was ended by SIGTERM and started again.
        exits: The statuses that it ended with.
        wrong: Where the app, or an answer, says otherwise than the sandbox.
    """

    answers: Counter[str] = attrs.field(factory=Counter[str])
    refused: int = 0
    lost: int = 0
    restarts: int = 0
    exits: Counter[int] = attrs.field(factory=Counter[int])
    wrong: list[str] = attrs.field(factory=list[str])


async def visit(browser: aiohttp.ClientSession, url: str, headers: dict[str, str], patience: float | None) -> str:
    """Make a change; its outcome, or how the visit ended without one."""
    try:
        async with asyncio.timeout(patience), browser.post(url, headers=headers) as answer:
            body = await answer.json(content_type=None)
            return str(body["outcome"])
    except TimeoutError:
        return "left"
    except aiohttp.ClientConnectorError:
        return "refused"
    except aiohttp.ClientConnectionError:
        return "cut"


async def visits(name: str, count: int, restarts: int, seed: int) -> Account:
    """Visit one app so often, while its server is ended by SIGTERM and started again."""
    sandbox, account, rng = Sandbox(seed=seed, remember=20 * count), Account(), random.Random(seed)
    for number in range(count):
        sandbox.add_order(f"o_{number}", consents=["ci"])
    sandbox.faults.add(*FAULTS)
    numbers = iter(range(count))
    answered: dict[int, str] = {}

    async def visitor(url: str) -> None:
        for number in numbers:
            path = f"{url}/1/orders/o_{number}/consents/ci"  # of an order of its own
            headers = {"x-request-timeout": "0.03"} if rng.random() < 0.05 else {}
            patience = rng.uniform(0.001, 0.06) if rng.random() < 0.1 else None
            while (end := await visit(browser, path, headers, patience)) == "refused":
                account.refused += 1
                await asyncio.sleep(0.05)
            answered[number] = end

    async with SandboxServer(sandbox) as upstream, aiohttp.ClientSession() as browser:
        command = SERVERS[name][1]
        app = WebApp(command + WORKERS if "uvicorn" in command else command, upstream.url)
        async with app:
            visitors = [asyncio.create_task(visitor(app.url)) for _ in range(AT_ONCE)]
            for restart in range(1, restarts + 1):
                while len(answered) < restart * count // (restarts + 1):  # noqa: ASYNC110 (of other tasks)
                    await asyncio.sleep(0.01)
                account.exits[await app.terminate()] += 1
                await app.start()
                account.restarts += 1
            await asyncio.gather(*visitors)
            account.exits[await app.terminate()] += 1
    account.answers.update(answered.values())
    reached = {_number(request.target) for request in sandbox.requests}
    account.lost = sum(end == "cut" and number in reached for number, end in answered.items())
    account.wrong = differences(sandbox, app.lines, answered)
    account.wrong += [f"printed: {line}" for line in left(app.lines, app.url.rpartition(":")[2])]
    return account


def _number(target: str) -> int:
    match = re.search(r"/o_(\d+)/", target)
    assert match
    return int(match[1])


def differences(sandbox: Sandbox, lines: list[str], answered: dict[int, str]) -> list[str]:
    """Where the log or an answer tells otherwise than the sandbox, which has each order changed once at most."""
    told = {match[1]: match[2] for match in map(ENDED.search, lines) if match}
    applied: set[str] = set()
    orders: dict[str, int] = {}
    for request in sandbox.requests:
        call = request.headers["x-request-id"]
        orders[call] = _number(request.target)
        if request.applied:
            applied.add(call)
    wrong = [f"{call} came and is not in the log" for call in orders.keys() - told.keys()]
    for call, outcome in told.items():
        if outcome in ("applied", "accepted") and call not in applied:
            wrong.append(f"{call} is told {outcome} and was not")
        if outcome in ("rejected", "not_sent") and call in applied:
            wrong.append(f"{call} is told {outcome} and was applied")
    for call, number in orders.items():
        answer = answered[number]
        if answer not in ("left", "cut", told.get(call)):
            wrong.append(f"{call} is answered {answer} and told {told.get(call)}")
    return wrong


def left(lines: list[str], port: str) -> list[str]:
    """What an app left open, or could not handle.

    A connection that asyncio accepts in the turn in which it closes its server is left by asyncio:
    https://github.com/python/cpython/issues/109564.
    """
    dropped = {match[1] for match in map(ACCEPTED.search, lines) if match and match[2] == port}
    return [line for line in lines if (match := LEFT.search(line)) and match[1] not in dropped]


async def main(count: int, restarts: int, seed: int) -> int:
    """Visit every app; the exit status."""
    wrong = 0
    for name in COMMANDS:
        if why := missing(name):
            print(f"{name}: skipped, {why}")
            continue
        account = await visits(name, count, restarts, seed)
        wrong += len(account.wrong)
        ends = ", ".join(f"{number:,} {end}" for end, number in sorted(account.answers.items()))
        exits = ", ".join(signal.Signals(-code).name if code < 0 else str(code) for code in account.exits)
        print(f"{name}: {count:,} requests: {ends} ({account.lost} of the cut reached the API); ", end="")
        print(f"{account.restarts} restarts (exit {exits}), {account.refused:,} refused meanwhile; ", end="")
        print(f"{len(account.wrong)} differences from the ledger", flush=True)
        for line in account.wrong[:10]:
            print(f"  WRONG {line}")
    return int(bool(wrong))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Visit the example web apps.")
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("--restarts", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.count, arguments.restarts, arguments.seed)))
