"""What is typed: bodies, outputs, profiles and their order, before anything is sent."""

import errno
import io
import json
import shlex
from pathlib import Path
from unittest.mock import Mock

import pytest
from shell import Shell

from norce_order_async.cli.choices import DIRECTIONS, ORDER_BY, STATUSES
from norce_order_async.cli.commands import BY_NAME, COMMANDS, GROUPS
from norce_order_async.cli.parser import build_parser
from norce_order_async.wire.models import OrderListOrderBy, OrderListOrderByDirection, OrderStatus
from norce_order_async.wire.table import ROWS

PAYMENT = ("payment", "create", "o_123", "--json")


def test_the_table_of_commands_is_the_whole_api() -> None:
    assert sorted(command.operation for command in COMMANDS) == sorted(ROWS)
    assert len(BY_NAME) == len(COMMANDS)
    assert {name.split()[0] for name in BY_NAME} == set(GROUPS)
    for command in COMMANDS:
        assert (command.body is None) == (ROWS[command.operation].body is None)


def test_the_choices_are_those_of_the_api() -> None:
    assert tuple(OrderStatus) == STATUSES
    assert tuple(OrderListOrderBy) == ORDER_BY
    assert tuple(OrderListOrderByDirection) == DIRECTIONS


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_the_example_of_the_help_is_understood(name: str) -> None:
    words = shlex.split(f"{name} {BY_NAME[name].example}")
    options = build_parser(words).parse_args(words)
    assert options.command == name
    for member in (*ROWS[BY_NAME[name].operation].ids, *ROWS[BY_NAME[name].operation].query):
        assert hasattr(options, member)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((*PAYMENT, '{"amount": "12,50"}'), "--json: amount: expected a number, got a string"),
        ((*PAYMENT, '{"recurring": {"token": ["canary"]}}'), "recurring.token: expected a string, got an array"),
        ((*PAYMENT, '{"actions": [{"id": 1, "url": true}]}'), "--json: actions[0].url: expected a string, got true"),
        ((*PAYMENT, "[1]"), "--json: expected an object, got an array"),
        ((*PAYMENT, '{"amount": 1, "amount": 2}'), "--json: the member 'amount' is there twice"),
        ((*PAYMENT, "{"), "--json: not JSON"),
        ((*PAYMENT, "@absent.json"), "absent.json cannot be read: No such file or directory\n"),
        (("action", "add", "o_1", "p_1", "--json", '[{"adapterId": "a"}]'), "actions[0].type: it is required"),
        (
            ("action", "add", "o_1", "p_1", "--json", '[{"url": 1.5}, {"url": {}}]'),
            "--json: [1].url: expected a string, got an object",
        ),
        (("action", "add", "o_1", "p_1", "--json", "{}"), "--json: expected an array, got an object"),
        (("shipping", "create", "o_1", "--json", '{"vatRate": 0.25}'), "shipping.total: it is required"),
        (("consent", "patch-many", "o_1", "ci=true"), "the consent 'ci' must be true or false"),
        (("consent", "patch-many", "o_1"), "give the consents either as"),
        (("state", "update", "o_1", "done"), "invalid choice: 'done'"),
        (("order", "list", "--date-from", "2026-01-31"), "needs a time zone"),
        (("order", "list", "--limit", "-1"), "must be a whole number of at least 0"),
        (("order", "list", "--all", "--output", "table"), "--all prints orders as they come"),
        (("payment", "create", "o/1", "--json", "{}"), "order_id 'o/1' holds '/'"),
        (("payment", "create", "o_1"), "the following arguments are required: --json"),
        (("--profile", "x", "order", "get", "o_1"), "--profile stands before the command: options stand after it"),
        (("order", "--merchant=m", "get", "o_1"), "--merchant stands before the command: options stand after it"),
        (("batch", "--sandbox", "run", "changes.jsonl"), "--sandbox stands before the command"),
        (("--verbose", "batch", "run", "changes.jsonl"), "--verbose stands before the command"),
        (("--verison",), "norce-order: unrecognized arguments: --verison (did you mean --version?)\n"),
        (("-V",), "norce-order: unrecognized arguments: -V\n"),
        (
            ("order", "get", "o_1", "--ouput=json"),
            "norce-order order get: unrecognized arguments: --ouput (did you mean --output?)\n"
            "  See: norce-order order get --help\n",
        ),
        (("order", "get", "o_1", "--env", "stage"), "unrecognized arguments: --env (did you mean --environment?)"),
        (("order", "get", "o_1", "--", "x"), "norce-order order get: unrecognized arguments: x\n"),
        (
            ("sandbox", "--seed-order", "5"),
            "sandbox: unrecognized arguments: --seed-order (did you mean --seed-orders",
        ),
        (("sandbox", "--fault", "status:503:operation=Nope"), "the API has no operation 'Nope'\n"),
    ],
)
def test_bad_input_is_told_and_nothing_sent(
    shell: Shell, words: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out = shell(*words)
    assert (code, out) == (2, "")
    assert says in shell.errors
    assert not shell.sandbox.requests


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("--token=s3cr3t",),
            "unrecognized arguments: --token (there is no flag for the token: set NORCE_TOKEN",
        ),
        (("--auth-token", "s3cr3t"), "unrecognized arguments: --auth-token (there is no flag for the token"),
        (("--header", "Authorization: Bearer s3cr3t"), "unrecognized arguments: --header (did"),
        (("-Hs3cr3t",), "unrecognized arguments: -H\n"),
        (("-p", "s3cr3t", "--x"), "unrecognized arguments: -p --x\n"),
    ],
)
def test_what_is_given_to_an_unknown_option_is_not_told(shell: Shell, words: tuple[str, ...], says: str) -> None:
    code, out = shell("order", "get", "o_1", *words)
    assert (code, out) == (2, "")
    assert says in shell.errors
    assert "s3cr3t" not in shell.errors


