"""The command line, as a person or a script meets it: a process with output and an exit code."""

import json
import re
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme
from command import CLI, clean, run, sandbox_settings
from commanded import call

from norce_order_async import __version__

TOKEN = "sandbox-token"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[dict[str, str]]:
    """The settings for a sandbox that runs in a process of its own."""
    process = subprocess.Popen(
        [*CLI, "sandbox", "--port", "0", "--seed-orders", "400"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    url = process.stdout.readline().split()[3]
    yield sandbox_settings(url)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
    process.stdout.close()


def test_single_changes_from_flag_to_order(sandbox: dict[str, str]) -> None:
    patched = run("consent", "patch", "o_123", "ci_newsletter", "--checked", env=sandbox)
    assert (patched.returncode, patched.stderr) == (0, "")
    assert patched.stdout.startswith("PatchCheckoutOrderConsent: applied (HTTP 200, 1 attempt in 0.")
    deleted = call("consent", "delete", "o_123", "ci_terms", "--output", "json", env=sandbox)
    assert deleted.returncode == 0
    told = json.loads(deleted.stdout)
    assert (told["operation"], told["outcome"], told["attempts"]) == ("RemoveCheckoutOrderConsent", "applied", 1)
    pairs = ["erpId=A-17", "code=007", "exported:=true", "note:=null", "price:=12.50", "eq=a=b"]
    assert run("attributes", "patch", "o_123", *pairs, env=sandbox).returncode == 0
    assert call("attributes", "patch", "o_123", "--json", '{"more": [1]}', env=sandbox).returncode == 0

    order = json.loads(run("order", "get", "o_123", "--output", "json", env=sandbox).stdout)
    assert order["consents"] == [{"id": "ci_newsletter", "checked": True}]
    assert order["attributes"] == {
        "erpId": "A-17", "code": "007", "exported": True, "note": None, "price": 12.5, "eq": "a=b", "more": [1],
    }  # fmt: skip
    text = call("order", "get", "o_123", env=sandbox).stdout
    assert "Order o_123 · checkout · norce/1" in text
    assert "[x] ci_newsletter" in text
    assert "price     12.50" in text


def test_attributes_from_a_file(sandbox: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "attributes.json").write_text('{"fromFile": "å"}', encoding="utf-8")
    assert call("attributes", "patch", "o_123", "--json", "@attributes.json", env=sandbox, cwd=tmp_path).returncode == 0


def test_a_token_from_a_file(sandbox: dict[str, str], tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(f"{TOKEN}\n", encoding="utf-8")
    env = {name: value for name, value in sandbox.items() if name != "NORCE_TOKEN"}
    assert call("order", "get", "o_123", env=env | {"NORCE_TOKEN_FILE": str(secret)}).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "says"),
    [
        (["order", "get", "o_404"], {}, 1, ["order-not-found: Order with id:o_404 not found", "--merchant"]),
        (["order", "get", "o_123"], {"NORCE_TOKEN": "wrong"}, 3, ["401", "token was refused: check NORCE_TOKEN"]),
        (["order", "get", "o_123"], {"NORCE_TOKEN": ""}, 3, ["no token: set NORCE_TOKEN"]),
        (["order", "get", "o_123"], {"NORCE_TOKEN_FILE": "/absent", "NORCE_TOKEN": ""}, 3, ["NORCE_TOKEN_FILE"]),
        (["order", "get", "o_123"], {"NORCE_MERCHANT": ""}, 3, ["set NORCE_MERCHANT"]),
        (["order", "get", "o_123"], {"NORCE_BASE_URL": "http://127.0.0.1:9"}, 3, ["not reached", "not_sent"]),
        (["order", "get", "o_123"], {"NORCE_BASE_URL": "http://example.com"}, 3, ["unencrypted"]),
        (["order", "get", "o_123", "--environment", "prod", "--slug", "a"], {}, 2, ["invalid choice: 'prod'", "stage"]),
        (["order", "get", "o/1"], {}, 2, ["order_id 'o/1' holds '/'"]),
        (["consent", "patch", "o_123", "ci"], {}, 2, ["--checked --unchecked is required"]),
        (["consent", "patch", "o_123", "ci_absent", "--checked"], {}, 1, ["consent-not-found"]),
        (["attributes", "patch", "o_123"], {}, 2, ["KEY=TEXT"]),
        (["attributes", "patch", "o_123", "novalue"], {}, 2, ["'novalue' is neither KEY=TEXT nor KEY:=JSON"]),
        (["attributes", "patch", "o_123", "a:=b"], {}, 2, ["a: not JSON"]),
        (["attributes", "patch", "o_123", "--json", "[1]"], {}, 2, ["must be a JSON object"]),
        (["attributes", "patch", "o_123", "--json", "@/absent"], {}, 2, ["/absent cannot be read"]),
        (
            ["attributes", "patch", "o_123", "--json", '{"a": 1, "a": 2}'],
            {},
            2,
            ["--json: the member 'a' is there twice"],
        ),
        (["attributes", "patch", "o_123", 'x:={"y": {"b": 1, "b": 1}}'], {}, 2, ["x: the member 'b' is there twice"]),
        (["attributes", "patch", "o_123", "a=1", "a:=1"], {}, 2, ["the attribute 'a' is there twice"]),
        (["order", "get", "o_123", "--timeout", "0"], {}, 2, ["above 0"]),
        (["order"], {}, 2, ["COMMAND"]),
        ([], {}, 2, ["COMMAND"]),
        (["refund"], {}, 2, ["refund"]),
        (["order", "get", "o_123", "--timeout", "soon"], {}, 2, ["number of seconds above 0", "infinity, not 'soon'"]),
        (["sandbox", "--callback-deadline", "nan"], {}, 2, ["--callback-deadline", "seconds above 0 and", "not 'nan'"]),
        (["sandbox", "--port", "0", "--fault", "oops"], {}, 2, ["'oops' is none of latency"]),
        (["sandbox", "--port", "0", "--fault", "slow:1:operation=Nope"], {}, 2, ["no operation 'Nope'"]),
        (["batch", "run", "x", "--sandbox", "--concurrency", "many"], {}, 2, ["whole number of at least 1"]),
        (["batch", "run", "x", "--fault", "truncate"], {}, 2, ["--fault goes with --sandbox"]),
        (["batch", "run", "absent.jsonl"], {}, 3, ["absent.jsonl cannot be read"]),
    ],
    ids=range(30),
)
def test_what_goes_wrong_is_told_with_what_to_do(
    sandbox: dict[str, str], arguments: list[str], settings: dict[str, str], code: int, says: list[str], tmp_path: Path
) -> None:
    result = call(*arguments, env=sandbox | settings, cwd=tmp_path)
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    for text in says:
        assert text in result.stderr
    assert TOKEN not in result.stderr


@pytest.mark.parametrize(
    ("host", "says", "never"),
    [
        ("localhost", ["Nothing leaves this machine"], "whoever"),
        ("0.0.0.0", ["every address of this machine", "whoever", TOKEN, "plain HTTP"], "Nothing leaves"),
    ],
)
def test_a_sandbox_says_who_can_reach_it(host: str, says: list[str], never: str) -> None:
    command = [*CLI, "sandbox", "--port", "0", "--host", host, "--seed-orders", "3", "--strict", "--console-writes"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = ""
        while "consent patch" not in text:
            text += process.stdout.readline()
        result = call("order", "get", "o_123", env=sandbox_settings(text.split()[3]))
        page = re.search(r"console, in a browser: (\S+)", text)
        assert page is not None
        console = HTTPConnection(urlsplit(page[1]).netloc, timeout=30)
        console.request("POST", "/_console/faults", b'{"fault": "truncate"}', {"content-type": "application/json"})
        assert console.getresponse().status == 200
        console.close()
        process.send_signal(signal.SIGINT)
    assert process.returncode == 0
    assert (result.returncode, result.stderr) == (0, "")
    for part in says:
        assert part in text
    assert never not in text


def test_a_port_in_use_is_told(sandbox: dict[str, str]) -> None:
    port = sandbox["NORCE_BASE_URL"].split(":")[2].split("/")[0]
    result = call("sandbox", "--port", port)
    assert result.returncode == 3
    assert "Address already in use (port 0 takes a free one)" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [[], ["order", "get"], ["consent", "patch"], ["attributes", "patch"], ["batch", "run"], ["sandbox"], ["check"]],
)
def test_help_tells_the_exit_codes(arguments: list[str]) -> None:
    result = call(*arguments, "--help")
    assert result.returncode == 0
    assert "3 could not start" in result.stdout


def test_version() -> None:
    assert run("--version").stdout == f"norce-order {__version__}\n"


def test_output_into_a_closed_pipe_is_no_traceback(sandbox: dict[str, str]) -> None:
    command = f"{{ {' '.join(CLI)} order get o_123; echo $? >&2; }} | true"
    result = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, env=clean(sandbox), timeout=30, check=False
    )
    assert result.stderr in ("0\n", "1\n")  # its reader may be there a little longer


