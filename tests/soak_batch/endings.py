"""The ways in which a batch ends: what its summary, ``batch status``, ``batch report`` and the page say, side by side.

    PYTHONPATH=tests python -m soak_batch.endings

The counts must agree, and the exit code must be the one of the table in the documentation.
"""

import io
import json
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
from answering import Asked, answering
from command import start_batch

from norce_order_async.cli import main as command_line
from norce_order_async.core.outcome import OutcomeKind

COUNT = 200
AT = 60
"""After so many requests, what ends the batch happens."""
JOURNAL = "changes.jsonl.journal"
_DOCS = Path(__file__).parents[2] / "docs" / "batch.md"


@attrs.frozen
class Ending:
    """A way to end.

    Attributes:
        name: As in the documentation.
        answer: The status of an answer, by the number of the request.
        act: What happens at the request number ``AT``; it gets the folder and the process.
        arguments: Options of the command.
        file_size: Bytes that a file of the process may have.
    """

    name: str
    answer: Callable[[int], int] = lambda number: 200
    act: Callable[[Path, "subprocess.Popen[str]"], object] = lambda folder, process: None
    arguments: tuple[str, ...] = ()
    file_size: int | None = None


def _after(status: int) -> Callable[[int], int]:
    return lambda number: status if number > AT else 200


ENDINGS = (
    Ending("every change is made"),
    Ending("some changes are rejected", lambda number: 404 if number % 9 == 0 else 200),
    Ending("every change is rejected", lambda number: 404),
    Ending("Ctrl-C", act=lambda folder, process: process.send_signal(signal.SIGINT)),
    Ending("SIGTERM", act=lambda folder, process: process.send_signal(signal.SIGTERM)),
    Ending("the server is gone for longer than `--patience`", _after(503), arguments=("--patience", "1")),
    Ending("`--max-failures`", _after(404), arguments=("--max-failures", "10")),
    Ending("the token is refused (401)", _after(401)),
    Ending("the token may not do this (403)", _after(403)),
    Ending("nothing ever went through (401)", lambda number: 401),
    Ending("nothing ever went through (403)", lambda number: 403),
    Ending("the disk is full", file_size=150_000),
    Ending("the journal is deleted", act=lambda folder, process: (folder / JOURNAL).unlink()),
    Ending("the input is edited", act=lambda folder, process: _append(folder / "changes.jsonl")),
    Ending("killed with SIGKILL", act=lambda folder, process: process.kill()),
)


def _append(path: Path) -> None:
    with path.open("a") as stream:
        stream.write(_line(COUNT))


def _line(number: int) -> str:
    members = {"op": "patch_consent", "order_id": f"o_{number:06d}", "consent_id": "ci", "checked": True}
    return json.dumps(members) + "\n"


@attrs.frozen
class Told:
    """What one of them says.

    Attributes:
        code: The exit code.
        counts: How many changes, by outcome; what is left too, where it is said.
        words: Why it ended.
    """

    code: int
    counts: dict[str, int]
    words: str = ""


def end(ending: Ending, folder: Path) -> dict[str, Told]:
    """Run a batch that ends so; what is told of it, by who tells it."""
    (folder / "changes.jsonl").write_text("".join(map(_line, range(COUNT))))
    process: subprocess.Popen[str] | None = None
    requests = 0

    def answer(_: Asked) -> int:
        nonlocal requests
        requests += 1
        if requests == AT and process is not None:
            ending.act(folder, process)
        time.sleep(0.005)
        return ending.answer(requests)

    with answering(answer) as (settings, _):
        limit = None if ending.file_size is None else lambda: _limit(ending.file_size or 0)
        process = start_batch("--concurrency", "4", *ending.arguments, cwd=folder, env=settings, preexec_fn=limit)
        out, err = process.communicate(timeout=120)
    if "Traceback" in err:
        raise AssertionError(err)
    code = process.returncode if process.returncode >= 0 else 128 - process.returncode  # as a shell has it
    return {"run": _of_json(code, out)} | _readers(folder)


