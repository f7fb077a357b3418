"""Everything that docs/performance.md shows: measure it, print it, and write it to files that the page includes.

    PYTHONPATH=tests python -m benchmarks.report --write docs/_static/performance
    PYTHONPATH=tests python -m benchmarks.report calls imports --rounds 3        parts of it, printed only

`nox -s bench` does the first of them, with every client installed.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import batch_journal, calls, chain, imports, memory, scale, soak_calls, tls
from benchmarks.machine import conditions
from benchmarks.server import Server, serve
from benchmarks.tables import Found

LONG = 1_000_000

_Part = Callable[[Server, argparse.Namespace], Found]
PARTS: dict[str, _Part] = {
    "calls": lambda server, options: calls.measure(server, options.rounds),
    "tls": lambda server, options: tls.measure(options.rounds),
    "chain": lambda server, options: chain.measure(options.rounds),
    "batch": lambda server, options: batch_journal.measure(rounds=max(3, options.rounds // 2)),
    "memory": lambda server, options: memory.measure(server),
    "imports": lambda server, options: imports.measure(options.rounds),
    "scale": lambda server, options: scale.measure(server, options.rounds),
    "soak": lambda server, options: soak_calls.soak(server, LONG if options.long else options.calls),
}


def write(folder: Path, name: str, found: Found, line: str) -> None:
    """Write a part's tables as Markdown, and its pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [text for table in found.tables for text in (*table.markdown(), "")]
    (folder / f"{name}.md").write_text("\n".join([*lines, f"*{line}*", ""]), encoding="utf-8")
    for file, picture in found.pictures.items():
        (folder / file).write_text(picture, encoding="utf-8")


def main() -> int:
    """Measure, print and write; 1 if something is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="where the files go")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--calls", type=int, default=soak_calls.CALLS, help="of the soak")
    parser.add_argument("--long", action="store_true", help=f"{LONG:,} calls in the soak")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    failures: list[str] = []
    with serve() as server:
        for name in options.parts or PARTS:
            found = PARTS[name](server, options)
            line = conditions(found.server, found.distributions)
            for table in found.tables:
                print("", *table.text(), sep="\n")
            print("", line, sep="\n", flush=True)
            if options.write is not None:
                write(options.write, name, found, line)
            if found.failure:
                failures.append(found.failure)
    print(*failures, sep="\n")
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
