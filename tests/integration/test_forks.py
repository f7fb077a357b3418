"""The package in processes that were forked, or started anew, from one that uses it."""

import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from command import run_code

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

PRELUDE = """
import asyncio, os, sys
import norce_order_async as norce
from norce_order_async.testing import SANDBOX_TOKEN

kind, loops, url = sys.argv[1:4]
if loops == "uvloop":
    import uvloop
new_loop = asyncio.new_event_loop if loops == "asyncio" else uvloop.new_event_loop
client = norce.OrderClient(
    base_url=url, merchant="norce", channel="1", auth=SANDBOX_TOKEN, transport=(transport := getattr(norce, kind)()),
    timeout=norce.Timeout(attempt=2.0),  # a child that runs the parent's loop may take a response of the parent's
)

async def read(order):
    return (await norce.get_order(client, order)).id

def child(work):
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException as error:
        print(f"child: {error!r}", file=sys.stderr)
    finally:
        os._exit(code)

def ended(pid):
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
"""

FORKED = """
from norce_order_async.transport import pools

def use_the_parents_loop():
    for _ in range(3):
        try:
            loop.run_until_complete(read("o_2"))
        except norce.ClientStateError as error:
            assert "forked" in str(error), error
        else:
            raise AssertionError("not refused")

def use_its_own_loop():
    async def main():
        await many("o_2")
        pools._OTHER_LOOPS = 1000.0  # seconds that it would wait for the parent's loop, which does not run here
        await transport.aclose()
    own = new_loop()
    own.run_until_complete(main())
    own.close()

async def many(order):
    for _ in range(10):
        assert set(await asyncio.gather(*(read(order) for _ in range(5)))) == {order}

def see_no_call_under_way():
    shop, = client.stats(by_shop=True).shops
    assert (client.stats().slots_used, shop.slots_used) == (0, 0)

async def main():
    call = asyncio.create_task(read("o_1"))
    while not client.stats().slots_used:
        await asyncio.sleep(0)
    ended(child(see_no_call_under_way))
    await call
    pid = child(use_its_own_loop)  # inside of a running loop
    await many("o_1")
    ended(pid)
    await many("o_1")

loop = new_loop()
loop.run_until_complete(many("o_1"))
if loops == "asyncio":  # libuv aborts the parent as soon as a child runs its loop, whatever runs on it
    pid = child(use_the_parents_loop)
    loop.run_until_complete(many("o_1"))
    ended(pid)
loop.run_until_complete(main())
loop.run_until_complete(client.aclose())
loop.close()
"""

SPAWNED = """
async def many(order):
    assert set(await asyncio.gather(*(read(order) for _ in range(5)))) == {order}

if os.environ.get("SPAWNED"):
    loop = new_loop()
    loop.run_until_complete(many("o_2"))
else:
    import subprocess
    loop = new_loop()
    loop.run_until_complete(many("o_1"))
    other = subprocess.Popen([sys.executable, *sys.argv], env=os.environ | {"SPAWNED": "1"}, close_fds=False)
    loop.run_until_complete(many("o_1"))
    assert other.wait() == 0
loop.run_until_complete(client.aclose())
loop.close()
"""

SERVER = """
import asyncio
from norce_order_async.testing import Sandbox, SandboxServer

async def main():
    sandbox = Sandbox()
    sandbox.add_order("o_1")
    sandbox.add_order("o_2")
    async with SandboxServer(sandbox) as server:
        print(server.url, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def url() -> Generator[str]:
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    yield server.stdout.readline().strip()
    server.kill()
    server.wait()
    server.stdout.close()


@pytest.mark.parametrize("transport", ["AiohttpTransport", "HttptoolsTransport"])
@pytest.mark.parametrize(
    ("program", "loops"),
    [(FORKED, "asyncio"), (FORKED, "uvloop"), (SPAWNED, "asyncio")],
    ids=["forked", "forked on uvloop", "spawned"],
)
def test_processes_share_no_connection(program: str, transport: str, loops: str, url: str, tmp_path: Path) -> None:
    """A loop of asyncio that another process uses is refused; on a loop of its own a child has its own connections."""
    pytest.importorskip(loops)
    file = tmp_path / "program.py"
    file.write_text(PRELUDE + program)
    # Newer Pythons warn of a fork beside other threads; uvloop may have some.
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", str(file), transport, loops, url]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


CHANCES = """
import os
from norce_order_async.core.random_source import SYSTEM_RANDOM

reads, writes = os.pipe()
if (child := os.fork()) == 0:
    os.write(writes, SYSTEM_RANDOM.randbytes(16))
    os._exit(0)
os.waitpid(child, 0)
assert os.read(reads, 16) != SYSTEM_RANDOM.randbytes(16)
"""


def test_a_forked_process_does_not_repeat_the_request_ids_of_its_parent() -> None:
    ran = run_code(CHANCES)
    assert (ran.returncode, ran.stderr) == (0, "")


LOADING = """
import logging, os, signal, sys, threading, time
import norce_order_async as norce

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "norce_order_async.client":
            begun.set()
            time.sleep(0.5)

begun = threading.Event()
sys.meta_path.insert(0, Slow())
thread = threading.Thread(target=lambda: norce.OrderClient)
thread.start()
begun.wait()
if (child := os.fork()) == 0:
    signal.alarm(20)
    norce.Timeout
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
thread.join()
"""


def test_a_process_that_is_forked_while_a_thread_loads_the_package_can_load_it() -> None:
    command = [sys.executable, "-W", "ignore:This process:DeprecationWarning", "-c", LOADING]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")


HANGING = """
import asyncio, sys, time
import norce_order_async as norce
from norce_order_async.transport.resolver import HostResolver

transport = getattr(norce, sys.argv[1])(resolver=HostResolver(lambda host, port: time.sleep(1000)))

async def main():
    client = norce.OrderClient(
        base_url="https://norce.invalid", merchant="norce", channel="1", auth="x", transport=transport,
        timeout=norce.Timeout(connect=0.1), retry=None,
    )
    async with client:
        try:
            await norce.get_order(client, "o_1")
        except norce.ConnectTimeout:
            print("in time")

asyncio.run(main())
"""


@pytest.mark.parametrize("transport", ["AiohttpTransport", "HttptoolsTransport"])
def test_a_look_up_that_hangs_keeps_no_process_alive(transport: str) -> None:
    ran = run_code(HANGING, transport)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "in time\n", "")
