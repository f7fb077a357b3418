"""The same calls over TLS, against nginx, in a process that trusts its certificate.

python -m benchmarks.tls URL ROUNDS        that process: its rows as JSON
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import calls
from benchmarks.measure import MANY, opened_apart, take_turns
from benchmarks.peers import load
from benchmarks.server import find_nginx, serve
from benchmarks.subjects import LANES
from benchmarks.tables import Found, Table

_SUBJECTS = ("ours", "ours-httptools", "aiohttp", "aiohttp-tuned")
IN_FLIGHT = 32


def measure(rounds: int) -> Found:
    """Measure, where nginx and trustme are installed."""
    if find_nginx() is None:
        return _left_out("nginx is not installed")
    try:
        load("trustme")
    except ImportError as error:
        return _left_out(str(error))
    with TemporaryDirectory() as folder:
        trusted, certificate = make_certificate(Path(folder))
        with serve(certificate) as server:
            command = [sys.executable, "-m", "benchmarks.tls", server.url, str(rounds)]
            env = os.environ | {"SSL_CERT_FILE": str(trusted)}
            done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    table = Table(**json.loads(done.stdout))
    return Found([table], ["aiohttp", "httptools", "uvloop"], server.name)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Files of an authority, and of a certificate of 127.0.0.1 by it with its key."""
    trusted, certificate = folder / "authority.pem", folder / "server.pem"
    authority = load("trustme").CA()
    authority.cert_pem.write_to_path(str(trusted))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    return trusted, certificate


def _left_out(reason: str) -> Found:
    print(f"TLS is left out: {reason}", flush=True)
    return Found([], [])


def main(url: str, rounds: int) -> None:
    """Make the calls."""
    with opened_apart([lane for lane in LANES if lane.subject.name in _SUBJECTS], url) as ready:
        results = take_turns(ready, in_flight=IN_FLIGHT, calls=calls.calls_in(IN_FLIGHT), rounds=rounds)
    table = calls.table(results, IN_FLIGHT, MANY)
    print(json.dumps({"caption": f"{table.caption}, over TLS", "columns": table.columns, "rows": table.rows}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
