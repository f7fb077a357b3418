"""The sdist and the wheel, built twice: from the checkout, and from the sdist of that, in another place."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import attrs


@attrs.frozen
class Built:
    """What was built.

    Attributes:
        sdist: The source distribution.
        wheel: The wheel.
        source: The unpacked sdist.
    """

    sdist: Path
    wheel: Path
    source: Path


def build_twice(root: Path, folder: Path) -> Built:
    """Build into `dist/`, and see that the sdist alone gives the same bytes again."""
    dist = root / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    epoch = committed_at(root)
    first = _build(root, dist, epoch)
    with tarfile.open(dist / next(name for name in first if name.endswith(".tar.gz"))) as archive:
        archive.extractall(folder / "source", filter="data")
    (source,) = (folder / "source").iterdir()
    again = _build(source, folder / "again", epoch)
    if first != again:
        differing = {name for name, content in (first.items() ^ again.items()) if content}
        raise SystemExit(f"a second build differs: {', '.join(sorted(differing))}")
    print("The same bytes, built twice:", *first)
    (sdist,), (wheel,) = dist.glob("*.tar.gz"), dist.glob("*.whl")
    return Built(sdist, wheel, source)


def committed_at(root: Path) -> str | None:
    """When the last commit was made, as SOURCE_DATE_EPOCH; None where there is no repository of this folder."""
    if "SOURCE_DATE_EPOCH" in os.environ or not (root / ".git").exists():
        return os.environ.get("SOURCE_DATE_EPOCH")
    command = ["git", "log", "-1", "--format=%ct"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()


def _build(source: Path, target: Path, epoch: str | None) -> dict[str, bytes]:
    env = os.environ | ({} if epoch is None else {"SOURCE_DATE_EPOCH": epoch})
    command = [sys.executable, "-m", "build", "--outdir", str(target), str(source)]
    subprocess.run(command, env=env, stdout=subprocess.DEVNULL, check=True)
    return {file.name: file.read_bytes() for file in sorted(target.iterdir()) if not file.name.startswith(".")}
