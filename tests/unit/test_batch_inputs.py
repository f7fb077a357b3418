"""What a batch reads: files one after another, standard input, and pipes that keep it waiting."""

import asyncio
import gzip
import hashlib
import os
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO

import pytest

from norce_order_async import ConfigurationError
from norce_order_async.batch import DeleteConsent, inputs
from norce_order_async.batch.files import InputLine
from norce_order_async.batch.inputs import Input, InputFile, follow

JSONL = b'\n{"op": "delete_consent", "order_id": "o_1", "consent_id": "c"}\n{\n'
CSV = b"op,order_id,consent_id\ndelete_consent,o_2,c\n\ndelete_consent,o_3,c\n"

needs_fifo = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")


def line(number: int) -> bytes:
    return b'{"op": "delete_consent", "order_id": "o_%d", "consent_id": "c"}\n' % number


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    contents = {"a.jsonl": JSONL, "b.csv": CSV, "c.csv.gz": gzip.compress(CSV), "d.jsonl": b""}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    return [tmp_path / name for name in contents]


def wait_until_gone(name: str = "norce-order input") -> None:
    deadline = time.monotonic() + 30
    while any(thread.name == name for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "the thread that reads is still there"
        time.sleep(0.01)


def test_many_files_are_one_input(files: list[Path]) -> None:
    source = Input(*files)
    entries = list(source)
    assert [(entry.file, entry.line) for entry in entries] == [
        (str(files[0]), 2), (str(files[0]), 3), (str(files[1]), 2), (str(files[1]), 4), (str(files[2]), 2),
        (str(files[2]), 4),
    ]  # fmt: skip
    assert [entry.change and entry.change.order_id for entry in entries] == ["o_1", None, "o_2", "o_3", "o_2", "o_3"]
    assert list(source) == entries


def test_a_single_file_needs_no_name_in_its_entries(files: list[Path]) -> None:
    assert {(entry.file, entry.digest) for entry in Input(str(files[1]))} == {(None, None)}


def test_a_format_holds_for_every_file(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_bytes(CSV)
    (file,) = (source := Input(tmp_path / "rows.txt", format="csv")).survey()
    assert file.changes == len(list(source)) == 2


def test_a_survey_tells_each_file_by_its_content(files: list[Path]) -> None:
    assert Input(*files).survey() == tuple(
        InputFile(str(path), hashlib.sha256(path.read_bytes()).hexdigest(), changes)
        for path, changes in zip(files, (2, 2, 2, 0), strict=True)
    )


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.jsonl", None, "cannot be read: No such file"),
        (".", None, "it is a folder; name the files in it"),
        ("head.csv", b"op;cart\n", "head.csv: the first line of a table names its columns"),
        ("cut.json", b'[{"op":', "cut.json: the array ends inside object 1"),
        ("cut.gz", gzip.compress(JSONL, mtime=0)[:-4], "cut.gz cannot be read beyond line 3: its gzip data is cut off"),
    ],
)
def test_a_survey_finds_what_cannot_be_read(files: list[Path], name: str, content: bytes | None, says: str) -> None:
    path = files[0].parent / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=says):
        Input(*files, path).survey()
    with pytest.raises(ConfigurationError, match=says):
        list(Input(*files, path))


def test_a_file_is_named_once(files: list[Path]) -> None:
    link = files[0].with_name("link.jsonl")
    link.symlink_to(files[0])
    (hard := files[0].with_name("hard.jsonl")).hardlink_to(files[0])
    for paths in ((files[0], files[0]), (files[0], str(link)), (hard, files[0]), ("-", "-")):
        with pytest.raises(ConfigurationError, match="is named twice"):
            Input(*paths)
    with pytest.raises(ConfigurationError, match="no file"):
        Input()


def test_regular_files_are_read_where_they_are_used(files: list[Path]) -> None:
    entries = Input(*files).entries()
    assert isinstance(entries, Iterator)
    assert len(list(entries)) == 6


# Standard input


@pytest.fixture
def piped(monkeypatch: pytest.MonkeyPatch) -> Iterator[BinaryIO]:
    """The other end of standard input."""
    reading, writing = os.pipe()
    with open(reading) as stdin, open(writing, "wb", buffering=0) as other_end:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdin", stdin)
        yield other_end
        other_end.close()
        wait_until_gone()


@pytest.mark.parametrize("content", [JSONL, gzip.compress(JSONL)], ids=["plain", "gzip"])
def test_standard_input_is_read_once(piped: BinaryIO, content: bytes) -> None:
    piped.write(content)
    piped.close()
    source = Input("-")
    assert source.survey() == (InputFile("standard input", None, None),)
    good, bad = source
    assert (good.line, good.change, good.file) == (2, DeleteConsent("o_1", "c"), None)
    assert (bad.line, bad.digest) == (3, None)
    with pytest.raises(ConfigurationError, match="standard input can be read only once"):
        next(iter(source))


def test_standard_input_among_files(piped: BinaryIO, files: list[Path]) -> None:
    piped.write(CSV)
    piped.close()
    source = Input(files[1], "-", format="csv")
    assert [file.changes for file in source.survey()] == [2, None]
    assert [(entry.file, entry.digest is None) for entry in source] == [
        (str(files[1]), True), (str(files[1]), True), ("standard input", False), ("standard input", False),
    ]  # fmt: skip


def test_there_may_be_no_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(ConfigurationError, match="standard input cannot be read: there is none"):
        list(Input("-"))


def digests(path: Path, content: bytes) -> list[int | None]:
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    found = [entry.digest for entry in Input(path, format="csv" if content.startswith(b"op,") else "jsonl")]
    writer.join()
    return found


