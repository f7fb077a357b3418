"""The plain queue with its jobs in a file and its outcomes in another: what has none is given out again."""

import json
import os
import sys
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import norce_order_async
from norce_order_async import NorceOrderError, Receipt
from norce_order_async.models import from_dict

FOLDER = Path(os.environ["JOBS_FOLDER"])
JOBS, GIVEN, OUTCOMES = (FOLDER / name for name in ("jobs.jsonl", "given.jsonl", "outcomes.jsonl"))


def _lines(path: Path) -> list[dict[str, Any]]:
    """What a file has; a line that was cut off by a kill is none."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _append(path: Path, *lines: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(line) + "\n" for line in lines)


def connect() -> dict[str, Any]:
    """The outcomes that were read."""
    return {}


def enqueue(_: object, job_id: str, order_id: str, consent_id: str) -> None:
    """Hand a job out."""
    _append(JOBS, {"job_id": job_id, "order_id": order_id, "consent_id": consent_id})


def result(outcomes: dict[str, Any], job_id: str) -> Receipt | NorceOrderError | None:
    """What became of a job."""
    size = OUTCOMES.stat().st_size if OUTCOMES.exists() else 0
    if outcomes.get("size") != size:
        outcomes.update((line["job_id"], line["outcome"]) for line in _lines(OUTCOMES))
        outcomes["size"] = size
    match outcomes.get(job_id):
        case None:
            return None
        case [name, *args]:
            return getattr(norce_order_async, name)(*args)  # type: ignore[no-any-return]
        case receipt:
            return from_dict(receipt, Receipt)


def main() -> None:
    """Become the worker, with what has no outcome as its input."""
    done = {line["job_id"] for line in _lines(OUTCOMES)}
    given = {line["job_id"] for line in _lines(GIVEN)}
    left = [job | {"redelivered": job["job_id"] in given} for job in _lines(JOBS) if job["job_id"] not in done]
    _append(GIVEN, *left)
    path = FOLDER / "left.jsonl"
    path.unlink(missing_ok=True)
    _append(path, *left)
    source = Popen(["cat", str(path)], stdout=PIPE, pipesize=4096)  # bytes: little is read ahead
    assert source.stdout is not None
    os.dup2(source.stdout.fileno(), 0)
    with OUTCOMES.open("ab") as stream:
        os.dup2(stream.fileno(), 1)
    os.execv(sys.executable, [sys.executable, "-m", "asyncio_queue"])


if __name__ == "__main__":
    main()
