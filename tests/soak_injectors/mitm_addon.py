"""The faults that mitmproxy makes; mitmproxy runs this file in its own process.

The seed and the request (method, path, body, and how often it came before) decide what happens to it. So an
operation meets the same faults in every run, whatever else is under way. The first line written is the port, the
last the account.
"""

import asyncio
import json
import random
from collections import Counter
from importlib import import_module
from typing import Any

# Imported in a way that type checkers don't follow: they run where mitmproxy is not installed.
ctx: Any = import_module("mitmproxy.ctx")
http: Any = import_module("mitmproxy.http")

SHARES = {
    "kill before": 0.04,
    "kill after": 0.05,
    "truncate": 0.03,
    "429": 0.03,
    "500": 0.02,
    "502": 0.02,
    "503": 0.02,
    "delay": 0.01,
    "stall": 0.01,
}
"""With the 2 % that the client's side refuses, 25 %."""
DELAY, STALL = 0.05, 3.0
"""Seconds; a client has given up before the end of a stall."""


class Faults:
    """Strikes requests on their way to the origin and answers on their way back."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, str, bytes]] = Counter()
        self.struck: Counter[str] = Counter()

    def load(self, loader: Any) -> None:
        loader.add_option("fault_seed", int, 0, "Decides which requests are struck.")

    def running(self) -> None:
        print(f"port {ctx.master.addons.get('proxyserver').listen_addrs()[0][1]}", flush=True)

    def done(self) -> None:
        print(json.dumps({"requests": self.seen.total(), "faults": dict(self.struck.most_common())}), flush=True)

    async def request(self, flow: Any) -> None:
        key = (flow.request.method, flow.request.path, flow.request.raw_content)
        self.seen[key] += 1
        rng = random.Random(f"{ctx.options.fault_seed} {key} {self.seen[key]}")
        [fault] = rng.choices([None, *SHARES], [1 - sum(SHARES.values()), *SHARES.values()])
        if fault is None:
            return
        flow.metadata["fault"] = fault
        self.struck[fault] += 1
        if fault == "kill before":
            flow.kill()
        elif fault == "delay":
            await asyncio.sleep(DELAY)
        elif fault.isdigit():
            headers = {"Retry-After": "1"} if fault == "429" else {}
            flow.response = http.Response.make(int(fault), b"mitmproxy's own answer", headers)

    async def response(self, flow: Any) -> None:
        match flow.metadata.get("fault"):
            case "kill after":
                flow.kill()
            case "stall":
                await asyncio.sleep(STALL)
            case "truncate":
                whole = flow.response.raw_content or b""
                flow.response.raw_content = whole[: len(whole) // 2]
                flow.response.headers["content-length"] = str(len(whole) or 1)
                flow.response.headers["connection"] = "close"
            case _:
                pass


addons = [Faults()]
