"""What a call costs: CPU, throughput and latency of the same PATCH through several clients, against one server.

    python tests/benchmarks/call_cost.py                    every subject, 1, 32 and 256 calls in flight
    python tests/benchmarks/call_cost.py --in-flight 32 --rounds 15 --subjects aiohttp default

The server, nginx where it is installed, is a process of its own, so that the CPU time measured is the client's alone.
All subjects live in this process and take turns in short slices, in another order every round: whatever else the
machine does then hits all of them alike. A slice counts this process's CPU time, garbage collection included. Ratios
are taken within a round, and the median of the rounds' ratios is what counts.

To add a subject, write an async context manager that takes the server's URL and yields an async function of a
number, and put it in ``SUBJECTS``. It has to send ``{"id": "ci_newsletter", "checked": true}`` with ``HEADERS`` to
:func:`target` of that number, to raise when the answer is not a 2xx, and to read the answer's body.
"""

import argparse
import asyncio
import gc
import platform
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import attrs
from yarl import URL

from norce_order_async import AiohttpTransport, Attempt, Call, OrderClient, Repeat, Request, Timeout, patch_consent

Send = Callable[[int], Awaitable[object]]
Subject = Callable[[str], AbstractAsyncContextManager[Send]]

CONSENT = "ci_newsletter"
HEADERS = {
    "Authorization": "Bearer token",
    "x-merchant": "acme",
    "x-channel": "1",
    "x-request-id": "0123456789abcdef0123456789abcdef",
    "User-Agent": "benchmark",
    "Accept": "application/json",
    "Accept-Encoding": "identity",
}
SAME, MANY = 1, 5_000
"""How many orders the calls go to in turn: one suits caches of URLs, many is what jobs do."""

_orders = SAME


def order_id(number: int) -> str:
    """The order that call ``number`` changes."""
    return f"o_{number % _orders:06d}"


def target(number: int) -> str:
    """The path of call ``number``."""
    return f"/api/v0/checkout/orders/{order_id(number)}/consents/{CONSENT}"


# Subjects


@asynccontextmanager
async def handwritten(url: str) -> AsyncGenerator[Send]:
    """What most people write, with everything as aiohttp has it."""
    async with aiohttp.ClientSession() as session:

        async def send(number: int) -> None:
            body = {"id": CONSENT, "checked": True}
            async with session.patch(url + target(number), json=body, headers=HEADERS) as answer:
                answer.raise_for_status()
                await answer.read()

        yield send