@needs_fifo
def test_a_digest_stands_for_what_a_line_says(tmp_path: Path) -> None:
    (one, bad) = digests(tmp_path / "1", JSONL)
    assert bad is None
    assert digests(tmp_path / "2", line(1).strip()) == [one]
    assert digests(tmp_path / "3", JSONL.replace(b"\n", b"\r\n"))[0] == one
    assert digests(tmp_path / "4", JSONL.replace(b"o_1", b"o_2"))[0] != one
    rows = digests(tmp_path / "5", CSV)
    assert len(set(rows)) == 2
    assert digests(tmp_path / "6", CSV.replace(b"order_id,consent_id", b"consent_id,order_id")) != rows


@needs_fifo
def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    source = Input(tmp_path / "pipe")
    assert source.survey() == (InputFile(str(tmp_path / "pipe"), None, None),)
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(JSONL,))
    writer.start()
    assert [entry.line for entry in source] == [2, 3]
    writer.join()
    with pytest.raises(ConfigurationError, match="pipe can be read only once"):
        next(iter(source))


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="it has no other name here")
def test_standard_input_is_named_once(piped: BinaryIO) -> None:
    assert not piped.closed
    stdin = f"/dev/fd/{sys.stdin.fileno()}"
    for paths in (("-", stdin), (stdin, "-")):
        with pytest.raises(ConfigurationError, match="is named twice"):
            Input(*paths)


# Following what keeps one waiting


async def next_of(entries: AsyncIterator[InputLine]) -> InputLine:
    return await asyncio.wait_for(anext(entries), 5)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("blocking", [True, False])
async def test_a_line_is_there_as_soon_as_it_is_written(piped: BinaryIO, packed: bool, blocking: bool) -> None:
    pack = zlib.compressobj(wbits=31)
    os.set_blocking(sys.stdin.fileno(), blocking)

    def write(content: bytes) -> None:
        piped.write(pack.compress(content) + pack.flush(zlib.Z_SYNC_FLUSH) if packed else content)

    entries = Input("-").entries()
    assert isinstance(entries, AsyncIterator)
    for number in range(1, 5):
        write(line(number) + line(number)[:20])  # the next line has begun, too
        assert (await next_of(entries)).change == DeleteConsent(f"o_{number}", "c")
        write(line(number)[20:])
        assert (await next_of(entries)).line == 2 * number
    piped.write(pack.flush() if packed else b"")
    piped.close()
    with pytest.raises(StopAsyncIteration):
        await next_of(entries)


async def test_an_object_of_an_array_is_there_as_soon_as_it_is_written(piped: BinaryIO) -> None:
    entries = Input("-", format="json").entries()
    assert isinstance(entries, AsyncIterator)
    piped.write(b"[")
    for number in range(1, 4):
        piped.write(line(number).strip() + b",")
        assert (await next_of(entries)).change == DeleteConsent(f"o_{number}", "c")
    piped.write(line(4) + b"]")
    piped.close()
    assert [entry.line async for entry in entries] == [4]


async def test_the_loop_goes_on_while_nothing_comes(piped: BinaryIO) -> None:
    entries = Input("-").entries()
    assert isinstance(entries, AsyncIterator)
    waiting = asyncio.create_task(next_of(entries))
    for _ in range(10):
        await asyncio.sleep(0.005)
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_an_error_comes_after_all_that_came_before_it() -> None:
    def entries() -> Iterator[InputLine]:
        yield from (InputLine(number) for number in range(5_000))
        raise ConfigurationError("cut off")

    seen: list[int] = []
    with pytest.raises(ConfigurationError, match="cut off"):
        await collect(follow(entries()), seen)
    assert seen == list(range(5_000))
    wait_until_gone()


async def collect(entries: AsyncIterator[InputLine], seen: list[int]) -> None:
    async for entry in entries:
        seen.append(entry.line)


@pytest.mark.parametrize(("size", "most"), [(1, 1_000), (1024 * 1024, 8)])
async def test_no_more_is_read_ahead_than_was_agreed(size: int, most: int) -> None:
    read = 0
    closed = threading.Event()

    def entries() -> Iterator[InputLine]:
        nonlocal read
        try:
            while True:
                read += 1
                yield InputLine(read, size=size)
        finally:
            closed.set()

    assert (inputs.AHEAD, inputs.AHEAD_SIZE) == (1_000, 8 * 1024 * 1024)
    async with aclosing(follow(entries())) as following:
        for number in range(1, 4 * most):
            assert (await anext(following)).line == number
            await asyncio.sleep(0)
            assert read <= number + 2 * most + 1
        assert not closed.is_set()
    wait_until_gone()
    assert closed.is_set()


def test_a_loop_that_is_gone_ends_the_thread() -> None:
    async def abandon() -> None:
        following.append(follow(InputLine(number) for number in range(10**9)))
        await anext(following[0])

    following: list[AsyncIterator[InputLine]] = []
    asyncio.run(abandon())
    wait_until_gone()


@pytest.mark.parametrize("ending", ["", "raise SystemExit(3)", "signal.raise_signal(signal.SIGINT)"])
def test_a_program_ends_while_its_input_stays_open(ending: str) -> None:
    program = f"""
import asyncio, signal
from norce_order_async.batch.inputs import Input

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored

async def main():
    entries = Input("-").entries()
    print((await anext(entries)).change.order_id, flush=True)
    try:
        await asyncio.wait_for(anext(entries), 0.05)
    except TimeoutError:
        print("nothing more", flush=True)
    {ending}

asyncio.run(main())
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(line(1))
        process.stdin.flush()
        assert process.wait(timeout=60) in (0, 3, -2, 130)
        assert process.stdout.read().split(b"\n")[:2] == [b"o_1", b"nothing more"]
        said = process.stderr.read()
        assert b"Fatal" not in said
        assert (b"Traceback" in said) == ("SIGINT" in ending)
