"""401 and 403 in a batch of the command line: what is left undone, what goes on, and what the same command takes."""

import json
import re
import time
from itertools import count
from pathlib import Path
from typing import Any

import commanded
import pytest
from answering import Asked, answering

COUNT = 100
AT_ONCE = 16
IN_A_ROW = 10  # refusals after which a batch asks no more, at most; what is under way by then is refused as well


def change(number: int, merchant: str) -> str:
    members = {"op": "patch_consent", "order_id": f"o_{number}", "consent_id": "ci", "checked": True}
    return json.dumps(members | {"merchant": merchant}) + "\n"


def batch(folder: Path, env: dict[str, str], *arguments: str) -> dict[str, Any]:
    return commanded.batch("changes.jsonl", "--concurrency", str(AT_ONCE), *arguments, cwd=folder, env=env)


@pytest.mark.parametrize("order", ["in turn", "the refused one first", "the refused one last"])
def test_a_merchant_that_is_refused_is_left_and_the_others_go_on(tmp_path: Path, order: str) -> None:
    lines = [change(number, merchant) for number in range(COUNT) for merchant in ("mine", "other")]
    if order != "in turn":
        lines.sort(key=lambda line: ('"mine"' in line) == (order == "the refused one first"), reverse=True)
    (tmp_path / "changes.jsonl").write_text("".join(lines))
    mended = False

    def answer(asked: Asked) -> int:
        return 403 if asked[0] == "mine" and not mended else 200

    with answering(answer) as (env, asked):
        told = batch(tmp_path, env, "--report", "report.jsonl")
        assert (told["code"], told["done"], told["failed"], told["left"]) == (1, COUNT, 0, COUNT)
        assert told["stopped"].startswith(
            "what is left of mine/1 was not made, because 10 orders in a row were refused"
        )
        assert told["requests"] == len(asked) <= COUNT + AT_ONCE + IN_A_ROW
        assert len((tmp_path / "report.jsonl").read_text().splitlines()) == COUNT
        status = commanded.call("batch", "status", "changes.jsonl.journal", cwd=tmp_path)
        assert status.returncode == 1
        assert "Stopped: what is left of mine/1 was not made" in status.stdout
        assert re.search(rf"{COUNT} +left +not begun, or to be tried again\n", status.stdout)
        mended = True
        told = batch(tmp_path, env)
    assert (told["code"], told["done"], told["ended"], told["stopped"]) == (0, 2 * COUNT, COUNT, None)


def test_a_merchant_that_is_let_in_again_goes_on(tmp_path: Path) -> None:
    (tmp_path / "changes.jsonl").write_text("".join(change(number, "mine") for number in range(COUNT)))
    refused: list[Asked] = []

    def answer(asked: Asked) -> int:
        if len(refused) < 8 and asked not in refused:
            refused.append(asked)
            return 403
        return 200

    with answering(answer) as (env, asked):
        told = batch(tmp_path, env)
    assert (told["code"], told["done"], told["outcomes"]["rejected"], told["left"]) == (1, COUNT - 8, 8, 0)
    assert (told["stopped"], told["requests"]) == (None, len(asked))


@pytest.mark.parametrize(("after", "code"), [(0, 3), (40, 1)])
@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_is_refused_stops_the_batch(tmp_path: Path, after: int, code: int, status: int) -> None:
    (tmp_path / "changes.jsonl").write_text("".join(change(number, "mine") for number in range(COUNT)))
    mended = False
    numbers = count(1)

    def answer(asked: Asked) -> int:
        if next(numbers) <= after or mended:
            return 200
        time.sleep(0.1)  # what was asked before is answered before: after a 403, a yes would tell of the merchant
        return status

    with answering(answer) as (env, asked):
        told = batch(tmp_path, env)
        assert (told["code"], told["done"], told["failed"], told["left"]) == (code, after, 0, COUNT - after)
        assert f"HTTP {status}" in told["stopped"]
        assert told["requests"] == len(asked) <= after + AT_ONCE + IN_A_ROW
        mended = True
        told = batch(tmp_path, env)
    assert (told["code"], told["done"], told["ended"]) == (0, COUNT, COUNT - after)