@asynccontextmanager
async def tuned(url: str) -> AsyncGenerator[Send]:
    """What aiohttp can be asked to leave out is left out."""
    body = b'{"id":"ci_newsletter","checked":true}'
    headers = HEADERS | {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:

        async def send(number: int) -> None:
            where = URL(url + target(number), encoded=True)
            async with session.patch(where, data=body, headers=headers, allow_redirects=False) as answer:
                answer.raise_for_status()
                await answer.read()

        yield send


def _client(url: str) -> OrderClient:
    return OrderClient(base_url=url, merchant="acme", channel="1", auth="token")


@asynccontextmanager
async def default(url: str) -> AsyncGenerator[Send]:
    """Our client as it comes, with all that it promises."""
    async with _client(url) as client:
        yield lambda number: patch_consent(client, order_id(number), CONSENT, checked=True)


@asynccontextmanager
async def transport(url: str) -> AsyncGenerator[Send]:
    """Our transport alone: the client with an empty chain and a request that is there already."""
    body = b'{"id":"ci_newsletter","checked":true}'
    headers = HEADERS | {"Content-Type": "application/json"}
    limits = Timeout()
    async with AiohttpTransport() as sender:

        async def send(number: int) -> None:
            call = Call("Patch", Repeat.SAFE, HEADERS["x-request-id"], 0.0, limits, None)
            call.attempts.append(Attempt(1, 0.0))
            response = await sender.send(Request(call, "PATCH", url + target(number), headers, body), timeout=15.0)
            if not response.ok:
                raise ValueError(response.status)

        yield send


SUBJECTS: dict[str, Subject] = {"aiohttp": handwritten, "tuned": tuned, "default": default, "transport": transport}
BASELINE = "aiohttp"


# The server

_NGINX = """
worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; client_body_temp_path {folder}/body;
    server {{ listen 127.0.0.1:{port} backlog=1024; default_type application/json; return 200 '{{}}'; }}
}}
"""
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class _Answerer(asyncio.Protocol):
    """Answers each request once its head and as many bytes as that announces are there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while True:
            head, end, rest = self.received.partition(b"\r\n\r\n")
            _, _, length = head.lower().partition(b"content-length:")
            size = int(length.partition(b"\r\n")[0] or 0)
            if not end or len(rest) < size:
                return
            self.received = rest[size:]
            self.transport.write(_ANSWER)


async def _answer(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Answerer, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


@contextmanager
def serve() -> Generator[tuple[str, str]]:
    """A server that answers every request with 200 and ``{}``: its name and URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    with tempfile.TemporaryDirectory(prefix="call-cost-") as folder:
        command = [sys.executable, __file__, "--serve", str(port)]
        if nginx:
            settings = Path(folder, "nginx.conf")
            settings.write_text(_NGINX.format(folder=folder, port=port), encoding="utf-8")
            command = [nginx, "-p", folder, "-e", f"{folder}/error.log", "-c", str(settings)]
        process = subprocess.Popen(command)
        try:
            _await_port(process, port)
            yield "nginx" if nginx else "asyncio", f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def _await_port(process: "subprocess.Popen[bytes]", port: int) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server did not start")


# Measuring


@attrs.frozen
class Slice:
    """One turn of one subject.

    Attributes:
        cpu: Microseconds of CPU a call.
        per_second: Calls a second.
        p50: Milliseconds that half of the calls took at most.
        p99: Milliseconds that 99 of 100 calls took at most.
    """

    cpu: float
    per_second: float
    p50: float
    p99: float


async def run_slice(send: Send, calls: int, in_flight: int) -> Slice:
    """Make so many calls, so many at once."""
    numbers = iter(range(calls))
    waits: list[float] = []

    async def work() -> None:
        for number in numbers:
            before = time.perf_counter()
            await send(number)
            waits.append(time.perf_counter() - before)

    gc.collect()
    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - started
    waits.sort()
    return Slice(cpu / calls * 1e6, calls / seconds, waits[calls // 2] * 1e3, waits[calls * 99 // 100] * 1e3)


Results = dict[str, list[Slice]]


async def measure(url: str, subjects: Sequence[str], *, in_flight: int, calls: int, rounds: int) -> Results:
    """Let the subjects take turns; a first round, in which connections open and caches fill, does not count."""
    results: Results = {name: [] for name in subjects}
    async with AsyncExitStack() as stack:
        senders = {name: await stack.enter_async_context(SUBJECTS[name](url)) for name in subjects}
        for send in senders.values():
            await run_slice(send, calls, in_flight)
        for _ in range(rounds):
            for name in random.sample(list(subjects), len(subjects)):
                results[name].append(await run_slice(senders[name], calls, in_flight))
    return results


def ratios(results: Results, name: str, baseline: str = BASELINE) -> list[float]:
    """CPU a call over the baseline's, one ratio a round, sorted."""
    return sorted(ours.cpu / theirs.cpu for ours, theirs in zip(results[name], results[baseline], strict=True))


def table(results: Results) -> Iterator[str]:
    """The medians as lines of text; in brackets the middle half of the rounds."""
    yield f"{'':12}{'CPU µs a call':>22}{'ratio':>20}{'calls/s':>9}{'p50 ms':>8}{'p99 ms':>8}"
    for name, slices in results.items():
        cpu = sorted(slice.cpu for slice in slices)
        ratio = ratios(results, name) if BASELINE in results else [1.0]
        per_second, p50, p99 = (
            statistics.median(getattr(slice, value) for slice in slices) for value in ("per_second", "p50", "p99")
        )
        yield f"{name:12}{_spread(cpu, '.1f'):>22}{_spread(ratio, '.2f'):>20}{per_second:9.0f}{p50:8.2f}{p99:8.2f}"


def _spread(values: Sequence[float], form: str) -> str:
    quarter = len(values) // 4
    return f"{statistics.median(values):{form}} ({values[quarter]:{form}}-{values[-1 - quarter]:{form}})"


def main() -> None:
    """Measure and print."""
    global _orders
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in-flight", type=int, nargs="+", default=[1, 32, 256])
    parser.add_argument("--orders", type=int, nargs="+", default=[SAME, MANY], help="how many orders, in turn")
    parser.add_argument("--subjects", nargs="+", choices=SUBJECTS, default=list(SUBJECTS))
    parser.add_argument("--calls", type=int, default=1_000, help="calls a slice")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--serve", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(_answer(options.serve))
        return
    with serve() as (server, url):
        print(f"Python {platform.python_version()}, aiohttp {aiohttp.__version__}, {server}; median (middle half) of")
        print(f"{options.rounds} rounds with {options.calls:,} calls a subject")
        for _orders in options.orders:
            for in_flight in options.in_flight:
                settings = {"in_flight": in_flight, "calls": options.calls, "rounds": options.rounds}
                results = asyncio.run(measure(url, options.subjects, **settings))
                print(f"\n{in_flight} in flight, {_orders:,} order{'s' if _orders > 1 else ''}")
                print(*table(results), sep="\n", flush=True)


if __name__ == "__main__":
    main()
