"""What ``batch run`` tells the processes that it starts, and what carries the requests."""

from pathlib import Path
from typing import Any

import pytest
from shell import Shell

from norce_order_async import AiohttpTransport
from norce_order_async.cli.parser import build_parser
from norce_order_async.cli.settings import transport_from
from norce_order_async.core.errors import ConfigurationError

PROFILE = """
[a]
token_file = "token"
[b]
token_variable = "MY_TOKEN"
"""


@pytest.mark.parametrize(
    ("flag", "module", "kind", "where"),
    [
        ("--workers", "norce_order_async.batch.cluster", "ClusterBatch", ("NORCE_TOKEN_FILE", "NORCE_TOKEN")),
        ("--processes", "norce_order_async.batch.processes", "ProcessBatch", ("token_file", "auth")),
    ],
)
@pytest.mark.parametrize("profile", ["a", "b"])
def test_processes_of_this_machine_get_the_token_of_the_profile(
    shell: Shell,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flag: str,
    module: str,
    kind: str,
    where: tuple[str, str],
    profile: str,
) -> None:
    pytest.importorskip("distributed")
    told: list[dict[str, Any]] = []

    def started(*_: Any, **arguments: Any) -> None:
        told.append(arguments)
        raise ConfigurationError("enough")

    (tmp_path / "config.toml").write_text(PROFILE)
    (tmp_path / "token").write_text("of-the-file")
    (tmp_path / "changes.jsonl").write_text('{"op": "delete_consent", "order_id": "o_1", "consent_id": "c"}\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NORCE_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("MY_TOKEN", "of-the-variable")
    monkeypatch.delenv("NORCE_TOKEN")
    monkeypatch.setattr(f"{module}.{kind}", started)
    assert shell("batch", "run", "changes.jsonl", flag, "2", "--profile", profile)[0] == 3
    assert "enough" in shell.errors
    given = told[0]["environment"] if kind == "ClusterBatch" else told[0]["settings"]
    file, text = where
    assert (given.get(file), given.get(text)) == (
        (str(tmp_path / "token"), None) if profile == "a" else (None, "of-the-variable")
    )


@pytest.mark.parametrize(
    ("variables", "flags", "is_aiohttp"),
    [
        ({}, [], False),
        ({"NORCE_PROXY": "http://proxy.example:3128"}, [], False),
        ({"NORCE_PROXY": "HTTPS://proxy.example:3128"}, [], True),
        ({"NORCE_PROXY": "https://proxy.example:3128"}, ["--base-url", "http://localhost:1"], False),
        ({"HTTPS_PROXY": "https://proxy.example:3128"}, [], False),
        ({"HTTPS_PROXY": "https://proxy.example:3128"}, ["--proxy-from-env"], True),
        ({"HTTPS_PROXY": "https://proxy.example:3128", "NO_PROXY": "api.example"}, ["--proxy-from-env"], False),
        ({"NORCE_PROXY": "https://proxy.example:3128"}, ["--transport", "httptools"], False),
    ],
)
def test_a_proxy_that_speaks_tls_is_reached_by_aiohttp(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], flags: list[str], is_aiohttp: bool
) -> None:
    pytest.importorskip("httptools")
    for name in ("NORCE_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NORCE_BASE_URL", "https://api.example/checkout/order")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    words = ["batch", "run", "changes.jsonl", *flags]
    options = build_parser(words).parse_args(words)
    assert (transport_from(options) is AiohttpTransport) is is_aiohttp
