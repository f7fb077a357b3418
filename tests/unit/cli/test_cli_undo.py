"""``batch run --undo``: what is said before, what is written, what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shell import Shell

from norce_order_async.testing import SandboxTransport

LINES: list[dict[str, Any]] = [
    {"op": "patch_consent", "order_id": "o_123", "consent_id": "ci_terms", "checked": True},
    {"op": "delete_consent", "order_id": "o_123", "consent_id": "ci_newsletter"},
    {"op": "create_payment", "order_id": "o_123", "payment": {"reference": "p"}},
    {"op": "patch_attributes", "order_id": "o_123", "attributes": {"exported": True}},
]
RUN = ("batch", "run", "changes.jsonl", "--once", "--undo", "undo.jsonl")


@pytest.fixture(autouse=True)
def _folder(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    class InMemory(SandboxTransport):
        def __init__(self, **_: Any) -> None:
            super().__init__(shell.sandbox)

    monkeypatch.setattr("norce_order_async.cli.batch_makers.transport_from", _giving(InMemory))
    Path("changes.jsonl").write_text("\n".join(map(json.dumps, LINES)), encoding="utf-8")


def _giving(kind: type[SandboxTransport]) -> Callable[[object], type[SandboxTransport]]:
    return lambda options: kind


def lines_of(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(name).read_bytes().splitlines()]


def test_there_and_back(shell: Shell) -> None:
    code, out = shell(*RUN)
    assert code == 0
    assert (
        "1 change cannot be taken back, and --dry-run names them: 1 create_payment: no operation takes" in shell.errors
    )
    for told in (
        "Undo: undo.jsonl, 3 changes\n",
        "norce-order batch run undo.jsonl --once\n",
        "1 change cannot be taken back: undo.left.jsonl\n",
        "1  it is made again, at most once (--once), and stands last\n",
        "1  exported is new, and can only be set to null\n",
    ):
        assert told in out
    assert [line["_undoes"] for line in lines_of("undo.jsonl")] == [4, 2, 1]
    code, _ = shell("batch", "run", "undo.jsonl", "--once")
    assert code == 0
    order: Any = shell.sandbox.order("o_123")
    assert [(consent["id"], consent["checked"]) for consent in order["consents"]] == [
        ("ci_terms", False),
        ("ci_newsletter", False),
    ]
    assert order["attributes"] == {"exported": None}


def test_the_files_are_written_again_from_the_journal_alone(shell: Shell) -> None:
    shell(*RUN)
    code, out = shell("batch", "report", "changes.jsonl.journal", "--undo", "again.jsonl")
    assert (code, out.splitlines()[0]) == (0, "Undo: again.jsonl, 3 changes")
    assert lines_of("again.jsonl") == lines_of("undo.jsonl")
    assert lines_of("again.left.jsonl") == lines_of("undo.left.jsonl")


def test_the_way_back_of_a_later_batch_is_not_taken_for_that_of_an_earlier_one(shell: Shell) -> None:
    assert shell(*RUN)[0] == shell("batch", "run", "undo.jsonl", "--once")[0] == 0
    of_first = lines_of("undo.jsonl")
    assert {line["_of"] for line in of_first} == {"changes.jsonl.journal"}
    assert shell("batch", "run", "undo.jsonl", "--once")[0] == 0
    assert "norce-order: nothing was made: every change has its outcome from the batch that was begun" in shell.errors
    for name in ("changes.jsonl.journal", "undo.jsonl", "undo.left.jsonl"):
        Path(name).unlink()
    Path("changes.jsonl").write_text(json.dumps(LINES[0]), encoding="utf-8")
    assert shell(*RUN)[0] == 0
    assert lines_of("undo.jsonl")[0]["_begun"] > of_first[0]["_begun"]
    assert shell("batch", "run", "undo.jsonl", "--once")[0] == 3
    assert "belongs to another batch" in shell.errors
    assert shell("batch", "run", "undo.jsonl", "--journal", "other")[0] == 0
    assert [consent["checked"] for consent in shell.order["consents"] if consent["id"] == "ci_terms"] == [False]


def test_where_nothing_can_be_taken_back_no_command_is_advised(shell: Shell) -> None:
    Path("changes.jsonl").write_text(json.dumps(LINES[2]), encoding="utf-8")
    code, out = shell(*RUN)
    assert (code, "Undo: undo.jsonl, 0 changes\n" in out, "To take it all back" in out) == (0, True, False)


def test_a_dry_run_names_what_cannot_be_taken_back_and_reads_nothing(shell: Shell) -> None:
    code, out = shell(*RUN, "--dry-run")
    assert (code, shell.sandbox.count) == (0, 0)
    assert "1 change cannot be taken back\n" in out
    assert "  line 3: create_payment cannot be taken back: no operation takes it off again\n" in out
    assert "\n        1  patch_attributes\n" in out  # all numbers end in one column
    assert "\n        1  create_payment: no operation takes it off again\n" in out
    assert "\n        1  delete_consent: it is made again, at most once (--once), and stands last\n" in out
    told = json.loads(shell(*RUN, "--dry-run", "--output", "json")[1])["undo"]
    assert told["never"] == {"create_payment: no operation takes it off again": 1}
    assert [one["place"] for one in told["first"]] == ["line 3"]
    assert not Path("undo.jsonl").exists()


def test_programs_are_told_of_the_files(shell: Shell) -> None:
    told = json.loads(shell(*RUN, "--output", "json")[1])["undo"]
    assert {name: told[name] for name in ("file", "changes", "once", "left", "left_file")} == {
        "file": "undo.jsonl",
        "changes": 3,
        "once": 1,
        "left": 1,
        "left_file": "undo.left.jsonl",
    }


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["changes.jsonl", "--undo", "u.jsonl", "--processes", "2"], 2, "--undo reads and writes in one process"),
        (["changes.jsonl", "--undo", "u.jsonl", "--workers", "2"], 2, "it does not go with --workers"),
        (["changes.jsonl", "--undo", "u.jsonl", "--cluster", "tcp://x:1"], 2, "it does not go with --cluster"),
        (["-", "--undo", "u.jsonl"], 2, "name one (--journal)"),
        (["changes.jsonl", "--undo", "u.csv"], 3, "JSON Lines"),
        (["changes.jsonl", "--undo", "changes.jsonl"], 3, "changes.jsonl is the input: choose another --undo"),
        (["changes.jsonl", "--undo", "u.jsonl", "--report", "u.left.jsonl"], 3, "u.left.jsonl is --report"),
        (["changes.jsonl", "--undo", "none/u.jsonl"], 3, "not the name of a file in a folder that exists"),
        (["changes.jsonl", "--undo", "there.jsonl"], 3, "may be the way back of another batch"),
        (["changes.jsonl", "--undo", "huge.jsonl"], 3, "may be the way back of another batch"),
        *((["changes.jsonl", flag, "-"], 2, "cannot be standard output") for flag in ("--undo", "--report", "--html")),
        *(
            (
                ["changes.jsonl", flag, f"changes.jsonl.journal{end}"],
                3,
                f"is a file of the journal: choose another {flag}",
            )
            for flag in ("--undo", "--report", "--html")
            for end in ("-wal", "-shm", "-journal", ".lock")
        ),
        (["changes.jsonl", "--journal", "j", "--report", "./j.lock"], 3, "j.lock is a file of the journal"),
        *(
            (["changes.jsonl", flag, "1e18"], 2, f"argument {flag}: must be a number of seconds{least} and below 1e9")
            for flag, least in (("--timeout", " above 0"), ("--patience", " above 0"), ("--settle", ", at least 0"))
        ),
        (["changes.jsonl", "--settle", "-1"], 2, "must be a number of seconds, at least 0 and below 1e9, not '-1'"),
    ],
)
def test_what_does_not_go_is_refused_before_anything_is_sent(
    shell: Shell, arguments: list[str], code: int, says: str
) -> None:
    Path("there.jsonl").write_text("{}", encoding="utf-8")
    Path("huge.jsonl").write_text(f'{{"_undoes": {10**26}}}', encoding="utf-8")
    result, _ = shell("batch", "run", *arguments)
    assert (result, shell.sandbox.count) == (code, 0)
    assert says in shell.errors


@pytest.mark.parametrize("name", ["undo.jsonl", "undo.left.jsonl"])
def test_the_way_back_of_another_batch_is_not_replaced_by_one_that_goes_on(shell: Shell, name: str) -> None:
    assert shell(*RUN)[0] == 0
    assert shell(*RUN)[0] == 0  # its own file is
    journal = "changes.jsonl.journal"
    assert shell("batch", "report", journal, "--undo", "undo.jsonl")[0] == 0
    of_this = Path(name).read_text(encoding="utf-8")
    of_another = of_this.replace("o_123", "o_124").replace('"_undoes":3', '"_undoes":5')
    Path(name).write_text(of_another, encoding="utf-8")
    for again in (RUN, ("batch", "report", journal, "--undo", "undo.jsonl")):
        requests = shell.sandbox.count
        assert shell(*again)[0] == 3
        assert "undo.jsonl is there, and may be the way back of another batch" in shell.errors
        assert (Path(name).read_text(encoding="utf-8"), shell.sandbox.count) == (of_another, requests)


def test_a_batch_that_was_begun_without_it_goes_on_without_it(shell: Shell) -> None:
    assert shell("batch", "run", "changes.jsonl", "--once")[0] == 0
    assert shell(*RUN)[0] == 3
    assert "was begun without --undo" in shell.errors
