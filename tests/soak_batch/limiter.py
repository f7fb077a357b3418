"""A batch against a server that takes so many requests a second: nginx with limit_req, in front of the sandbox.

    PYTHONPATH=tests python -m soak_batch.limiter 12000

nginx's log is held against the promises: the batch uses most of the limit, few requests are refused, and no change
comes back before its Retry-After. Skipped where there is no nginx.
"""

import argparse
import asyncio
import math
import socket
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import attrs
from benchmarks.server import find_nginx
from soak_batch.processes import INPUT, all_done, batch, sandbox, write
from soak_injectors.programs import Unavailable, main

LIMIT = 200
RETRY_AFTER = 1.0
REFUSED = 0.01
"""The largest share of the requests in the steady state."""
STEADY_AFTER = 10.0
"""Seconds."""
BURSTS = {" burst=20 nodelay": 0.9, "": 0.75}
"""The least share of the limit that is used in the steady state."""
CONFIGURATION = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  log_format told '$msec $status $http_x_request_id';
  access_log {folder}/access.log told;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  limit_req_zone $server_port zone=all:1m rate={limit}r/s;
  limit_req_status 429;
  limit_req_log_level info;
  keepalive_requests 1000000;
  upstream origin {{ server {origin}; keepalive 100; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      limit_req zone=all{burst};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass http://origin;
    }}
    error_page 429 = @slower;
    location @slower {{
      add_header Retry-After {retry_after:g} always;
      return 429;
    }}
  }}
}}
"""


def changes(count: int) -> Iterator[dict[str, Any]]:
    """Attribute changes, each of an order of its own."""
    for number in range(count):
        yield {"op": "patch_attributes", "order_id": f"o_{number}", "attributes": {"erpId": number}}


@asynccontextmanager
async def limiter(folder: Path, url: str, burst: str) -> AsyncGenerator[str]:
    """The address of nginx in front of another one."""
    if (nginx := find_nginx()) is None:
        raise Unavailable("there is no nginx")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    place = urlsplit(url)
    text = CONFIGURATION.format(
        folder=folder, limit=LIMIT, origin=place.netloc, port=port, burst=burst, retry_after=RETRY_AFTER
    )
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    command = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        for _ in range(100):
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.05)
        else:
            raise Unavailable(f"nginx does not start: {(folder / 'error.log').read_text(encoding='utf-8')[-1000:]}")
        yield f"http://127.0.0.1:{port}{place.path}"
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@attrs.frozen
class Measured:
    """What a batch made of a limit, from ten seconds after its start.

    Attributes:
        name: The kind of limit.
        least: The least share of the limit that is to be used.
        used: The share of the limit that was.
        refused: The share of the requests that was refused.
        violations: What was not as promised besides.
    """

    name: str
    least: float
    used: float
    refused: float
    violations: list[str]

    def figures(self) -> list[tuple[str, float, float, float]]:
        """Each figure, the least and the most that it may be."""
        return [("used", self.used, self.least, math.inf), ("refused", self.refused, 0.0, REFUSED)]


async def run(folder: Path, url: str, count: int, burst: str) -> Measured:
    """Run one variant."""
    name = burst.strip() or "no burst"
    write(folder / INPUT, changes(count))
    async with limiter(folder, url, burst) as limited:
        ran = await batch(folder, limited)
    violations = all_done(ran, count, name)
    answers: Counter[int] = Counter()
    refused_at: dict[str, float] = {}
    pauses: list[float] = []
    times: defaultdict[int, list[float]] = defaultdict(list)
    for line in (folder / "access.log").read_text(encoding="utf-8").splitlines():
        at, status, request_id = line.split()
        answers[int(status)] += 1
        times[int(status)].append(float(at))
        if request_id in refused_at:
            pauses.append(float(at) - refused_at.pop(request_id))
        if status == "429":
            refused_at[request_id] = float(at)
    if not times[200]:
        return Measured(name, BURSTS[burst], 0.0, 0.0, violations)
    steady = min(times[200]) + STEADY_AFTER
    last = max(times[200])
    accepted, refused = (sum(at >= steady for at in times[status]) for status in (200, 429))
    print(
        f"limiter, {name}: {count:,} changes in {last - min(times[200]):.1f} s; {answers[429]:,} of "
        f"{answers.total():,} requests refused; back after at least {min(pauses, default=0.0):.3f} s, at most "
        f"{max(pauses, default=0.0):.1f} s; slowed: {ran.told.get('slowed')}; taken in each 5 s: "
        f"{_profile(times[200])}",
        flush=True,
    )
    if answers[200] != count:
        violations.append(f"{name}: {answers[200]} requests were carried out, for {count} changes: {dict(answers)}")
    if early := sum(pause < RETRY_AFTER for pause in pauses):
        violations.append(f"{name}: {early} changes came back before their Retry-After")
    return Measured(
        name=name,
        least=BURSTS[burst],
        used=accepted / max(1.0, last - steady) / LIMIT,
        refused=refused / max(1, accepted + refused),
        violations=violations,
    )


def _profile(times: list[float]) -> list[int]:
    begin = min(times)
    counts = Counter(int((at - begin) / 5) for at in times)
    return [counts[number] for number in range(max(counts) + 1)]


async def measure(count: int) -> list[Measured]:
    """Run both variants.

    Raises:
        Unavailable: There is no nginx.
    """
    measured: list[Measured] = []
    with TemporaryDirectory() as path:
        async with sandbox(write(Path(path, "orders.jsonl"), changes(count))) as url:
            for number, burst in enumerate(BURSTS):
                measured.append(await run(Path(path, str(number)), url, count, burst))
    return measured


async def soak(count: int) -> list[str]:
    """Run both variants; what was not as promised."""
    violations: list[str] = []
    for one in await measure(count):
        violations += one.violations
        for name, value, least, most in one.figures():
            print(f"limiter, {one.name}: {name} {value:.2%} in the steady state")
            if not least <= value <= most:
                violations.append(f"{one.name}: {name} {value:.2%}, not between {least:g} and {most:g}")
    return violations


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=12_000)
    options = parser.parse_args()
    sys.exit(main("limiter", soak(options.count)))
