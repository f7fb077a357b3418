"""The operations of invariants.py through faults that mitmproxy makes, between the client and a sandbox without any.

    PYTHONPATH=tests python -m soak_injectors.mitm 20000

Every outcome is held against the sandbox's state, and the requests that mitmproxy saw against the client's account.
"""

import argparse
import json
import shutil
import sys
import sysconfig
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from invariants import run
from soak_injectors.programs import Program, Unavailable, main, running


async def soak(count: int, seed: int) -> list[str]:
    """Run through mitmproxy; what was not true."""
    mitmdump = shutil.which("mitmdump", path=sysconfig.get_path("scripts")) or shutil.which("mitmdump")
    if mitmdump is None:
        raise Unavailable("mitmproxy is not installed")
    programs: list[Program] = []

    @asynccontextmanager
    async def proxy(origin: str) -> AsyncGenerator[str]:
        with TemporaryDirectory() as folder:
            command = [mitmdump, "-q", "--mode", f"reverse:http://{urlsplit(origin).netloc}", "--set", "http2=false"]
            command += ["--listen-host", "127.0.0.1", "--listen-port", "0", "--set", f"confdir={folder}"]
            command += ["-s", str(Path(__file__).with_name("mitm_addon.py")), "--set", f"fault_seed={seed}"]
            async with running(*command, port=r"^port (\d+)$") as program:
                programs.append(program)
                yield f"http://127.0.0.1:{program.port}{urlsplit(origin).path}"

    result = await run(count, seed, "aiohttp", proxy)
    said = programs[0].last_words.strip().splitlines()
    account: dict[str, Any] = json.loads(said.pop()) if said else {"requests": 0, "faults": {}}
    told = ", ".join(f"{number:,} {kind}" for kind, number in result.outcomes.most_common())
    print(f"mitmproxy, seed {seed}: {count:,} operations: {told}; unknown {result.unknown:.2%}")
    print(
        f"  {result.attempts:.3f} requests an operation; mitmproxy saw {account['requests']:,} of {result.sent:,} sent"
    )
    struck = sum(account["faults"].values())
    print(f"  {struck:,} faults ({struck / max(1, account['requests']):.1%} of what it saw): {account['faults']}")
    violations = result.violations
    if account["requests"] != result.sent:
        violations.append(f"the client counts {result.sent} requests, mitmproxy {account['requests']}")
    return [*violations, *said]  # it is quiet unless something of its own broke


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sys.exit(main("mitmproxy", soak(options.count, options.seed)))
