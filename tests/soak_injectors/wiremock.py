"""Calls to WireMock, an origin that misbehaves by its own built-in faults.

    npm install --prefix FOLDER wiremock@3
    PYTHONPATH=tests python -m soak_injectors.wiremock FOLDER --calls 300

Every outcome is held against what WireMock's journal says it answered, and the attempts against its requests.
"""

import argparse
import asyncio
import shutil
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
from soak_injectors.programs import Unavailable, main, running

from norce_order_async import (
    Attempt,
    BackOff,
    CallError,
    CallOptions,
    OrderClient,
    OutcomeKind,
    RetryPolicy,
    Timeout,
    delete_consent,
    get_order,
    patch_consent,
)
from norce_order_async.middleware import Call

LANES = 32
POLICY = RetryPolicy(wait=BackOff(base=0.01, throttled_base=0.01))
TIMEOUT = Timeout(total=2.5, attempt=1.0)
LATE = 0.5
"""Seconds after its deadline at which a call has to be over."""

Answer = dict[str, Any]
"""As in WireMock's stubs and journal."""

GOOD: Answer = {"status": 200, "headers": {"Content-Type": "application/json"}, "jsonBody": {"id": "o_1"}}
EMPTY, MALFORMED, RANDOM, RESET = (
    GOOD | {"fault": name}
    for name in ("EMPTY_RESPONSE", "MALFORMED_RESPONSE_CHUNK", "RANDOM_DATA_THEN_CLOSE", "CONNECTION_RESET_BY_PEER")
)
ONE_BY_ONE = {answer["fault"]: answer for answer in (EMPTY, MALFORMED, RANDOM, RESET)}
for milliseconds in (100, 4000):  # in time, and not
    dribble = {"numberOfChunks": 20, "totalDuration": milliseconds}
    ONE_BY_ONE[f"delay-{milliseconds}"] = GOOD | {"fixedDelayMilliseconds": milliseconds}
    ONE_BY_ONE[f"dribble-{milliseconds}"] = GOOD | {"chunkedDribbleDelay": dribble}
GONE: Answer = {"status": 404, "jsonBody": {"code": "not-found"}}
NOT_OURS: Answer = {"status": 404, "body": "not the API's"}
MIX = [GOOD, EMPTY, GONE, RESET, GOOD, {"status": 503}, MALFORMED, GOOD, {"status": 429}, RANDOM, NOT_OURS, GOOD]


async def stub(admin: aiohttp.ClientSession, name: str, answers: list[Answer]) -> None:
    """Give these answers in turn, whoever asks for the order ``name``."""
    states = ["Started", *map(str, range(1, len(answers))), "Started"]
    for answer, state, following in zip(answers, states, states[1:], strict=False):
        turn = {"scenarioName": name, "requiredScenarioState": state, "newScenarioState": following}
        mapping = {"request": {"urlPathPattern": f".*/orders/{name}(/.*)?"}, "response": answer, **turn}
        async with admin.post("/__admin/mappings", json=mapping) as response:
            response.raise_for_status()


async def served(admin: aiohttp.ClientSession, name: str) -> tuple[int, dict[str, list[Answer]]]:
    """How many requests for the order came, and what was answered to each ``x-request-id`` of all, in order."""
    found: defaultdict[str, list[Answer]] = defaultdict(list)
    async with admin.get("/__admin/requests") as response:
        for event in reversed((await response.json())["requests"]):  # the latest comes first
            headers = {key.lower(): value for key, value in event["request"]["headers"].items()}
            found[headers.get("x-request-id", "")].append(event["responseDefinition"] | event["response"])
    pattern = {"urlPathPattern": f".*/orders/{name}(/.*)?"}
    async with admin.post("/__admin/requests/count", json=pattern) as response:
        return int((await response.json())["count"]), found


def expected(operation: str, answers: list[Answer]) -> set[OutcomeKind]:
    """What the design says that these answers amount to, written down a second time."""
    if not answers:
        return {OutcomeKind.NOT_SENT}
    last, lost = answers[-1], any(not whole(answer) or answer["status"] >= 500 for answer in answers)
    if last["status"] == 200 and (whole(last) or ("chunkedDribbleDelay" in last and operation != "get")):
        return {OutcomeKind.APPLIED}  # a change needs no body: of JSON, it may be late
    if last.get("fault") == "MALFORMED_RESPONSE_CHUNK" and operation != "get":
        # It may be garbled, too, but aiohttp tells the status only when it comes in a TCP segment of its own.
        return {OutcomeKind.APPLIED, OutcomeKind.UNKNOWN}
    if lost and operation == "delete" and last["status"] == 404 and last["body"].startswith("{"):
        return {OutcomeKind.APPLIED_INFERRED}
    return {OutcomeKind.UNKNOWN if lost else OutcomeKind.REJECTED}


