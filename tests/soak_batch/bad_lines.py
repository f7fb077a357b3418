"""Every kind of bad line among good ones: each is told with its line and reason, and stops nothing.

    PYTHONPATH=tests python -m soak_batch.bad_lines 1000

The report of the failures is run again as it is, where each still fails and nothing is sent, and then corrected.
"""

import argparse
import csv
import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from command import CLI
from soak_batch.processes import all_done, batch, sandbox
from soak_injectors.programs import main

EVERY = 8
"""One line in so many is bad."""
LONG = 2 * 1024 * 1024
COLUMNS: tuple[str, ...] = ("op", "order_id", "consent_id", "checked", "attributes")
MEANT = {"op": "patch_consent", "order_id": "o_1", "consent_id": "ci"}
Kind = tuple[bytes, str]
"""A bad line, and what its reason says."""


def _json(**members: Any) -> bytes:
    return json.dumps(members).encode()


JSONL: tuple[Kind, ...] = (
    (b"{oops", "not JSON"),
    (b'{"op": "patch_consent", "order_id":', "does not end in its line"),
    (b'{"op": "delete_consent", "order_id": "o_1", "consent_id": "ci"},', "without brackets around the lines"),
    (b"[", "without brackets around the lines"),
    (b"[]", "not a JSON object"),
    (b"17", "not a JSON object"),
    (b'"text"', "not a JSON object"),
    (b"null", "not a JSON object"),
    (b"{}", "no op"),
    (b"patch_consent o_1 ci", "not JSON"),
    (b'{"op": "patch_consent", "order_id": "\xff"}', "not UTF-8"),
    (b'{"op": "x"}\r{"op": "y"}', "not in CR alone"),
    (b"{\0}", "UTF-16, or damaged"),
    (b"[" * 100_000, "nested too deeply"),
    (b'{"op": "patch_attributes", "order_id": "o_1", "attributes": {"a": NaN}}', "NaN"),
    (b'{"op": "patch_attributes", "order_id": "o_1", "attributes": {"a": ' + b"9" * 5000 + b"}}", "too many digits"),
    (b'{"op": "delete_consent", "op": "delete_consent", "order_id": "o_1"}', "is there twice"),
    (b'{"op": "patch_attributes", "order_id": "o_1", "attributes": {"a": "' + b"x" * LONG + b'"}}', "longer than"),
    (_json(op="refund", order_id="o_1"), "is none of"),
    (_json(op=None, order_id="o_1"), "no op"),
    (_json(op=["delete_consent"], order_id="o_1"), "is none of"),
    (_json(op="delete_consent", order_id="o_1"), "needs consent_id"),
    (_json(op="patch_consent", order_id="o_1", consent_id="ci"), "needs checked"),
    (_json(**MEANT, checked="true"), "checked must be true or false"),
    (_json(**MEANT, checked=1), "checked must be true or false"),
    (_json(**MEANT, checked=True, note="x"), "does not take 'note'"),
    (_json(op="delete_consent", order_id=1, consent_id="ci"), "order_id"),
    (_json(op="delete_consent", order_id="", consent_id="ci"), "order_id"),
    (_json(op="delete_consent", order_id="..", consent_id="ci"), "order_id"),
    (_json(op="delete_consent", order_id="o_1", consent_id=None), "consent_id"),
    (_json(op="patch_attributes", order_id="o_1", attributes={}), "at least one member"),
    (_json(op="patch_attributes", order_id="o_1", attributes=[1]), "at least one member"),
    (_json(op="delete_consent", order_id="o_1", consent_id="ci", merchant="a\nb"), "merchant"),
)
CSV: tuple[Kind, ...] = (
    (b"refund,o_1,,,", "is none of"),
    (b",o_1,ci,,", "no op"),
    (b"delete_consent,,ci,,", "needs order_id"),
    (b"delete_consent,o_1,,,", "needs consent_id"),
    (b"delete_consent,..,ci,,", "order_id"),
    (b"delete_consent,o_1,ci,true,", "does not take 'checked'"),
    (b"patch_consent,o_1,ci,,", "needs checked"),
    (b"patch_consent,o_1,ci,maybe,", "checked must be true or false"),
    (b"patch_attributes,o_1,,,", "needs attributes"),
    (b"patch_attributes,o_1,,,{oops", "attributes: not JSON"),
    (b'patch_attributes,o_1,,,"{""a"": 1, ""a"": 2}"', "is there twice"),
    (b"patch_attributes,o_1,,,{}", "at least one member"),
    (b"patch_attributes,o_1,,,[]", "at least one member"),
    (b"delete_consent,o_1,ci", "3 columns where the first line has 5"),
    (b"delete_consent,o_1,ci,,,", "6 columns where the first line has 5"),
    (b"delete_consent;o_1;ci;;", "1 columns where the first line has 5"),
    (b"op,order_id,consent_id,checked,attributes", "named once more"),
    (b"delete_consent,\xff,ci,true,", "not UTF-8"),
    (b'delete_consent,"o_1"x,ci,,', "not CSV"),
    (b"patch_attributes,o_1,,," + b"x" * LONG, "longer than"),
)


