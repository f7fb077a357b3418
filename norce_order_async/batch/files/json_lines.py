"""JSON Lines: a change is an object on a line of its own."""

import zlib
from collections.abc import Iterator
from functools import partial
from typing import Any, BinaryIO, cast

from norce_order_async.batch.changes import Order, make_change
from norce_order_async.batch.files.entry import MAX_LINE, CutError, InputLine, Meaning, Unread, named_order
from norce_order_async.batch.files.json_object import object_meaning
from norce_order_async.batch.files.layout import PLAIN, InputLayout
from norce_order_async.batch.files.source import Source
from norce_order_async.wire import fastjson
from norce_order_async.wire.json import JSON

_INNER = frozenset({dict, list})


def entries(source: Source, layout: InputLayout) -> Iterator[InputLine]:
    """The entries of a file; unread ones where their order can be told without reading the whole line.

    Raises:
        ConfigurationError: It cannot be read, or can be read only once and ended inside a line.
    """
    meaning_of = _line_meaning if layout.is_as_named else partial(object_meaning, layout)
    unread = source.unread and layout.is_as_named
    with source.open() as stream:
        for source.line, line in lines(stream):
            number, file = source.line, source.file
            if line is None:
                yield too_long(source)
            elif unread and (order := _order(line)) is not None:
                yield Unread(line=number, file=file, size=len(line), order=order, content=line, meaning=_line_meaning)
            else:
                change, problem, given = meaning_of(number, line)
                if source.checksums and not line.endswith(b"\n") and isinstance(given, dict) and "_raw" in given:
                    raise CutError(number)  # an object without a line end is whole, because it has its closing brace
                digest = zlib.crc32(line.strip()) if source.checksums and change is not None else None
                yield InputLine(number, change, problem, given, file, len(line), digest)


def numbers(stream: BinaryIO, layout: InputLayout) -> Iterator[int]:
    """The number of each line that isn't blank."""
    return (number for number, _ in lines(stream))


def lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Each line that isn't blank, with its number; None for one that is too long."""
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE)
            yield number, None
        elif not line.isspace():
            yield number, line


def too_long(source: Source) -> InputLine:
    """The entry of a line that is not held in memory."""
    return InputLine(source.line, problem=f"the line is longer than {MAX_LINE} bytes", file=source.file)


def _order(line: bytes) -> Order | None:
    read = fastjson.read(line)
    return named_order(cast("dict[str, JSON]", read)) if type(read) is dict else None


def _line_meaning(number: int, line: bytes) -> Meaning:
    """What a line says; most lines are read by a faster reader, which cannot say what is wrong with the others."""
    try:
        read: Any = fastjson.decode(line)  # each line comes here: one call less than fastjson.read
    except fastjson.unfit:
        read = None
    if type(read) is dict:
        record: dict[str, JSON] = read  # pyright: ignore[reportUnknownVariableType]
        # A reader keeps one of a member that is there twice. There are as many colons in a line as members were
        # written, and more if text holds some.
        written = line.count(b":")
        if len(record) == written or _count_members(record) == written:
            change = make_change(record)
            if change is not None:
                return change, None, None
    return object_meaning(PLAIN, number, line)


def _count_members(value: Any) -> int:
    """How many members the objects in a value have; -1 where that cannot be told."""
    try:
        return _counted(value)
    except RecursionError:
        return -1


def _counted(value: Any) -> int:
    if type(value) is dict:
        members = cast("dict[str, Any]", value)
        return len(members) + sum([_counted(member) for member in members.values() if type(member) in _INNER])
    return sum([_counted(element) for element in cast("list[Any]", value) if type(element) in _INNER])
