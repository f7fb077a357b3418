"""The frames of a WAL, laid out as https://sqlite.org/fileformat2.html#walformat says."""

import struct
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_HEADER, _FRAME = 32, 24  # bytes before the frames, and before the page in each


def has_header(path: Path) -> bool:
    """Whether the file is there and begins as a WAL; SQLite takes any other for an empty one.

    Raises:
        OSError: It cannot be read.
    """
    with suppress(FileNotFoundError), path.open("rb") as stream:
        return _read_header(stream) is not None
    return False


def has_hole(path: Path) -> bool:
    """Whether a transaction before the last one is damaged: SQLite passes over it and all that come after it.

    The last one may be cut, by a kill or a power cut. Frames of an earlier use of the file, which stand behind those
    of this one, have another salt.

    Raises:
        OSError: It cannot be read.
    """
    with suppress(FileNotFoundError), path.open("rb") as stream:
        if (header := _read_header(stream)) is None:
            return False
        sums, order, size = struct.unpack(">II", header[24:]), _order(header), int.from_bytes(header[8:12])
        is_sound, has_ended = True, False
        while len(frame := stream.read(_FRAME + size)) == _FRAME + size:
            is_of_now = frame[8:16] == header[16:24]
            if is_sound:
                sums = _sums(order, frame[:8] + frame[_FRAME:], sums)
                is_sound = is_of_now and frame[16:24] == struct.pack(">II", *sums)
            if is_of_now and not is_sound:
                if has_ended:
                    return True
                has_ended = frame[4:8] != bytes(4)  # the last frame of a transaction
    return False


def _read_header(stream: BinaryIO) -> bytes | None:
    """The first bytes, if they are sound."""
    header = stream.read(_HEADER)
    is_sound = len(header) == _HEADER and header[24:] == struct.pack(">II", *_sums(_order(header), header[:24], (0, 0)))
    return header if is_sound else None


def _order(header: bytes) -> str:
    """In which order checksums take bytes."""
    return ">" if header[3] & 1 else "<"


def _sums(order: str, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    """The checksum of what came before and of these bytes."""
    first, second = sums
    for one, other in struct.iter_unpack(f"{order}II", data):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return first, second
