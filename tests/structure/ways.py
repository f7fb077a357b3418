"""The way of one call, and of one line of a batch, through the files of the package.

A step is what `sys.setprofile` reports as "call": a function of ours starts, or goes on after an await. Returns do not
count. A change of file is a step in another file than the step before; a change of room likewise, where a room is an
entry at the top of the package. What other packages do between two steps does not count.
Frames are coroutines of ours that await each other, with no function of another package between them.
"""

import asyncio
import gc
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from inspect import CO_COROUTINE
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

from structure.imports import room_of
from structure.sizes import count_lines

import norce_order_async
from norce_order_async import AiohttpTransport, HttptoolsTransport, OrderClient, OutcomeKind, delete_consent
from norce_order_async.batch import Input, Journal, run_batch
from norce_order_async.transport import Transport

PACKAGE = Path(norce_order_async.__file__).parent
TRANSPORTS: tuple[type[Transport], ...] = (AiohttpTransport, HttptoolsTransport)
LINES = 64


class Steps:
    """The files of the steps, and the most frames."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.frames = 0
        self._root = f"{PACKAGE}{os.sep}"

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Note an event of `sys.setprofile`."""
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(self._root):
            self.files.append(Path(name.removeprefix(self._root)).as_posix())
            self.frames = max(self.frames, self._depth(frame))

    def _depth(self, frame: FrameType | None) -> int:
        depth = 0
        while frame and frame.f_code.co_flags & CO_COROUTINE and frame.f_code.co_filename.startswith(self._root):
            depth += 1
            frame = frame.f_back
        return depth


def changes(names: Sequence[str]) -> int:
    """How often a name is another than the one before."""
    return sum(one != other for one, other in pairwise(names))


def way(steps: Steps) -> dict[str, Any]:
    """What a reader of these steps goes through: the files, in reading order, with their lines, and the changes."""
    lines = {file: count_lines(PACKAGE / file) for file in dict.fromkeys(steps.files)}
    return {
        "files": lines,
        "files_by_room": dict(Counter(map(room_of, lines))),
        "lines": sum(lines.values()),
        "steps": len(steps.files),
        "file_changes": changes(steps.files),
        "room_changes": changes([room_of(file) for file in steps.files]),
        "frames": steps.frames,
    }


def way_of_call(transport: type[Transport]) -> dict[str, Any]:
    """The way of one `delete_consent` that succeeds, after others on the same connection."""
    return way(asyncio.run(_call(transport())))


def way_of_line() -> dict[str, Any]:
    """The way of one line, a `patch_consent`, of a batch with a journal that makes one change at a time.

    Lines are read and written down in groups, so a line's steps and changes are what a batch of twice as many lines
    has more, divided by the lines that it has more. They vary by one or two: the journal is also saved by a timer. Its
    files are those that have more steps then: what happens once a batch is no part of the way, as opening a connection
    is none of a call's.
    """
    _steps_of_batch(LINES)  # the first one also loads what is loaded at need
    once, twice = _steps_of_batch(LINES), _steps_of_batch(2 * LINES)
    counts = ("steps", "file_changes", "room_changes")
    one, two = way(once), way(twice)
    more = Counter(twice.files)
    more.subtract(once.files)
    once.files = [file for file in once.files if more[file]]
    return way(once) | {name: round((two[name] - one[name]) / LINES) for name in counts}


async def _call(transport: Transport) -> Steps:
    async with _client(transport) as client:
        for _ in range(3):
            await delete_consent(client, "o_1", "ci_newsletter")
        steps = Steps()
        sys.setprofile(steps)
        await delete_consent(client, "o_1", "ci_newsletter")
        sys.setprofile(None)
    return steps


def _steps_of_batch(count: int) -> Steps:
    gc.collect()  # what an earlier one has left is not let go of meanwhile
    change = {"op": "patch_consent", "consent_id": "ci_newsletter", "checked": True}
    lines = [json.dumps(change | {"order_id": f"o_{number}"}) for number in range(count)]
    with TemporaryDirectory() as folder:
        path = Path(folder, "changes.jsonl")
        path.write_text("\n".join(lines), encoding="utf-8")
        return asyncio.run(_batch(path, count))


async def _batch(path: Path, count: int) -> Steps:
    async with _client(HttptoolsTransport()) as client:
        with Journal.open(path.with_suffix(".journal"), inputs=Input(path).survey(), target="here") as journal:
            steps = Steps()
            sys.setprofile(steps)
            outcomes = run_batch(client, Input(path).entries(), journal=journal, concurrency=1)
            done = sum([outcome.outcome is OutcomeKind.APPLIED async for outcome in outcomes])
            sys.setprofile(None)
    if done != count:
        raise RuntimeError(f"{done} of {count} changes are done")
    return steps


@asynccontextmanager
async def _client(transport: Transport) -> AsyncGenerator[OrderClient]:
    async with await asyncio.start_server(_answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with OrderClient(base_url=url, merchant="m", channel="1", auth="token", transport=transport) as client:
            yield client


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request with 200 and no body."""
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            _, _, length = head.lower().partition(b"content-length:")
            await reader.readexactly(int(length.partition(b"\r\n")[0] or 0))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
