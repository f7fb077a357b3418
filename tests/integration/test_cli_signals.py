"""Every command ends at SIGTERM as it does at Ctrl-C: what it began is cut off in good order, and it says so."""

import os
import re
import signal
import socket
from pathlib import Path

import pytest
from command import run_code, sandbox_settings, start

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
SIGNALS = [signal.SIGTERM, signal.SIGINT]
AGAIN = "; it may be sent again unless somebody else has changed the same since."
LOOK = (
    r": look at the payment's state \(payment get\) and its transactions \(transaction list\) before you send it again."
)


@pytest.mark.parametrize(
    ("arguments", "number", "operation", "advice"),
    [
        (("order", "get", "o_1"), signal.SIGTERM, None, ""),
        (("order", "get", "o_1"), signal.SIGINT, None, ""),
        (("order", "validate", "o_1"), signal.SIGINT, None, ""),
        (("consent", "patch", "o_1", "c", "--checked"), signal.SIGTERM, "PatchCheckoutOrderConsent", AGAIN),
        (("attributes", "patch", "o_1", "a=1"), signal.SIGINT, "PatchCheckoutOrderAttributes", AGAIN),
        (("action", "execute", "o_1", "p", "a"), signal.SIGTERM, "ExecutePaymentAction", LOOK),
        (("action", "execute", "o_1", "p", "a"), signal.SIGINT, "ExecutePaymentAction", LOOK),
    ],
)
def test_a_call_under_way_is_cut_and_what_became_of_a_change_is_told(
    arguments: tuple[str, ...], number: signal.Signals, operation: str | None, advice: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        process = start(*arguments, env=sandbox_settings(url))
        connection, _ = server.accept()
        with connection:
            connection.settimeout(30)
            head = connection.recv(65536)
            assert b"HTTP/1.1" in head
            process.send_signal(number)
            output, errors = process.communicate(timeout=30)
            while connection.recv(65536):
                pass
    told = "norce-order: interrupted\n"
    if operation is not None:
        request_id = re.findall(rb"(?i)x-request-id: (\w+)", head)[0].decode()
        account = rf"outcome unknown, 1 attempt in \d+\.\d\d s, request id {request_id}"
        told = rf"norce-order: {operation}: interrupted \[{account}\]\n  It may or may not have been applied{advice}\n"
    assert (process.returncode, output) == (130, "")
    assert re.fullmatch(told, errors), errors


def test_a_change_that_is_interrupted_before_it_is_sent_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        process = start("action", "execute", "o_1", "p", "a", env=sandbox_settings(url))
        connection, _ = server.accept()
        with connection:
            connection.settimeout(30)
            assert connection.recv(65536)  # the beginning of a TLS handshake
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (130, "")
    assert errors.startswith("norce-order: ExecutePaymentAction: interrupted: nothing was sent [outcome not_sent, 1 ")


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "command",
    ["batch run --dry-run --format csv", "batch run --dry-run --format jsonl", "sandbox --port 0 --orders-from"],
)
def test_a_command_that_reads_is_ended(tmp_path: Path, command: str, number: signal.Signals) -> None:
    pipe = tmp_path / "changes.jsonl"
    os.mkfifo(pipe)
    process = start(*command.split(), str(pipe))
    with pipe.open("wb", buffering=0) as stream:
        # More than a pipe holds: the command is reading.
        stream.write(b"op,order_id\n" * command.startswith("batch") + b"\n" * 300_000)
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
    ran = run_code(code)
    assert (ran.returncode, ran.stderr) == (-signal.SIGINT, "")
    assert ran.stdout.startswith("norce-order")
