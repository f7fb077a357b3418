"""What another OpenAPI file of this API has otherwise than ours, and where in the package that would be changed.

    PYTHONPATH=tests python -m contract FILE
    PYTHONPATH=tests python -m contract FILE --write      also makes it the package's contract

`nox -s contract -- FILE` runs it too. Its status is 1 when there are differences.
"""

import argparse
import sys
from pathlib import Path

from contract import openapi
from contract.compare import differences


def main(arguments: list[str]) -> int:
    """Compare, print, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="an OpenAPI 3 file, YAML or JSON")
    parser.add_argument("--write", action="store_true", help="write it to the package's testing/contract.json")
    options = parser.parse_args(arguments)
    theirs = openapi.read(options.file)
    found = differences(openapi.ours(), theirs)
    for difference in found:
        print(f"{difference.what}\n    {difference.where}")
    print(f"{len(found)} differences" if found else "no differences")
    if options.write:
        evidence = {row["operationId"]: row["evidence"] for row in openapi.ours()["operations"]}
        for row in theirs["operations"]:
            row["evidence"] = row["evidence"] or evidence.get(row["operationId"], {})
        openapi.CONTRACT.write_text(openapi.text(theirs), encoding="utf-8")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
