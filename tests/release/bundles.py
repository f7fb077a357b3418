"""The command as one program (PyInstaller), and as one file (shiv, and a zipapp beside its dependencies), each tried.

    PYTHONPATH=tests python -m release.bundles

It runs in an environment with the package, its extras, and the dependency group `bundles`.
"""

import shutil
import subprocess
import sys
import zipapp
from pathlib import Path
from tempfile import TemporaryDirectory

from release.environment import Environment

import norce_order_async

_START = "import sys\nfrom norce_order_async.cli import main\nsys.exit(main())\n"
_CHANGES = '{"op": "patch_consent", "order_id": "o_1", "consent_id": "c", "checked": true}\n'


def main() -> None:
    """Make and try each of them."""
    package = Path(norce_order_async.__file__).parent
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "changes.jsonl").write_text(_CHANGES, encoding="utf-8")
        bare = Environment(folder / "bare")
        shiv = folder / "shiv.pyz"
        _make("shiv", "-q", "-o", str(shiv), "-e", "norce_order_async.cli:main", f"{Path.cwd()}[cli,sandbox]")
        _try([str(bare.python), str(shiv)], folder, bare.env | {"SHIV_ROOT": str(folder / "shiv")}, processes=True)
        bare.install(f"{Path.cwd()}[cli,sandbox]")
        bare.uninstall("norce-order-async")
        _try([str(bare.python), str(_zipapp(package, folder))], folder, bare.env, processes=True)
        _try([str(_frozen(folder))], folder, bare.env, processes=False)


def _zipapp(package: Path, folder: Path) -> Path:
    shutil.copytree(package, folder / "zipped" / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "zipped" / "__main__.py").write_text(_START, encoding="utf-8")
    zipapp.create_archive(folder / "zipped", folder / "norce-order.pyz", compressed=True)
    return folder / "norce-order.pyz"


def _frozen(folder: Path) -> Path:
    (folder / "start.py").write_text(_START, encoding="utf-8")
    where = ["--distpath", str(folder / "frozen"), "--workpath", str(folder / "work"), "--specpath", str(folder)]
    _make("pyinstaller", "--log-level", "WARN", "--name", "norce-order", *where, str(folder / "start.py"))
    return folder / "frozen" / "norce-order" / "norce-order"


def _make(program: str, *arguments: str) -> None:
    subprocess.run([Path(sys.executable).parent / program, *arguments], check=True)


def _try(command: list[str], folder: Path, env: dict[str, str], *, processes: bool) -> None:
    """Have it show its help, serve a sandbox, and run a batch, for whose page it reads files of the package."""
    print("Trying", *command, flush=True)
    subprocess.run([*command, "--help"], env=env, cwd=folder, stdout=subprocess.DEVNULL, check=True)
    sandbox = [*command, "sandbox", "--port", "0"]
    with subprocess.Popen(sandbox, env=env, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert "The sandbox serves" in server.stdout.readline()
        server.terminate()
    batch = [*command, "batch", "run", "changes.jsonl", "--sandbox", "--html", "page.html"]
    subprocess.run([*batch, *(["--processes", "2"] if processes else [])], env=env, cwd=folder, check=True)
    if "<html" not in (folder / "page.html").read_text(encoding="utf-8"):
        raise SystemExit("the page of the batch is empty")


if __name__ == "__main__":
    main()
