"""Hold ``norce-order sandbox --strict`` against the contract with schemathesis.

    python -m contract_clients.fuzz [EXAMPLES [OPENAPI]]

OPENAPI is another document of the same contract, say one with examples.
No 5xx, no status that the contract lacks, no valid request refused and no invalid one taken, but what docs/sandbox.md
names; and every operation succeeds at some point.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from subprocess import call

from command import CLI
from contract_clients.openapi import write
from soak_injectors.programs import running

from norce_order_async.testing import SANDBOX_TOKEN

EXAMPLES = 100
SEED = 1


async def main(examples: int, other: Path | None) -> int:
    if find_spec("schemathesis") is None:
        print("schemathesis is not installed: skipped")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        contract = other or write(Path(folder))
        async with running(*CLI, "sandbox", "--strict", "--port", "0", port=r"serves http://\S+:(\d+)/") as sandbox:
            url = f"http://127.0.0.1:{sandbox.port}/checkout/order"
            return await asyncio.to_thread(run, contract, Path(folder), url, examples)


def run(contract: Path, folder: Path, url: str, examples: int) -> int:
    """Run schemathesis in a folder; its exit code."""
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent)) or "schemathesis"
    hooks = Path(__file__).with_name("hooks.py")
    env = os.environ | {"SCHEMATHESIS_HOOKS": str(hooks), "SANDBOX_URL": url, "SANDBOX_TOKEN": SANDBOX_TOKEN}
    command = [program, "run", str(contract), "--url", url, "-H", f"Authorization: Bearer {SANDBOX_TOKEN}"]
    command += ["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(examples)]
    command += ["--checks", "all", "--exclude-checks", "positive_data_acceptance,status_code_conformance"]
    command += ["--continue-on-failure", "--seed", str(SEED), "--warnings", "off"]
    return call(command, cwd=folder, env=env)


if __name__ == "__main__":
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES
    other = Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
    sys.exit(asyncio.run(main(examples, other)))
