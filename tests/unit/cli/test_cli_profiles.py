"""Which settings hold, where they come from, and what ``norce-order check`` says of them."""

import json
from argparse import Namespace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from answering import answering
from shell import Shell
from support import ScriptedTransport

from norce_order_async import AiohttpTransport
from norce_order_async.cli.profile import profile_file
from norce_order_async.testing import SANDBOX_TOKEN

HTML = (200, {"content-type": "text/html"}, b"<html>Sign in</html>")
JSON = {"content-type": "application/json"}
PAGE = (200, JSON, b'{"data": []}')


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NORCE_CONFIG", str(tmp_path / "config.toml"))
    return tmp_path / "config.toml"


def unset(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    for name in names:
        monkeypatch.delenv(f"NORCE_{name}")


def settings(shell: Shell, *words: str) -> dict[str, tuple[str, str]]:
    _, out = shell("check", "--output", "json", *words)
    return {name: (setting["value"], setting["source"]) for name, setting in json.loads(out)["settings"].items()}


def test_an_option_wins_over_the_environment_and_that_over_the_profile(
    shell: Shell, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text(
        """
[stage]
merchant = "of-profile"
channel = "of-profile"
adapter_id = "of-profile"
base_url = "http://localhost/of-profile"
timeout = 7
transport = "httptools"
output = "table"
"""
    )
    monkeypatch.setenv("NORCE_PROFILE", "absent")
    unset(monkeypatch, "BASE_URL")
    found = settings(shell, "--merchant", "of-option", "--profile", "stage")
    assert found["merchant"] == ("of-option", "--merchant")
    assert found["channel"] == ("1", "NORCE_CHANNEL")
    assert found["adapter_id"] == ("of-profile", "profile stage")
    assert found["base_url"] == ("http://localhost/of-profile", "profile stage")
    assert found["timeout"] == ("7", "profile stage")
    assert found["transport"] == ("httptools", "profile stage")
    assert found["token"] == ("set", "NORCE_TOKEN")
    assert found["output"] == ("json", "--output")


def test_an_address_comes_from_one_place(shell: Shell, config: Path) -> None:
    config.write_text('[live]\nenvironment = "stage"\nslug = "acme"\n')
    assert settings(shell)["transport"] == ("aiohttp", "default")
    assert "slug" not in settings(shell, "--profile", "live")
    assert "base_url" not in settings(shell, "--profile", "live", "--slug", "other", "--environment", "stage")


@pytest.mark.parametrize("output", ["table", "json"])
def test_an_output_of_the_profile_that_a_command_does_not_have_is_passed_over(
    shell: Shell, config: Path, output: str
) -> None:
    config.write_text(f'[p]\noutput = "{output}"\n')
    listed = shell("order", "list", "--all")
    assert listed[0] == 0
    assert shell("order", "list", "--all", "--profile", "p") == listed
    assert shell("order", "list", "--all", "--profile", "p", "--output", output)[0] == 2


def test_a_profile_is_enough(shell: Shell, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config.parent / "token").write_text(SANDBOX_TOKEN)
    config.write_text(
        """
[a]
base_url = "http://localhost/checkout/order"
merchant = "norce"
channel = "1"
token_file = "token"
output = "json"
[b]
base_url = "http://localhost/checkout/order"
merchant = "norce"
channel = "1"
token_variable = "MY_TOKEN"
"""
    )
    unset(monkeypatch, "BASE_URL", "MERCHANT", "CHANNEL", "TOKEN")
    code, out = shell("order", "get", "o_123", "--profile", "a")
    assert (code, json.loads(out)["id"]) == (0, "o_123")
    monkeypatch.setenv("NORCE_PROFILE", "b")
    code, out = shell("order", "get", "o_123")
    assert (code, out) == (3, "")
    assert "no token: the profile says that it is in MY_TOKEN, which is not set" in shell.errors
    monkeypatch.setenv("MY_TOKEN", SANDBOX_TOKEN)
    assert shell("order", "get", "o_123")[0] == 0
    assert SANDBOX_TOKEN not in shell("check")[1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[p]\ntoken = "s3cret"', "a profile holds no secret"),
        ('[p]\nclient_secret = "s3cret"', "a profile holds no secret"),
        ('[p]\nmerchnt = "m"', "did you mean 'merchant'?"),
        ('[p]\nxyz = "m"', "it may have environment, slug"),
        ("[p]\nchannel = 1", "channel must be text"),
        ("[p]\ntimeout = 0", "timeout must be a number of seconds above 0"),
        ("[p]\ntimeout = 1e18", "config.toml: timeout must be a number of seconds above 0 and below 1e9"),
        ('[p]\noutput = "yaml"', "output must be one of text, table, json, jsonl"),
        ("[other]", "there is no profile 'p' in"),
        ('p = "s3cret"', "there is no profile 'p' in"),
        ('[p]\ntoken_variable = "s3cret"', "token_variable must be the name of a variable, in capitals"),
        ('token = "s3cret', "cannot be read: not TOML"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_bad_profile_is_refused_in_a_sentence(shell: Shell, config: Path, text: str | None, says: str) -> None:
    if text is not None:
        config.write_text(text)
    code, out = shell("order", "get", "o_123", "--profile", "p")
    assert (code, out) == (3, "")
    assert says in shell.errors
    assert "s3cret" not in shell.errors
    assert not shell.sandbox.requests


def test_a_user_without_a_home_directory_has_no_profiles(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr("os.path.expanduser", str)  # which leaves `~` then
    assert shell("order", "get", "o_123", "--profile", "p") == (3, "")
    assert shell.errors == (
        "norce-order: the profiles in ~/.config/norce-order/config.toml cannot be read: No such file or directory\n"
    )


def test_where_the_profiles_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    assert profile_file({"NORCE_CONFIG": "/c.toml", "XDG_CONFIG_HOME": "/x"}) == Path("/c.toml")
    assert profile_file({"XDG_CONFIG_HOME": "/x"}) == Path("/x/norce-order/config.toml")
    assert profile_file({"XDG_CONFIG_HOME": "x"}) == Path.home() / ".config/norce-order/config.toml"
    monkeypatch.setattr("sys.platform", "win32")
    assert profile_file({"APPDATA": "/a"}) == Path("/a/norce-order/config.toml")


@pytest.mark.parametrize(
    ("answer", "code", "aspect", "says"),
    [
        (HTML, 3, "address", "something else than the API answers"),
        ((404, {"content-type": "text/html"}, b"<h1>Not Found</h1>"), 3, "address", "something else than the API"),
        ((302, {"location": "/login"}, b""), 3, "address", "something else than the API"),
        (401, 3, "token", "refused (401): check NORCE_TOKEN"),
        (403, 3, "merchant and channel", "may not act for them (403)"),
        (
            (404, JSON, b'{"code": "merchant-not-found", "message": "m"}'),
            3,
            "merchant and channel",
            "unknown to the API",
        ),
        ((404, {"content-type": "text/plain"}, b"404 page not found"), 3, "address", "something else than the API"),
        ((403, {"content-type": "text/html"}, b"<h1>Blocked</h1>"), 3, "address", "something else than the API"),
        ((200, JSON, b'{"status": "up"}'), 3, "address", "something else than the API"),
        (503, 1, "address", "the service fails (HTTP 503): try again later"),
        ((503, {"content-type": "text/html"}, b"<h1>Maintenance</h1>"), 1, "address", "the service fails (HTTP 503)"),
        ((429, {"content-type": "text/html"}, b"<h1>Slow down</h1>"), 1, "address", "too many requests (429)"),
        (429, 1, "address", "too many requests (429)"),
        (PAGE, 0, "", ""),
    ],
)
def test_check_says_which_setting_is_wrong(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, answer: object, code: int, aspect: str, says: str
) -> None:
    transport = ScriptedTransport(answer)  # type: ignore[arg-type]  # pyright: ignore
    monkeypatch.setattr("norce_order_async.client.default_transport", lambda: transport)
    ended, out = shell("check", "--output", "json")
    told = json.loads(out)
    wrong = [(check["aspect"], check["text"]) for check in told["checks"] if check["ok"] is False]
    assert (ended, told["ok"], len(told["checks"])) == (code, code == 0, 4)
    assert [found for found, _ in wrong] == ([aspect] if aspect else [])
    assert all(says in text for _, text in wrong)
    (request,) = transport.requests  # one look, and no other
    assert (request.method, request.url.rpartition("?")[2]) == ("GET", "limit=1")
    assert shell("check")[1].count("WRONG") == len(wrong)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("https://nowhere.invalid", "there is no host nowhere.invalid"),
        ("http://127.0.0.1:9", "nothing listens at 127.0.0.1:9"),
    ],
)
def test_check_over_a_real_network(shell: Shell, monkeypatch: pytest.MonkeyPatch, address: str, says: str) -> None:
    monkeypatch.setattr("norce_order_async.client.default_transport", AiohttpTransport)
    code, out = shell("check", "--base-url", address)
    assert code == 3
    assert says in out
    assert SANDBOX_TOKEN not in out


def test_check_says_that_the_proxy_has_no_such_name(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORCE_PROXY", "http://nohost.invalid:3128")
    code, out = shell("check", "--base-url", "https://example.com/x")
    assert code == 3
    assert "cannot connect through the proxy nohost.invalid:3128: " in out
    assert "check NORCE_PROXY" in out
    assert "--base-url" not in out.partition("Checks")[2]


def test_check_takes_no_address_for_right_that_speaks_no_tls(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("norce_order_async.client.default_transport", AiohttpTransport)
    with answering(lambda asked: 200) as (env, _):
        address = env["NORCE_BASE_URL"].replace("http:", "https:")
        code, out = shell("check", "--base-url", address, "--output", "json")
        checks = {check["aspect"]: (check["ok"], check["text"]) for check in json.loads(out)["checks"]}
        assert shell("order", "get", "o_123", "--base-url", address)[0] == code == 3
    assert list(checks) == ["address", "TLS", "token", "merchant and channel"]
    assert checks["address"] == (None, f"something listens at {urlsplit(address).netloc}")
    assert checks["TLS"][0] is False
    assert checks["token"] == checks["merchant and channel"] == (None, "")
    assert "WRONG_VERSION_NUMBER" in shell.errors
    assert "No TLS with the server: check the address and its port" in shell.errors
    assert "not accepted" not in shell.errors


def test_check_knows_nothing_of_the_address_without_a_token(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoTokens:
        async def get(self, *, rejected: str | None = None) -> str:
            raise OSError("the vault is closed")

    def no_tokens(options: Namespace) -> NoTokens:
        return NoTokens()

    monkeypatch.setattr("norce_order_async.cli.settings.token_of_profile", no_tokens)
    code, out = shell("check", "--output", "json")
    assert (code, [check["ok"] for check in json.loads(out)["checks"]]) == (3, [None, None, False, None])
    assert not shell.sandbox.requests


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://user:s3cret@host.example", "https://***@host.example"),
        ("https://user:s3cret @host.example/x", "https://***@host.example/x"),
        ("user:s3/cret@host.example", "***@host.example"),
        ("http://localhost:1/x?token=s3cret", "http://localhost:1/x?token=***"),
        ("http://localhost:1/x#s3cret", "http://localhost:1/x"),
        ("localhost?s3cret@host", "localhost?***"),
    ],
)
@pytest.mark.parametrize("output", ["text", "json"])
def test_check_shows_no_secret_of_an_address(shell: Shell, address: str, shown: str, output: str) -> None:
    code, out = shell("check", "--base-url", address, "--output", output)
    assert code == 3
    assert "s3cret" not in out + shell.errors
    assert shown in out


def test_a_token_in_the_place_of_its_file_is_not_shown(
    shell: Shell, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "eyJhbGciOiJIUzI1NiJ9.s3cret.sig"
    config.write_text(f'[p]\ntoken_file = "{token}"\n')
    unset(monkeypatch, "TOKEN")
    for words in (("check",), ("check", "--output", "json"), ("order", "get", "o_123")):
        assert shell(*words, "--profile", "p")[0] == 3
        assert "looks like a token" in shell.errors
        monkeypatch.setenv("NORCE_TOKEN_FILE", token)
        code, out = shell(*words)
        assert code == 3
        assert "NORCE_TOKEN_FILE cannot be read: '(looks like a token)'" in shell.errors
        assert "s3cret" not in out + shell.errors
        monkeypatch.delenv("NORCE_TOKEN_FILE")


@pytest.mark.parametrize("address", ["http://localhost/checkout/order", "https://host.example"])
def test_an_extra_that_is_missing_is_no_mistake_in_a_variable(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr("norce_order_async.transport.http11.installed", False)
    monkeypatch.setenv("NORCE_PROXY", "http://proxy.example:3128")
    assert shell("order", "get", "o_123", "--base-url", address, "--transport", "httptools") == (3, "")
    assert shell.errors.startswith("norce-order: this transport needs httptools: pip install")


@pytest.mark.parametrize("text", ["[other]", '[p]\nmerchnt = "m"', "[p", None])
def test_check_says_in_json_what_is_wrong_with_a_profile(shell: Shell, config: Path, text: str | None) -> None:
    if text is not None:
        config.write_text(text)
    code, out = shell("check", "--output", "json", "--profile", "p")
    told = json.loads(out)
    assert (code, told["ok"], told["settings"], told["checks"]) == (3, False, {}, [])
    assert str(config) in told["problem"]
    assert shell.errors == f"norce-order: {told['problem']}\n"


@pytest.mark.parametrize("name", ["MERCHANT", "TOKEN"])
def test_check_says_in_json_what_is_missing(shell: Shell, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    unset(monkeypatch, name)
    code, out = shell("check", "--output", "json", "--transport", "httptools")
    told = json.loads(out)
    assert (code, told["ok"], told["checks"]) == (3, False, [])
    assert told["problem"].startswith(f"no {name.lower()}: set NORCE_{name}")
    assert told["problem"] in shell.errors
    assert told["settings"]["channel"] == {"value": "1", "source": "NORCE_CHANNEL"}
    assert told["settings"]["transport"] == {"value": "httptools", "source": "--transport"}
    assert name.lower() not in told["settings"]