def test_text_is_utf_8_where_the_system_has_no_such_letters(shell: Shell) -> None:
    typed = "åä".encode().decode("ascii", "surrogateescape")  # as Python has it in the locale C
    assert shell("attributes", "patch", "o_123", f"{typed}={typed}", f'json:="{typed}"')[0] == 0, shell.errors
    assert shell("reference", "update", "o_123", typed)[0] == 0, shell.errors
    assert shell.order["attributes"] == {"åä": "åä", "json": "åä"}
    assert shell.order["reference"] == "åä"


def test_a_body_from_a_file_and_from_standard_input(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "payment.json").write_text('{"type": "default", "amount": 1.50}', encoding="utf-8")
    first = shell.id_of(*PAYMENT, f"@{tmp_path / 'payment.json'}")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"type": "default", "amount": 2.50}')))
    second = shell.id_of(*PAYMENT, "-")
    code, out = shell("payment", "list", "o_123", "--output", "jsonl")
    assert code == 0
    amounts = {json.loads(line)["id"]: json.loads(line)["amount"] for line in out.splitlines()}
    assert amounts == {first: 1.5, second: 2.5}
    assert '"amount":1.50' in out  # exactly the digits


@pytest.mark.parametrize("stdin", [None, io.TextIOWrapper(io.BytesIO())], ids=["closed", "empty"])
def test_nothing_on_standard_input_is_no_body(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, stdin: io.TextIOWrapper | None
) -> None:
    monkeypatch.setattr("sys.stdin", stdin)
    assert shell(*PAYMENT, "-") == (2, "")
    assert shell.errors == "norce-order: --json -: there is nothing on standard input\n"