def _limit(size: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def _readers(folder: Path) -> dict[str, Told]:
    journal, page = str(folder / JOURNAL), folder / "page.html"
    status = _of_json(*_command("batch", "status", journal, "--output", "json"))
    code, out = _command("batch", "report", journal)
    rows = Counter(json.loads(line)["_outcome"] for line in out.splitlines())
    found = {"status": status, "report": Told(code, dict(rows))}
    code, _ = _command("batch", "report", journal, "--html", str(page))
    return found | {"page": _of_page(code, page.read_text() if page.exists() else "")}


def _command(*arguments: str) -> tuple[int, str]:
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with redirect_stdout(out):
        code = command_line(arguments)
        out.flush()
    assert isinstance(out.buffer, io.BytesIO)
    return code, out.buffer.getvalue().decode()


def _of_json(code: int, out: str) -> Told:
    if not out:
        return Told(code, {}, "")
    told: dict[str, Any] = json.loads(out)
    counts = {name: count for name, count in told["outcomes"].items() if count} | {"left": told["left"]}
    parts = [part for part in (told["state"], told["stopped"]) if part]
    return Told(code, counts, "; ".join(parts))


def _of_page(code: int, page: str) -> Told:
    """The page's table of outcomes, and its headline."""
    text = re.sub(r"<[^>]+>", " ", page.partition("By operation")[0].partition('class="facts"')[2])
    counts: dict[str, int] = {}
    for name in [*OutcomeKind, "left"]:
        if found := re.search(rf"\s{name}\s+([\d,]+)\s", text.partition("Outcomes")[2]):
            counts[str(name)] = int(found[1].replace(",", ""))
    headline = re.search(r"<h1>(.*?)</h1>", page)
    return Told(code, counts | ({"left": counts.get("left", 0)} if page else {}), headline[1] if headline else "")


def expected_codes() -> dict[str, int]:
    """The exit code of each ending, as the documentation has it."""
    rows = re.findall(r"^\| ([^|]+) \| (\S+) \| [^|]* \|$", _DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: int(code) for name, code in rows if name in {ending.name for ending in ENDINGS}}


def disagreements(ending: Ending, told: dict[str, Told]) -> list[str]:
    """What does not fit together, or is not as documented."""
    found: list[str] = []
    code, is_there = told["run"].code, ending.name != "the journal is deleted"
    wanted = expected_codes().get(ending.name)
    if code != wanted:
        found.append(f"{ending.name}: exit code {code}, and the documentation says {wanted}")
    if is_there and told["status"].code != int(code != 0):
        found.append(f"{ending.name}: exit code {code}, and of batch status {told['status'].code}")
    counts = told["status" if is_there else "run"].counts
    if sum(counts.values()) != COUNT:
        found.append(f"{ending.name}: {counts} are not {COUNT}")
    for who, one in told.items():
        if not one.counts and (not is_there or (who, ending.name) == ("run", "killed with SIGKILL")):
            continue
        compared = counts if who != "report" else {name: count for name, count in counts.items() if name != "left"}
        if one.counts != compared:
            found.append(f"{ending.name}: {who} says {one.counts}, and the others {compared}")
    return found


def main() -> int:
    """Print all of them side by side; 1 when something does not fit together."""
    violations: list[str] = []
    for ending in ENDINGS:
        with TemporaryDirectory() as folder:
            told = end(ending, Path(folder))
        print(f"\n{ending.name}")
        for who, one in told.items():
            counts = ", ".join(f"{count:,} {name}" for name, count in one.counts.items() if count)
            print(f"  {who:8}{one.code:>4}  {counts or '-':44} {one.words}", flush=True)
        violations += disagreements(ending, told)
    for violation in violations:
        print(f"  {violation}")
    print(f"endings: {len(violations)} violations", flush=True)
    return int(bool(violations))


if __name__ == "__main__":
    sys.exit(main())