def good(number: int) -> dict[str, Any]:
    """A change that can be made."""
    order_id = f"o_{number}"
    if number % 2:
        return {"op": "patch_consent", "order_id": order_id, "consent_id": "ci", "checked": number % 3 == 0}
    return {"op": "patch_attributes", "order_id": order_id, "attributes": {"erpId": f'A-"{number}", å'}}


def as_json(change: dict[str, Any]) -> bytes:
    """A line of JSON Lines."""
    return json.dumps(change, ensure_ascii=False).encode()


def as_csv(change: dict[str, Any]) -> bytes:
    """A line of CSV."""
    text = io.StringIO()
    cells = {name: json.dumps(value) if isinstance(value, bool | dict) else value for name, value in change.items()}
    csv.DictWriter(text, COLUMNS, lineterminator="").writerow(cells)
    return text.getvalue().encode()


def report(folder: Path, journal: str) -> tuple[bytes, list[dict[str, Any]]]:
    """The report of what failed, as it is and read."""
    command = [*CLI, "batch", "report", journal, "--only", "failed"]
    out = subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout
    return out, [json.loads(line) for line in out.splitlines()]


async def check(
    folder: Path, url: str, name: str, kinds: tuple[Kind, ...], line_of: Callable[[dict[str, Any]], bytes], count: int
) -> list[str]:
    """Run a file of one format; what was not as promised."""
    head = [",".join(COLUMNS).encode()] if name.endswith(".csv") else []
    lines, reasons, last = [*head], dict[int, str](), count + len(head)
    for number in range(len(head) + 1, last + 1):
        line = line_of(good(number))
        if number % EVERY == 0:
            line, reasons[number] = kinds[number // EVERY % len(kinds)]
        lines.append(line)
    (folder / name).write_bytes(b"\n".join(lines) + b"\n")
    ran = await batch(folder, url, name=name)
    told, failed = report(folder, f"{name}.journal")
    violations = list(_differ(name, {line["_line"]: line["_message"] for line in failed}, reasons))
    if (ran.code, ran.told["done"], ran.told["failed"]) != (1, count - len(reasons), len(reasons)):
        violations.append(f"{name}: exit code {ran.code}, {ran.told}")
    if ran.told["requests"] != count - len(reasons):
        violations.append(f"{name}: {ran.told['requests']} requests for {count - len(reasons)} good lines")
    seen = Counter(line["_error"] for line in failed)
    print(f"{name}: {count:,} lines, {len(reasons)} bad of {len(kinds)} kinds: {ran.told['done']:,} done, {dict(seen)}")

    again = f"again of {name}.jsonl"
    (folder / again).write_bytes(told)
    ran = await batch(folder, url, name=again)
    _, still = report(folder, f"{again}.journal")
    found: dict[int, str] = {failed[line["_line"] - 1]["_line"]: line["_message"] for line in still}
    # The report shows what was read, so that the reason may be another one now.
    violations += _differ(again, found, dict.fromkeys(reasons, ""))
    if ran.told["requests"]:
        violations.append(f"{again}: {ran.told['requests']} requests for bad lines")

    corrected = f"corrected of {name}.jsonl"
    notes = ({key: value for key, value in line.items() if key.startswith("_")} for line in failed)
    (folder / corrected).write_bytes(b"".join(as_json(good(line["_line"]) | line) + b"\n" for line in notes))
    ran = await batch(folder, url, name=corrected)
    print(f"  again: {len(found)} failed; corrected: {ran.told['done']} done", flush=True)
    return violations + all_done(ran, len(reasons), corrected)


def _differ(name: str, found: dict[int, str], reasons: dict[int, str]) -> Iterator[str]:
    for line in found.keys() - reasons.keys():
        yield f"{name}: line {line} is good, and told: {found[line]}"
    for line, reason in reasons.items():
        if line not in found:
            yield f"{name}: line {line} is bad, and not told"
        elif reason not in found[line]:
            yield f"{name}: line {line}: {found[line][:200]!r} does not say {reason!r}"


async def soak(count: int) -> list[str]:
    """Both formats; what was not as promised."""
    with TemporaryDirectory() as path:
        folder = Path(path)
        consents = ({"op": "delete_consent", "order_id": f"o_{n}", "consent_id": "ci"} for n in range(count + 2))
        (folder / "orders.jsonl").write_bytes(b"".join(as_json(line) + b"\n" for line in consents))
        async with sandbox(folder / "orders.jsonl") as url:
            violations = await check(folder, url, "changes.jsonl", JSONL, as_json, count)
            return violations + await check(folder, url, "changes.csv", CSV, as_csv, count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=1_000)
    options = parser.parse_args()
    sys.exit(main("bad lines", soak(options.count)))
