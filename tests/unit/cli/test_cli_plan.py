"""``norce-order batch plan`` in this process: what it refuses, and what it writes and tells."""

import json
from pathlib import Path
from typing import Any

import pytest
from shell import Shell, no_transport

from norce_order_async.batch import read_changes
from norce_order_async.testing import Sandbox, SandboxTransport

WITHDRAW = ("--set", "op=delete_consent", "--set", "consent_id=ci_newsletter")
PLAN = ("batch", "plan", "--status", "Checkout", *WITHDRAW)
CUT = '{"_plan": "not whole'


def fill(sandbox: Sandbox, count: int = 30) -> None:
    """A third of the orders is in another state, and a half of the rest has no newsletter."""
    for number in range(count):
        created = f"2026-01-{number % 28 + 1:02d}T12:00:00Z"
        sandbox.add_order(
            f"o_{number:03d}",
            created=created,
            lastModified=created,
            state={"currentStatus": "completed" if number % 3 == 0 else "checkout"},
            consents=[{"id": "ci_newsletter", "checked": number % 2 == 0}],
        )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (WITHDRAW, "which orders? Give --status"),
        (("--status", "checkout"), "no op: one of"),
        (("--status", "open", *WITHDRAW), "invalid choice: 'open'"),
        (("--status", "checkout", "--set", "op=create_order"), "create_order"),
        (("--status", "checkout", "--set", "op=delete_consent"), "delete_consent needs consent_id"),
        (("--status", "checkout", *WITHDRAW, "--set", "checked=true"), "does not take 'checked'"),
        (("--status", "checkout", *WITHDRAW, "--set", "op=x"), "--set names something twice: op"),
        (("--status", "checkout", *WITHDRAW, "--set", "order_id=o"), "--set order_id: the list says which orders"),
        (("--status", "checkout", *WITHDRAW, "--set", "merchant=o"), "--merchant and --channel whose"),
        (("--created-before", "2026-01-01", *WITHDRAW), "as in 2026-01-01T00:00:00Z or 2026-01-01T00:00:00+01:00"),
        (("--created-before", "yesterday", *WITHDRAW), "must be a date-time such as"),
        (
            ("--created-from", "2026-01-02T00:00:00Z", "--created-before", "2026-01-02T01:00:00+01:00", *WITHDRAW),
            "no order is created",
        ),
        (("--where-consent", "ci", *WITHDRAW), "must be CONSENT=true, CONSENT=false or CONSENT=absent"),
        (("--where-consent", "ci=yes", *WITHDRAW), "must be CONSENT=true, CONSENT=false or CONSENT=absent"),
        (("--where-consent", "ci=true", "--where-consent", "ci=false", *WITHDRAW), "names something twice: ci"),
        (("--status", "checkout", *WITHDRAW, "--out", "x", "--count"), "not allowed with"),
        (("--status", "checkout", *WITHDRAW, "--out", "-"), "argument --out: cannot be standard output"),
        (("--state", "checkout", *WITHDRAW), "unrecognized arguments: --state"),
    ],
)
def test_what_cannot_be_meant_is_told_and_nothing_read(shell: Shell, words: tuple[str, ...], says: str) -> None:
    code, out = shell("batch", "plan", *words)
    assert code == 2
    assert says in shell.errors
    assert out == ("" if "--out" in words else CUT)  # which batch run refuses
    assert not shell.sandbox.requests


def test_a_plan_whose_settings_are_wrong_is_not_taken_for_an_empty_one(shell: Shell) -> None:
    assert shell(*PLAN, "--profile", "absent") == (3, CUT)
    code, out = shell("batch", "plan", "--help")
    assert (code, CUT in out) == (0, False)


@pytest.mark.parametrize("name", ["plan.csv", "plan.jsonl.gz", "absent/plan.jsonl", "."])
def test_a_plan_that_could_not_be_written_is_not_begun(shell: Shell, tmp_path: Path, name: str) -> None:
    code, out = shell(*PLAN, "--out", str(tmp_path / name))
    assert (code, out) == (3, "")
    assert "--out" in shell.errors
    assert not shell.sandbox.requests