def test_a_reader_that_leaves_ends_a_list_quietly(sandbox: dict[str, str]) -> None:
    """The pipe holds less than what is to come, so the command is still writing when its reader leaves."""
    command = f"{{ {' '.join(CLI)} order list --output jsonl; echo $? >&2; }} | head -n 2"
    result = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, env=clean(sandbox), timeout=60, check=False
    )
    assert result.stderr == "1\n"
    assert [json.loads(line)["merchant"] for line in result.stdout.splitlines()] == ["norce", "norce"]


def test_a_shell_completes_what_is_typed(tmp_path: Path) -> None:
    pytest.importorskip("argcomplete")
    script = """
PATH="$1:$PATH"
eval "$(register-python-argcomplete norce-order)"
complete_after() {
    COMP_LINE="norce-order $1" COMP_TYPE=9 COMPREPLY=()
    COMP_POINT=${#COMP_LINE} COMP_WORDS=($COMP_LINE)
    _python_argcomplete norce-order "${COMP_WORDS[-1]}" "${COMP_WORDS[-2]}"
    echo ${COMPREPLY[*]}
}
complete_after "ord"
complete_after "payment cr"
complete_after "order list --date"
complete_after "state update o_1 co"
complete_after "batch r"
"""
    bash = ["bash", "-c", script, "bash", str(Path(CLI[0]).parent)]
    result = subprocess.run(bash, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert result.stdout.split("\n")[:-1] == ["order", "create", "--date-from --date-to", "completed", "run report"]


def test_check_finds_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with suppress(OSError), connection, context.wrap_socket(connection, server_side=True):
                pass

        thread = threading.Thread(target=serve)
        thread.start()
        url = f"https://localhost:{server.getsockname()[1]}"
        result = run("check", env=sandbox_settings(url), cwd=tmp_path)
        thread.join(timeout=30)
    assert result.returncode == 3, result.stderr
    assert "TLS                   WRONG" in result.stdout
    assert "NORCE_CA_FILE" in result.stdout


def test_names_that_the_terminal_cannot_show(sandbox: dict[str, str]) -> None:
    env = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    assert run("attributes", "patch", "o_123", "name=å", env=sandbox | env).returncode == 0
    assert run("order", "get", "o_123", env=sandbox | env).returncode == 0
