"""IPython: ``await`` in its cells, one client over several of them."""

import importlib.util
import os
from pathlib import Path

import pytest
from command import run_code

SESSION = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for cell in '''
from norce_order_async import OrderClient, get_order; from norce_order_async.testing import Sandbox, SandboxServer
sandbox = Sandbox(); sandbox.add_order("o_1"); server = SandboxServer(sandbox); await server.start()
client = OrderClient(base_url=server.url, merchant="norce", channel="1", auth="sandbox-token")
(await get_order(client, "o_1")).state
[order.id for order in await __import__("asyncio").gather(*(get_order(client, "o_1") for _ in range(3)))]
await client.aclose(); await server.aclose()
'''.strip().splitlines():
    shell.run_cell(cell).raise_error()
"""


@pytest.mark.skipif(importlib.util.find_spec("IPython") is None, reason="IPython is not installed")
def test_cells_await_and_share_a_client(tmp_path: Path) -> None:
    environ = os.environ | {"IPYTHONDIR": str(tmp_path)}
    run = run_code(SESSION, env=environ)
    assert run.returncode == 0, run.stderr
    assert [line.partition(": ")[2] for line in run.stdout.splitlines()] == [
        "State(current_status='checkout', transitions=<1 Transition>)",
        "['o_1', 'o_1', 'o_1']",
    ]
    assert run.stderr == ""