def test_a_plan_is_what_batch_run_takes_and_its_account_says_why_the_others_are_not_in_it(
    shell: Shell, tmp_path: Path
) -> None:
    fill(shell.sandbox)
    shell.sandbox.add_order("o_other", merchant="other", state={"currentStatus": "checkout"})
    words = (*PLAN, "--created-before", "2026-01-20T00:00:00Z", "--where-consent", "ci_newsletter=true")
    code, out = shell(*words)
    assert code == 0, shell.errors
    ids = [f"o_{number:03d}" for number in (28, 2, 4, 8, 10, 14, 16)]  # by the time they were created
    first = f'{{"op":"delete_consent","order_id":"{ids[0]}","consent_id":"ci_newsletter",'
    assert out.startswith(first + '"merchant":"norce","channel":"1"}\n')
    (tmp_path / "plan.jsonl").write_text(out, encoding="utf-8")
    changes = [entry.change for entry in read_changes(tmp_path / "plan.jsonl")]
    assert [change.order_id for change in changes if change is not None] == ids
    told = [line.split(maxsplit=1) for line in shell.errors.splitlines()[2:6]]
    # The example order is one more, and has just been created.
    assert told == [
        ["7", "fit"],
        ["7", "consent ci_newsletter is false"],
        ["7", "created at 2026-01-20T00:00:00+00:00 or later"],
        [],
    ]

    (tmp_path / "again.jsonl").touch(mode=0o640)
    code, told_json = shell(*words, "--out", str(tmp_path / "again.jsonl"), "--output", "json")
    account: dict[str, Any] = json.loads(told_json)
    written = [json.loads(line) for line in (tmp_path / "again.jsonl").read_bytes().splitlines()]
    assert len({line.pop("_planned") for line in written}) == 1
    assert written == [json.loads(line) for line in out.splitlines()]
    assert (account["read"], account["fit"], account["stopped"], account["once"]) == (21, 7, None, False)
    assert account["sample"] == [json.loads(line) for line in out.splitlines()[:5]]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.jsonl", "plan.jsonl"]
    code, told_json = shell(*words, "--count", "--output", "json")
    assert json.loads(told_json) == account | {"plan": None}


def test_a_later_plan_of_the_same_changes_is_not_taken_for_the_one_that_was_run(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("norce_order_async.cli.batch_makers.transport_from", no_transport)
    fill(shell.sandbox)
    path = str(tmp_path / "plan.jsonl")
    assert shell(*PLAN, "--out", path)[0] == shell("batch", "run", path)[0] == 0
    assert shell("batch", "run", path)[0] == 0
    assert "norce-order: nothing was made: every change has its outcome" in shell.errors
    assert shell(*PLAN, "--out", path)[0] == 0
    assert shell("batch", "run", path)[0] == 3
    assert "belongs to another batch" in shell.errors


@pytest.mark.parametrize("op", ["update_state", "delete_order"])
def test_a_change_that_is_not_safe_to_repeat_is_said_to_need_once(shell: Shell, op: str) -> None:
    fill(shell.sandbox)
    more = ("--set", "status=removed") if op == "update_state" else ()
    assert shell("batch", "plan", "--status", "checkout", "--set", f"op={op}", *more, "--dry-run")[0] == 0
    code, out = shell("batch", "plan", "--status", "checkout", "--set", f"op={op}", *more)
    assert (code, out.count(f'"op":"{op}"')) == (0, 21)
    assert ("--once" in shell.errors) == (op == "update_state")


@pytest.mark.parametrize("name", ["status", "date_from"])
def test_an_ignored_filter_ends_a_plan_without_a_file_unless_that_is_fine(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    sandbox = Sandbox(ignored_filters=[name])
    fill(sandbox, 84)
    monkeypatch.setattr("norce_order_async.client.default_transport", lambda: SandboxTransport(sandbox))
    path = tmp_path / "plan.jsonl"
    path.write_text("the last plan\n", encoding="utf-8")
    words = ("batch", "plan", "--status", "checkout", "--created-from", "2026-01-15T00:00:00Z", *WITHDRAW)
    code, out = shell(*words, "--out", str(path))
    assert (code, path.read_text(encoding="utf-8")) == (1, "the last plan\n")
    assert f"orders do not fit the filter {name!r}: the service ignores it" in out
    assert "--allow-ignored-filters" in out
    assert shell(*words) == (1, CUT)
    assert f"{name!r}: the service ignores it" in shell.errors
    code, out = shell(*words, "--allow-ignored-filters")
    assert code == 0
    fitting = [number for day in range(14, 28) for number in range(day, 84, 28) if number % 3]
    assert [json.loads(line)["order_id"] for line in out.splitlines()] == [f"o_{number:03d}" for number in fitting]
    assert f"did not fit the filter {name!r}" in shell.errors


def test_a_list_that_fails_in_the_middle_leaves_no_plan(shell: Shell, tmp_path: Path) -> None:
    fill(shell.sandbox, 400)
    shell.sandbox.faults.add("status:400:times=1")
    assert shell(*PLAN) == (1, CUT)
    assert "HTTP 400" in shell.errors
    shell.sandbox.faults.add("status:400:times=1")
    assert shell(*PLAN, "--out", str(tmp_path / "plan.jsonl"))[0] == 1
    assert list(tmp_path.iterdir()) == []


def test_the_sandbox_command_is_told_which_filters_to_ignore(shell: Shell) -> None:
    assert shell("sandbox", "--port", "0", "--ignore-filter", "state") == (3, "")
    assert "there is no filter 'state' to ignore: one of search" in shell.errors