def whole(answer: Answer) -> bool:
    """Whether all of it reached the client in time."""
    dribble = answer.get("chunkedDribbleDelay", {}).get("totalDuration", 0)
    return "fault" not in answer and answer.get("fixedDelayMilliseconds", 0) + dribble < TIMEOUT.attempt * 1000


async def check(admin: aiohttp.ClientSession, url: str, name: str, answers: list[Answer], count: int) -> list[str]:
    """Make ``count`` calls that meet these answers; what was not as the journal implies."""
    await stub(admin, name, answers)
    tried: Counter[str] = Counter()
    ended: dict[str, tuple[OutcomeKind, float]] = {}

    def on_attempt(call: Call, _: Attempt) -> None:
        tried[call.request_id] += 1

    async def operate(client: OrderClient, call: str) -> None:
        options, outcome, started = CallOptions(request_id=call), OutcomeKind.APPLIED, time.monotonic()
        try:
            match call.split()[0]:
                case "patch":
                    outcome = (await patch_consent(client, name, "c_1", checked=True, options=options)).outcome
                case "delete":
                    outcome = (await delete_consent(client, name, "c_1", options=options)).outcome
                case _:
                    await get_order(client, name, options=options)
        except CallError as error:
            outcome = error.outcome
        ended[call] = outcome, time.monotonic() - started

    # No budget: nearly everything fails here. The clock is the real one.
    settings: dict[str, Any] = {"timeout": TIMEOUT, "retry": POLICY, "budget": None, "on_attempt": [on_attempt]}
    async with OrderClient(base_url=url, merchant="norce", channel="1", auth="token", **settings) as client:
        numbers = iter(range(count))

        async def lane() -> None:
            for number in numbers:
                await operate(client, f"{('patch', 'delete', 'get')[number % 3]} {number} of {name}")

        await asyncio.gather(*(lane() for _ in range(LANES)))

    requests, journal = await served(admin, name)
    outcomes = Counter(outcome for outcome, _ in ended.values())
    told = ", ".join(f"{number:,} {outcome}" for outcome, number in outcomes.most_common())
    print(
        f"WireMock, {name}: {count:,} calls: {told}; unknown {outcomes[OutcomeKind.UNKNOWN] / count:.2%}; "
        f"{tried.total() / count:.3f} requests a call; the longest {max(took for _, took in ended.values()):.2f} s",
        flush=True,
    )
    violations = [f"{name}: {count - len(ended)} calls without an outcome"] if len(ended) != count else []
    if requests != tried.total():
        violations.append(f"{name}: the client counts {tried.total()} attempts, WireMock {requests} requests")
    for call, (outcome, took) in ended.items():
        if outcome not in (right := expected(call.split()[0], journal[call])):
            met = [answer.get("fault", answer["status"]) for answer in journal[call]]
            violations.append(f"{call}: {outcome}, not {' or '.join(right)}, after {met}")
        if len(journal[call]) != tried[call]:
            violations.append(f"{call}: the client counts {tried[call]} attempts, WireMock {len(journal[call])}")
        if took > TIMEOUT.total + LATE:
            violations.append(f"{call}: ended after {took:.2f} s")
    return violations


async def soak(jar: Path | None, count: int) -> list[str]:
    """Call WireMock; what was not as the design says."""
    java = shutil.which("java")
    if java is None or jar is None:
        raise Unavailable("there is no java" if java is None else "the npm package wiremock is not installed")
    with TemporaryDirectory() as root:
        # Not by the package's launcher: java would outlive that one.
        command = [java, "-jar", str(jar), "--bind-address", "127.0.0.1", "--port", "0", "--root-dir", root]
        command += ["--container-threads", "200"]  # a delayed answer occupies one
        async with (
            running(*command, port=r"^port: +(\d+)") as program,
            aiohttp.ClientSession(f"http://127.0.0.1:{program.port}") as admin,
        ):
            url = f"http://127.0.0.1:{program.port}/checkout/order"
            cases = {name: [answer] for name, answer in ONE_BY_ONE.items()}
            violations = [
                line for name, answers in cases.items() for line in await check(admin, url, name, answers, count)
            ]
            return violations + await check(admin, url, "mixed", MIX, 4 * count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--calls", type=int, default=300)
    options = parser.parse_args()
    jars = options.folder.glob("node_modules/wiremock/build/*.jar")
    sys.exit(main("WireMock", soak(next(jars, None), options.calls)))
