"""Every command ends at SIGTERM as it does at Ctrl-C: what it began is cut off in good order, and it says so."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from command import start

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
SIGNALS = [signal.SIGTERM, signal.SIGINT]


@pytest.mark.parametrize(
    ("arguments", "number"),
    [
        (("order", "get", "o_1"), signal.SIGTERM),
        (("order", "get", "o_1"), signal.SIGINT),
        (("consent", "patch", "o_1", "c", "--checked"), signal.SIGTERM),
        (("attributes", "patch", "o_1", "a=1"), signal.SIGTERM),
    ],
)
def test_a_call_under_way_is_cut_and_its_connection_closed(arguments: tuple[str, ...], number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        env = {"NORCE_BASE_URL": url, "NORCE_MERCHANT": "m", "NORCE_CHANNEL": "1", "NORCE_TOKEN": "t"}
        process = start(*arguments, env=env)
        connection, _ = server.accept()
        with connection:
            connection.settimeout(30)
            assert b"HTTP/1.1" in connection.recv(65536)
            process.send_signal(number)
            output, errors = process.communicate(timeout=30)
            while connection.recv(65536):
                pass
    assert (process.returncode, output, errors) == (130, "", "norce-order: interrupted\n")


@pytest.mark.parametrize(("form", "number"), [("jsonl", signal.SIGTERM), ("csv", signal.SIGINT)])
def test_a_command_that_reads_is_ended(tmp_path: Path, form: str, number: signal.Signals) -> None:
    pipe = tmp_path / "changes.jsonl"
    os.mkfifo(pipe)
    process = start("batch", "run", "--dry-run", "--format", form, str(pipe))
    with pipe.open("wb", buffering=0) as stream:
        stream.write(b"op,order_id\n" + b"\n" * 300_000)  # more than a pipe holds: the command is reading
        process.send_signal(number)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (130, "", "norce-order: interrupted\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_the_sandbox_ends(number: signal.Signals) -> None:
    process = start("sandbox", "--port", "0")
    assert process.stdout is not None
    assert "until Ctrl-C" in process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, "")


def test_a_late_interrupt_ends_it_without_a_traceback() -> None:
    code = """
import atexit, signal, sys
from norce_order_async.cli import main
sys.argv = ["norce-order", "--version"]
signal.signal(signal.SIGINT, signal.default_int_handler)  # also where these tests run in the background of a shell
atexit.register(signal.raise_signal, signal.SIGINT)
sys.exit(main())
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (-signal.SIGINT, "")
    assert ran.stdout.startswith("norce-order")
