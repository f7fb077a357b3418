"""A list of ids: plain text, the id of an order on each line."""

import codecs
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from norce_order_async.batch.files import json_lines
from norce_order_async.batch.files.cells import row_meaning
from norce_order_async.batch.files.entry import CutError, InputLine, Meaning
from norce_order_async.batch.files.layout import InputLayout
from norce_order_async.batch.files.source import Source
from norce_order_async.core.errors import ConfigurationError

_NO_ID = re.compile(r'[,;\t|"{}\[\]]')


def entries(source: Source, layout: InputLayout) -> Iterator[InputLine]:
    """The entries of a list.

    Raises:
        ConfigurationError: It cannot be read, can be read only once and ended inside a line, or what to do with the
            orders is not said.
    """
    with source.open() as stream:
        _check(layout)
        for source.line, line in _lines(stream):
            if line is None:
                yield json_lines.too_long(source)
                continue
            if source.checksums and not line.endswith(b"\n"):
                raise CutError(source.line)
            meaning = _meaning(line, layout)
            digest = zlib.crc32(line.strip()) if source.checksums and meaning[0] is not None else None
            yield InputLine(source.line, *meaning, source.file, len(line), digest)


def numbers(stream: BinaryIO, layout: InputLayout) -> Iterator[int]:
    """The number of each line that isn't blank."""
    _check(layout)
    return (number for number, _ in _lines(stream))


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Each line that isn't blank, with its number; a first line that only names the column is none."""
    for number, line in json_lines.lines(stream):
        if number == 1 and line is not None:
            line = line.removeprefix(codecs.BOM_UTF8)
            if line.isspace() or not line or re.sub(rb"[\s_]+", b"", line).lower() == b"orderid":
                continue
        yield number, line


def _check(layout: InputLayout) -> None:
    if layout.columns:
        raise ConfigurationError("a list of ids has no columns to name")
    if "op" not in layout.fill:
        raise ConfigurationError(
            "what to do with the orders of a list of ids is said for all: --set op=delete_order, say"
        )
    if "order_id" in layout.fill:
        raise ConfigurationError("the order_id stands in the list: it cannot be the same for every line")


def _meaning(line: bytes, layout: InputLayout) -> Meaning:
    try:
        text = line.decode().strip()
    except UnicodeDecodeError:
        return None, "not UTF-8 text: save the file as UTF-8", {"_raw": line.decode("utf-8", "replace").strip()}
    if (found := _NO_ID.search(text)) is not None:
        return None, f"{found[0]!r} is no part of an id: is it CSV or JSON Lines?", {"_raw": text}
    return row_meaning(("order_id",), (text,), {"_raw": text}, layout.fill)
