"""One JSON array of objects, read as a stream: each object is a change."""

import codecs
import io
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

from norce_order_async.batch.files.entry import MAX_LINE, ContentError, CutError, InputLine
from norce_order_async.batch.files.json_object import object_meaning
from norce_order_async.batch.files.layout import InputLayout
from norce_order_async.batch.files.source import Source

_CHUNK = 128 * 1024
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["{}\[\],]', re.DOTALL)  # a lone quote is a string that goes on


def entries(source: Source, layout: InputLayout) -> Iterator[InputLine]:
    """The entries of a file; their lines are the places of the objects in the array.

    Raises:
        ConfigurationError: It cannot be read, is not one array, has an object that is too long, or can be read only
            once and ended inside the array.
    """
    checksums = source.checksums
    with source.open() as stream:
        for source.line, element in _elements(stream, checksums):
            meaning = object_meaning(layout, 0, element)
            digest = zlib.crc32(element.strip()) if checksums and meaning[0] is not None else None
            yield InputLine(source.line, *meaning, source.file, len(element), digest)


def numbers(stream: BinaryIO, layout: InputLayout) -> Iterator[int]:
    """The place of each object in the array, from 1."""
    return (number for number, _ in _elements(stream, False))


def _elements(stream: BinaryIO, once: bool) -> Iterator[tuple[int, bytes]]:
    """The elements of the array, each with its place; what is between the commas, whatever it is.

    Raises:
        ContentError: It is not one array, or an element is too long.
        CutError: It is read ``once``, and ended inside the array.
    """
    rest = _begin(stream)
    start, at, depth, number = 0, 0, 0, 1
    while depth >= 0:
        token = _TOKEN.search(rest, at)
        if token is None or token[0] == b'"':
            rest, at = rest[start:], (len(rest) if token is None else token.start()) - start
            start = 0
            rest += _more(stream, number, len(rest), once)
            continue
        at = token.end()
        if token[0] in (b"{", b"["):
            depth += 1
            continue
        if token[0] in (b"}", b"]"):
            depth -= 1
        if depth < 0 or (token[0] == b"," and depth == 0):
            element, start = rest[start : token.start()], at
            if depth == 0 or element.strip():
                yield number, element
            number += 1
    _end(stream, rest[at:])


def _more(stream: BinaryIO, number: int, held: int, once: bool) -> bytes:
    """The next bytes of the array.

    Raises:
        ContentError: There are none, or the element is too long.
        CutError: There are none, and it is read ``once``.
    """
    if held > MAX_LINE:
        raise ContentError(
            f"object {number} of the array is longer than {MAX_LINE} bytes; is a quote or a bracket not closed?"
        )
    if chunk := _read(stream):
        return chunk
    if once:
        raise CutError(number)
    raise ContentError(f"the array ends inside object {number}: a quote or bracket is not closed, or it is cut off")


def _read(stream: BinaryIO) -> bytes:
    """The next bytes, as soon as there are some."""
    return cast("io.BufferedReader", stream).read1(_CHUNK)


def _begin(stream: BinaryIO) -> bytes:
    """What follows the opening bracket.

    Raises:
        ContentError: There is none.
    """
    head = b""
    while not head.removeprefix(codecs.BOM_UTF8).strip() and (chunk := _read(stream)):
        head += chunk
        if len(head) > MAX_LINE:
            break
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not text.startswith(b"["):
        hint = ": is it JSON Lines (--format jsonl)?" if text.startswith(b"{") else ""
        raise ContentError(f"the file is not one JSON array{hint}")
    return text[1:]


def _end(stream: BinaryIO, rest: bytes) -> None:
    while not rest.strip():
        if not (rest := _read(stream)):
            return
    raise ContentError("there is more after the end of the JSON array")
