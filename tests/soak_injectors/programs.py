"""Starting the programs that inject faults, and ending them in every case."""

import asyncio
import re
import signal
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager, suppress
from subprocess import PIPE, STDOUT

import attrs

START = 60.0
"""Seconds that a program has until it listens."""
END = 10.0
"""Seconds that it has to end by itself."""


class Unavailable(Exception):
    """The program is not here, or does not start."""


@attrs.define
class Program:
    """One that runs.

    Attributes:
        port: Where it listens.
        last_words: What it wrote after that; complete once it has ended.
    """

    port: int
    last_words: str = ""


@asynccontextmanager
async def running(*command: str, port: str) -> AsyncGenerator[Program]:
    """Run a program for as long as the block runs; ``port`` is the expression that finds its port in its output."""
    try:
        process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=STDOUT)
    except OSError as error:
        raise Unavailable(f"it does not start: {error}") from None
    output = process.stdout
    assert output is not None
    said: list[str] = []
    program: Program | None = None
    rest: asyncio.Task[bytes] | None = None
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(START):
                while program is None and (line := (await output.readline()).decode(errors="replace")):
                    said.append(line)
                    if found := re.search(port, line):
                        program = Program(int(found[1]))
        if program is None:
            raise Unavailable("it does not start:\n" + "".join(said[-20:]))
        rest = asyncio.create_task(output.read())  # a full pipe would make it wait
        yield program
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(END):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if rest is not None and program is not None:
            program.last_words = (await rest).decode(errors="replace")


def main(name: str, work: Coroutine[None, None, list[str]]) -> int:
    """Do the work and print the violations it returns; the exit status.

    What cannot be had is skipped, with a line that says so.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that nothing outlives this, either
    try:
        violations = asyncio.run(work)
    except Unavailable as reason:
        print(f"SKIPPED {name}: {reason}", flush=True)
        return 0
    for violation in violations[:20]:
        print(f"  {violation}")
    print(f"{name}: {len(violations)} violations", flush=True)
    return int(bool(violations))
