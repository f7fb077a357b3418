"""Every worker of docs/examples/workers against a real Redis, killed and stopped in the middle of its jobs.

    PYTHONPATH=tests python -m workers 1000

Each outcome is held against the sandbox's ledger. What is not installed is skipped.
"""

import argparse
import asyncio
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from workers.run import JOB_SECONDS, Result, Subject, run

from norce_order_async import OutcomeKind

TASKIQ = f"--workers 1 --max-async-tasks 20 --wait-tasks-timeout {JOB_SECONDS}"
CELERY = "worker --concurrency 4"
SUBJECTS = {
    "arq": Subject(name="arq", module="arq_worker", command="arq arq_worker.WorkerSettings"),
    "saq": Subject(name="SAQ", module="saq_few", command="saq saq_few.settings", loses=1),
    "saq-once": Subject(name="SAQ, one try", module="saq_once", command="saq saq_once.settings", loses=None),
    "taskiq": Subject(
        name="taskiq, stream",
        module="taskiq_worker",
        command=f"taskiq worker taskiq_worker:broker {TASKIQ}",
        nudge=True,
    ),
    "taskiq-list": Subject(
        name="taskiq, list", module="taskiq_list", command=f"taskiq worker taskiq_list:broker {TASKIQ}", loses=None
    ),
    "celery": Subject(
        name="Celery, acks late", module="celery_worker", command=f"celery --app celery_worker {CELERY}", loses=1
    ),
    "celery-early": Subject(
        name="Celery, acks early", module="celery_early", command=f"celery --app celery_early {CELERY}", loses=None
    ),
    "faststream": Subject(
        name="FastStream, stream", module="faststream_worker", command="faststream run faststream_worker:app"
    ),
    "plain": Subject(name="asyncio queue, files", module="in_files", command="in_files", ends=True),
}


def show(results: list[Result]) -> None:
    """Print a table."""
    print(f"{'':<22}{'jobs':>6}{'starts':>8}{'requests':>10}{'lost':>6}{'untrue':>8}{'SIGTERM':>9}{'all':>7}  outcomes")
    for each in results:
        told = ", ".join(f"{count:,} {kind}" for kind in OutcomeKind if (count := each.outcomes[kind]))
        print(
            f"{each.subject.name:<22}{each.count:>6,}{each.starts:>8}{each.requests:>10,}{len(each.lost):>6}"
            f"{len(each.violations):>8}{each.slowest:>7.1f} s{each.seconds:>5.0f} s  {told}"
        )


def _last_words(log: Path) -> str:
    return log.read_text(errors="replace")[-3000:]


async def main(names: list[str], count: int, seed: int) -> int:
    """Run them all; 1 if something was not as promised."""
    results: list[Result] = []
    with TemporaryDirectory() as path:
        for name in names:
            subject = SUBJECTS[name]
            package = subject.command.split()[0]
            if package != subject.module and find_spec(package) is None:
                print(f"{subject.name}: skipped, {package} is not installed")
                continue
            result = await run(subject, count, seed, Path(path))
            results.append(result)
            lost = f"{len(result.lost)} lost ({result.lost_begun} of them begun)"
            print(f"{subject.name}: {len(result.violations)} untrue, {lost}; cut by SIGTERM: {result.cut}", flush=True)
            for line in result.violations[:10]:
                print(f"  {line}")
            if result.failed:
                print(_last_words(Path(path, f"{subject.module}.log")))
    show(results)
    return int(any(result.failed for result in results))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("--only", choices=SUBJECTS, nargs="*", default=list(SUBJECTS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if shutil.which("redis-server") is None:
        print("workers: skipped, there is no redis-server")
    else:
        sys.exit(asyncio.run(main(options.only, options.count, options.seed)))
