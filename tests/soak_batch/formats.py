"""Memory does not grow with a file of any format: the peak of a dry run, for few changes and for many.

    PYTHONPATH=tests python -m soak_batch.formats 30000 300000

A workbook takes memory for each row, and for each shared string; Excel writes every text as one, so both are measured.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from subprocess import DEVNULL
from tempfile import TemporaryDirectory

from command import measured
from soak_injectors.programs import main
from workbooks import write_workbook

MORE = 10.0
"""MiB that many changes may take more than few; what a workbook takes is told, and not bounded."""
HEAD = ("op", "order_id", "consent_id", "checked")
SET = ("--set", "op=patch_consent", "--set", "consent_id=ci", "--set", "checked=true")


def rows(count: int) -> Iterator[tuple[str, ...]]:
    """The changes, as cells."""
    return (("patch_consent", f"o_{number:08d}-{number:024x}", "ci", "true") for number in range(count))


def semicolons(path: Path, count: int) -> None:
    """Write CSV with semicolons."""
    _delimited(path, ";", count)


def tabs(path: Path, count: int) -> None:
    """Write CSV with tabs."""
    _delimited(path, "\t", count)


def _delimited(path: Path, delimiter: str, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(delimiter.join(row) + "\n" for row in (HEAD, *rows(count)))


def array(path: Path, count: int) -> None:
    """Write one JSON array."""
    with path.open("w", encoding="utf-8") as file:
        for number, row in enumerate(rows(count)):
            record = dict(zip(HEAD, row, strict=True)) | {"checked": True}
            file.write(("," if number else "[") + json.dumps(record))
        file.write("]")


def ids(path: Path, count: int) -> None:
    """Write a list of ids."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{row[1]}\n" for row in rows(count))


def parquet(path: Path, count: int) -> None:
    """Write Parquet, in row groups of 20,000."""
    columns = zip(HEAD, zip(*rows(count), strict=True), strict=True)
    table = import_module("pyarrow").table({name: list(cells) for name, cells in columns})
    import_module("pyarrow.parquet").write_table(table, path, row_group_size=20_000)


def inline(path: Path, count: int) -> None:
    """Write a workbook with every text in its cell."""
    book = import_module("openpyxl").Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in (HEAD, *rows(count)):
        sheet.append(row)
    book.save(path)


def shared(path: Path, count: int) -> None:
    """Write a workbook with every text as a shared string."""
    write_workbook(path, chain([HEAD], rows(count)))


FORMATS: dict[str, tuple[Callable[[Path, int], None], Sequence[str]]] = {
    "semicolons.csv": (semicolons, ()),
    "tabs.tsv": (tabs, ()),
    "array.json": (array, ()),
    "ids.txt": (ids, SET),
    "parquet.parquet": (parquet, ()),
    "inline.xlsx": (inline, ()),
    "shared.xlsx": (shared, ()),
}


def measure(name: str, count: int) -> float:
    """The largest resident set of a dry run, in MiB."""
    write, options = FORMATS[name]
    with TemporaryDirectory() as folder:
        path = Path(folder, name)
        # A process begins with the peak of the one that starts it, so that this one stays small.
        writer = get_context("spawn").Process(target=write, args=(path, count))
        writer.start()
        writer.join()
        most, cpu = peak(path, options, count)
        size = path.stat().st_size / 2**20
    print(f"{name}: {count:,} changes, {size:.1f} MiB: {most:.1f} MiB at most, {cpu:.1f} s of CPU", flush=True)
    return most


def peak(path: Path, options: Sequence[str], count: int) -> tuple[float, float]:
    """The largest resident set of a dry run in MiB, and its seconds of CPU."""
    out = path.with_suffix(".out")
    with out.open("wb") as stream:
        command = ("batch", "run", path.name, "--dry-run", "--output", "json", *options)
        _, most, cpu = measured(*command, cwd=path.parent, stdout=stream, stderr=DEVNULL)
    told = json.loads(out.read_bytes())
    assert (told["total"], told["bad"]) == (count, 0), told
    return most, cpu


async def soak(few: int, many: int) -> list[str]:
    """Read each format with both numbers of changes; what was not as promised."""
    violations: list[str] = []
    for name in FORMATS:
        peaks = [await asyncio.to_thread(measure, name, count) for count in (few, many)]
        if (more := peaks[1] - peaks[0]) > MORE and not name.endswith(".xlsx"):
            violations.append(f"{name}: many took {more:.1f} MiB more than few; {MORE:g} are allowed")
    return violations


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("few", type=int, nargs="?", default=30_000)
    parser.add_argument("many", type=int, nargs="?", default=300_000)
    given = parser.parse_args()
    sys.exit(main("formats", soak(given.few, given.many)))
