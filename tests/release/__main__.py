"""Everything of a release but the upload: built twice, checked, installed, tried, and tested from the sdist.

    PYTHONPATH=tests python -m release

`nox -s release` runs it in an environment with the dependency group `release`. What is to be uploaded is in `dist/`
afterwards, the bill of materials in `build/`. The arguments are pytest's, for the tests of the sdist.
"""

import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from release.building import build_twice
from release.checking import check, write_sbom
from release.environment import Environment
from release.newcomer import begin


def main(arguments: list[str]) -> None:
    """Make a release of the checkout in the current folder."""
    root = Path.cwd()
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        built = build_twice(root, folder)
        check(built, root)
        fresh = Environment(folder / "environment")
        fresh.install_wheel(built.wheel, "[all]")
        sbom = root / "build" / f"{built.wheel.name.split('-py3')[0]}.cdx.json"
        write_sbom(fresh, built.source / "pyproject.toml", sbom)
        fresh.install("pytest", "pytest-asyncio")
        begin(fresh.programs, fresh.python, fresh.env, built.source / "docs")
        fresh.install_group(built.source / "pyproject.toml", "tests")
        fresh.run("-m", "pytest", "-q", *(arguments or ["tests/unit"]), cwd=built.source)
    print("\nReady to be uploaded:")
    for file in (built.sdist, built.wheel):
        print(f"  {sha256(file.read_bytes()).hexdigest()}  {file.relative_to(root)}")
    print(f"Its bill of materials: {sbom.relative_to(root)}")


if __name__ == "__main__":
    main(sys.argv[1:])