def test_a_batch_of_nothing_says_so(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").write_text("\n\n", encoding="utf-8")
    with (tmp_path / "empty").open(encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert shell("batch", "run", "-")[0] == 0
    assert shell.errors.splitlines()[-1] == "norce-order: no changes were read from standard input"


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the output cannot be written: No space left on device"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x.journal"), "x.journal: File name too long"),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
    ],
)
def test_what_the_system_refuses_is_said_of_what_it_refuses_it_for(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, error: OSError, says: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("norce_order_async.cli.dispatch.run", fail)
    assert shell("order", "get", "o_123")[0] == 1
    assert shell.errors == f"norce-order: {says}\n"


def test_an_unknown_member_is_told_wherever_it_is_and_sent(shell: Shell) -> None:
    code, _ = shell("cart", "update", "o_123", "--json", '{"items": [{"quantity": 1, "quantty": 2}], "reff": 1}')
    assert shell.errors.splitlines() == [
        "norce-order: reff is not known here; it is sent as it is",
        "norce-order: items[0].quantty is not known here; it is sent as it is",
    ]
    assert code == 0
    assert b"quantty" in shell.sandbox.requests[-1].body


def test_what_was_read_can_be_given_back(shell: Shell, tmp_path: Path) -> None:
    payment = shell.id_of(*PAYMENT, '{"type": "default", "amount": 1.50}')
    _, out = shell("payment", "get", "o_123", payment, "--output", "json")
    (tmp_path / "p.json").write_text(out.replace("1.50", "7.25"), encoding="utf-8")
    code, out = shell("payment", "update", "o_123", payment, "--json", f"@{tmp_path / 'p.json'}", "--output", "json")
    assert (code, json.loads(out)["amount"]) == (0, 7.25)


def test_problems_of_a_validation_stand_one_a_line(shell: Shell) -> None:
    code, out = shell("order", "validate", "o_123")
    assert (code, out) == (1, "")
    lines = shell.errors.splitlines()
    assert lines[0].startswith("norce-order: Validate: the order is not valid: 1 problem [outcome ")
    assert lines[1:] == ["  cart-empty (order)"]


@pytest.mark.parametrize("output", ["json", "jsonl"])
def test_problems_of_a_validation_are_there_as_json(shell: Shell, output: str) -> None:
    code, out = shell("order", "validate", "o_123", "--output", output)
    assert code == 1
    problems = json.loads(out) if output == "json" else [json.loads(line) for line in out.splitlines()]
    assert problems == [{"adapterId": "order", "code": "cart-empty"}]
    assert "the order is not valid: 1 problem [" in shell.errors


class TestOutputs:
    def test_a_list_as_text_and_as_a_table(self, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        code, text = shell("order", "list")
        assert code == 0
        assert text.splitlines()[0].startswith("ID     STATE.CURRENTSTATUS")
        assert text.splitlines()[1].startswith("o_123  checkout")
        assert text.splitlines()[-1] == "1 to 1 (1 in all)"
        _, table = shell("order", "list", "--output", "table")
        assert "o_123" in table
        assert table != text
        monkeypatch.setattr("norce_order_async.cli.rendering.has_rich", lambda: False)
        assert shell("order", "list", "--output", "table")[1] == text

    def test_one_thing_as_text_has_each_member_by_its_path(self, shell: Shell) -> None:
        words = ("--json", '{"total": {"includingVat": 50, "excludingVat": 40}, "vatRate": 0.25}')
        shipping = shell.id_of("shipping", "create", "o_123", *words)
        _, text = shell("shipping", "get", "o_123", shipping)
        assert "total.includingVat  50" in text

    def test_a_secret_is_shown_in_json_only(self, shell: Shell) -> None:
        words = ("--json", '{"recurring": {"token": "s3cret"}, "attributes": {"client_secret": "s3cret", "a": 1}}')
        payment = shell.id_of("payment", "create", "o_123", *words)
        for output in ("text", "table"):
            _, text = shell("payment", "get", "o_123", payment, "--output", output)
            assert "recurring.token" in text
            assert "attributes.client_secret" in text
            assert "(not shown; --output json has it)" in text
            assert "s3cret" not in text
        assert shell("payment", "get", "o_123", payment, "--output", "json")[1].count("s3cret") == 2

    def test_all_pages_come_a_line_an_order(self, shell: Shell) -> None:
        shell.sandbox.seed_orders(250)
        for words in (["--output", "jsonl"], ["--output", "jsonl", "--all", "--limit", "40"]):
            code, out = shell("order", "list", *words)
            ids = [json.loads(line)["id"] for line in out.splitlines()]
            assert (code, len(ids), len(set(ids))) == (0, 251, 251)
        assert len(shell("order", "list", "--all")[1].splitlines()) == 251
        assert len(shell("order", "list", "--output", "jsonl", "--limit", "40")[1].splitlines()) == 40

    def test_an_order_is_a_tree_on_a_terminal(self, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
        shell("attributes", "patch", "o_123", "[red]x=[b]y", "token=abc", "apiKey=abc", 'secret:={"a": "abc"}')
        monkeypatch.setattr("norce_order_async.cli.rendering.is_terminal", Mock(return_value=True))
        _, tree = shell("order", "get", "o_123")
        assert "Order o_123 · checkout · norce/1" in tree
        assert "├── " in tree
        assert "[red]x  [b]y" in tree
        assert "abc" not in tree

    @pytest.mark.parametrize("form", ["text", "table", "tree"])
    def test_no_form_of_an_order_shows_a_secret(self, shell: Shell, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
        shell("attributes", "patch", "o_123", "token=canary", "apiKey=canary", 'n:={"secret": {"a": "canary"}}')
        shell("attributes", "patch", "o_123", "hasToken:=false")
        shell("hook", "create", "o_123", "--json", '{"subscribeTo": "/state", "invoke": "https://h/x?secret=canary"}')
        shell("attributes", "patch", "o_123", "URL=https://u:canary@h/y?code=canary")
        monkeypatch.setattr("norce_order_async.cli.rendering.is_terminal", Mock(return_value=form == "tree"))
        text = shell("order", "get", "o_123", "--output", "table" if form == "table" else "text")[1]
        assert text.count("(not shown; --output json has it)") == 3
        assert ("https://h/x?secret=***" in text) == (form != "text")
        assert "https://***@h/y?code=***" in text
        assert "false" in text.partition("hasToken")[2].partition("\n")[0]
        assert "canary" not in text


@pytest.mark.parametrize(
    "words", [("order", "get", "o_123"), ("order", "list"), ("consent", "delete", "o_123", "ci_terms")]
)
def test_a_call_whose_output_is_closed_is_made(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert shell(*words)[0] == 0, shell.errors
    assert shell.errors == ""


def test_an_error_does_not_go_to_the_output_where_standard_error_is_closed(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", None)
    assert shell("order", "get", "absent", "--output", "json") == (1, "")


@pytest.mark.parametrize("columns", ["1", "20", "28"])
def test_a_terminal_that_is_too_narrow_for_a_table_gets_plain_columns(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr("norce_order_async.cli.rendering.is_terminal", Mock(return_value=True))
    monkeypatch.setenv("COLUMNS", columns)
    assert shell("order", "list", "--output", "table") == shell("order", "list")


@pytest.mark.parametrize("form", ["table", "tree"])
@pytest.mark.parametrize("columns", ["0", "00"])
def test_a_width_of_no_columns_is_none(shell: Shell, monkeypatch: pytest.MonkeyPatch, form: str, columns: str) -> None:
    pytest.importorskip("rich")
    monkeypatch.setattr("norce_order_async.cli.rendering.is_terminal", Mock(return_value=True))
    command = ("order", "get", "o_123") if form == "tree" else ("order", "list", "--output", "table")
    monkeypatch.setenv("COLUMNS", "80")
    expected = shell(*command)
    monkeypatch.setenv("COLUMNS", columns)
    assert shell(*command) == expected


@pytest.mark.parametrize(("terminal", "columns"), [(False, "30"), (True, "40")])
def test_a_table_cuts_nothing(shell: Shell, monkeypatch: pytest.MonkeyPatch, terminal: bool, columns: str) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr("norce_order_async.cli.rendering.is_terminal", Mock(return_value=terminal))
    name = "o_" + "x" * 60
    shell.sandbox.add_order(name, merchant="norce", channel="1")
    code, out = shell("order", "list", "--output", "table")
    assert code == 0
    assert "…" not in out
    assert (name in out) is not terminal
