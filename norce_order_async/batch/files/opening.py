"""From a file as it is stored, or standard input, to its text: gzip and UTF-16 are undone, other bytes refused."""

import codecs
import io
import os
import select
import stat
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.wording import reason_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_STANDARD_INPUT = "-"
_CHUNK = 128 * 1024
_GZIP = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's number for gzip with its largest window
_UTF_16 = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
_TO_TEXT = "save it as JSON Lines or CSV in UTF-8"
_OTHERS = {
    codecs.BOM_UTF32_LE: f"is UTF-32 text: {_TO_TEXT}",
    codecs.BOM_UTF32_BE: f"is UTF-32 text: {_TO_TEXT}",
    b"PK\3\4": f"is a ZIP archive or an Excel workbook: name that *.xlsx, or {_TO_TEXT}",
    b"PAR1": f"is Parquet: name it *.parquet, or {_TO_TEXT}",
    b"\xd0\xcf\x11\xe0": f"is an Excel workbook of the old kind: save it as *.xlsx, or {_TO_TEXT}",
}


def is_stream(path: str) -> bool:
    """Whether a file can be read only once, and reading it may wait: standard input, a pipe, a terminal.

    Raises:
        ConfigurationError: It is not there, or a folder.
    """
    if path == _STANDARD_INPUT:
        return True
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    if stat.S_ISDIR(mode):
        raise ConfigurationError(f"{path} cannot be read: it is a folder; name the files in it")
    return not stat.S_ISREG(mode)


def identity_of(path: str) -> object:
    """What two names of one file have in common: links, and those of standard input."""
    try:
        status = os.fstat(sys.stdin.fileno()) if path == _STANDARD_INPUT else Path(path).stat()
    except (AttributeError, OSError, ValueError):  # told of when it is read
        return os.path.realpath(path)
    return status.st_dev, status.st_ino


def shown_name(path: str) -> str:
    """What people call a file."""
    return "standard input" if path == _STANDARD_INPUT else path


def unreadable(path: str, error: OSError | ValueError, line: int = 0) -> ConfigurationError:
    """The error of a file that cannot be read, beyond a line of it."""
    beyond = f" beyond line {line}" if line else ""
    return ConfigurationError(f"{shown_name(path)} cannot be read{beyond}: {reason_of(error)}")


@contextmanager
def open_file(path: str, note: Callable[[bytes], object] | None = None) -> Generator[BinaryIO]:
    """The bytes of a text file, unpacked and in UTF-8; ``note`` gets them as they are stored.

    Raises:
        ConfigurationError: It is no text.
        OSError: It cannot be read.
    """
    with _open_stored(path) as stored:
        stream = io.BufferedReader(_Joined(_unpacked(_chunks(stored, note))), _CHUNK)
        head = stream.peek(4)
        for start, what in _OTHERS.items():
            if head.startswith(start):
                raise ConfigurationError(f"{shown_name(path)} {what}")
        if (encoding := _UTF_16.get(head[:2])) is not None:
            stream = io.BufferedReader(_Joined(_recoded(stream, encoding)), _CHUNK)
        yield stream


@contextmanager
def open_seekable(path: str, note: Callable[[bytes], object] | None) -> Generator[BinaryIO]:
    """A file that is not read from its beginning to its end; ``note`` gets all its bytes first.

    Raises:
        ConfigurationError: It can be read only once.
        OSError: It cannot be read.
    """
    if is_stream(path):
        raise ConfigurationError(f"{shown_name(path)} can be read only once, and this format needs a file")
    with io.FileIO(path) as stored:
        for _ in _chunks(stored, note) if note is not None else ():
            pass
        stored.seek(0)
        if stored.read(len(_GZIP)) == _GZIP:
            raise ConfigurationError(f"{path} is compressed, and this format is read unpacked: gunzip it")
        stored.seek(0)
        yield stored


def _recoded(stream: "io.BufferedReader[_Joined]", encoding: str) -> Iterator[bytes]:
    """UTF-16 as UTF-8; half a pair stays what no UTF-8 is."""
    decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
    ended = False
    while not ended:
        chunk = stream.read1(_CHUNK)
        ended = not chunk
        try:
            text = decoder.decode(chunk, final=ended)
        except UnicodeDecodeError:
            raise OSError("its UTF-16 text is cut off") from None
        if text:
            yield text.encode("utf-8", "surrogatepass")


def _open_stored(path: str) -> io.FileIO:
    # Not sys.stdin.buffer: Python cannot end while a thread waits for that.
    if path != _STANDARD_INPUT:
        return io.FileIO(path)
    try:
        return io.FileIO(sys.stdin.fileno(), closefd=False)
    except (AttributeError, ValueError):
        raise OSError("there is none") from None


def _chunks(stored: io.FileIO, note: Callable[[bytes], object] | None) -> Iterator[bytes]:
    while (chunk := cast("bytes | None", stored.read(_CHUNK))) != b"":
        if chunk is None:  # the other end made it non-blocking, and nothing is there yet
            select.select([stored], [], [])
            continue
        if note is not None:
            note(chunk)
        yield chunk


def _unpacked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    head = b""
    while len(head) < len(_GZIP) and (chunk := next(chunks, None)) is not None:
        head += chunk
    whole = chain([head], chunks)
    return _unzipped(whole) if head.startswith(_GZIP) else whole


def _unzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    unzip = zlib.decompressobj(_GZIP_WINDOW)
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                if unzip.eof:
                    rest = rest.lstrip(b"\0")  # padding
                    if not rest:
                        break
                    unzip = zlib.decompressobj(_GZIP_WINDOW)
                yield unzip.decompress(rest, _CHUNK)
                rest = unzip.unconsumed_tail or unzip.unused_data
    except zlib.error as error:
        raise OSError(f"its gzip data is damaged ({error})") from None
    if not unzip.eof:
        raise OSError("its gzip data is cut off")


class _Joined(io.RawIOBase):
    """Chunks of bytes as one stream, each there as soon as it comes."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        while not self._rest:
            if (chunk := next(self._chunks, None)) is None:
                return 0
            self._rest = memoryview(chunk)
        target = memoryview(buffer).cast("B")
        size = min(len(target), len(self._rest))
        target[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size
