"""JSON in and out, without loss: numbers keep their exact digits, and a bad value is named by its path.

The standard library cannot write a Decimal as a number, writes NaN or turns keys into text unless watched, and
does not say where the bad value is. So the writer is our own; the reader is the standard library's. Where C code comes
to the same, :mod:`norce_order_async.wire.fastjson` has it do the work.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from json import JSONDecoder
from json.encoder import encode_basestring, encode_basestring_ascii
from math import isfinite
from typing import Any, Never, Self, TypeAlias, cast

from norce_order_async.core.kinds import kind_of, own
from norce_order_async.wire import fastjson
from norce_order_async.wire.fastjson import MAX_DEPTH

JSON: TypeAlias = bool | int | float | Decimal | str | Sequence["JSON"] | Mapping[str, "JSON"] | None
"""Any JSON value. What was read holds int and Decimal; float is for those who write."""

MAX_BYTES = 1024 * 1024
"""How large a body may be when written, in bytes."""

_MAX_FIXED = 64
_MAX_PATH = 200
_BYTES: tuple[type, ...] = (bytes, bytearray, memoryview)  # sequences of numbers to Python, but not meant as such


class WireError(ValueError):
    """A value that cannot be written or read. Its text is the path to the value, then what is wrong with it.

    Strings are not shown: they may be personal data.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self._path = ""

    def inside(self, step: str | int) -> Self:
        """Note that the bad value is inside this member of an object or at this index of an array."""
        if isinstance(step, int):
            text = f"[{step}]"
        else:
            text = f".{step}" if step.isidentifier() else f"[{encode_basestring_ascii(step)}]"
        self._path = text + self._path
        return self

    def under(self, root: str) -> str:
        """Its text, where ``root`` is what was written or read as a whole."""
        return self._told(root + self._path)

    def __str__(self) -> str:
        return self._told(self._path.removeprefix("."))

    def _told(self, path: str) -> str:
        reason = super().__str__()
        if len(path) > _MAX_PATH:
            path = f"{path[: _MAX_PATH // 2]}...{path[-_MAX_PATH // 2 :]}"
        return f"{path}: {reason}" if path else reason


def members_of(value: object) -> Mapping[str, Any]:
    """The members of an object; none of anything else."""
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def refuse(value: object) -> Never:
    """The default of :func:`encode_json`: only JSON can be written."""
    raise WireError(f"{kind_of(value)} is not a JSON value")


def encode_json(
    value: object,
    *,
    limit: int = MAX_BYTES,
    default: Callable[[object], object] = refuse,
    escape_surrogates: bool = False,
) -> bytes:
    """Write a value as compact UTF-8 JSON.

    Subclasses of str, int, float and Decimal (a StrEnum, say) are written as the value they hold, and so are integers
    and truth values of other libraries; tuples and other sequences are written as arrays. ``default`` returns something
    to write in place of an object that JSON doesn't know, or raises :class:`WireError`. With ``escape_surrogates`` a
    lone surrogate, which UTF-8 cannot hold, is written as its JSON escape: for accounts of what others sent.

    Raises:
        WireError: NaN or infinity, a member name that isn't a str, a lone surrogate, an integer too long for Python
            to print, something that isn't JSON, a container inside itself, nesting deeper than ``MAX_DEPTH``, or
            more than ``limit`` bytes.
    """
    body = fastjson.write(value, limit)
    if body is None:
        body = _Writer(limit, default, escape_surrogates).text(value).encode()
        if len(body) > limit:
            raise _too_large(limit)
    return body


class _Writer:
    __slots__ = ("above", "default", "escape_surrogates", "limit")

    def __init__(self, limit: int, default: Callable[[object], object], escape_surrogates: bool) -> None:
        self.limit = limit
        self.default = default
        self.escape_surrogates = escape_surrogates
        self.above: list[object] = []  # the containers around the value that is being written

    def text(self, value: object) -> str:
        # The commonest kinds come first: this runs for every value of every body.
        if isinstance(value, str):
            return _string(value, self.escape_surrogates)
        if value is None:
            return "null"
        if value is True:
            return "true"
        if value is False:
            return "false"
        if isinstance(value, int):
            return _integer(value)
        if isinstance(value, float):
            return _float(value)
        if isinstance(value, Decimal):
            return decimal_text(value)

        above = self.above
        if len(above) == MAX_DEPTH:
            raise WireError(f"nested deeper than {MAX_DEPTH} levels")
        for container in above:
            if container is value:
                raise WireError("it contains itself")
        above.append(value)
        if isinstance(value, dict):
            text = self.members(cast("dict[object, object]", value))
        elif isinstance(value, (list, tuple)):
            text = self.elements(cast("Sequence[object]", value))
        elif isinstance(value, Mapping):
            text = self.members(cast("Mapping[object, object]", value))
        elif isinstance(value, _BYTES) or not isinstance(value, Sequence):
            above.pop()  # what is written in its place counts instead
            known = own(value)
            return self.text(self.default(value) if known is value else known)
        else:
            text = self.elements(cast("Sequence[object]", value))
        above.pop()
        return text

    def members(self, members: Mapping[object, object]) -> str:
        size = 1
        parts: list[str] = []
        for name, value in members.items():
            if not isinstance(name, str):
                raise WireError(f"a member name must be a str, got {kind_of(name)}")
            try:
                part = f"{_string(name, self.escape_surrogates)}:{self.text(value)}"
            except WireError as error:
                error.inside(name)
                raise
            parts.append(part)
            size += len(part) + 1
            if size > self.limit:
                raise _too_large(self.limit)
        return "{" + ",".join(parts) + "}"

    def elements(self, values: Sequence[object]) -> str:
        size = 1
        parts: list[str] = []
        for index, value in enumerate(values):
            try:
                part = self.text(value)
            except WireError as error:
                error.inside(index)
                raise
            parts.append(part)
            size += len(part) + 1
            if size > self.limit:
                raise _too_large(self.limit)
        return "[" + ",".join(parts) + "]"


def _too_large(limit: int) -> WireError:
    return WireError(f"more than {limit} bytes of JSON")


def _string(value: str, escape_surrogates: bool) -> str:
    text = encode_basestring(value)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            if escape_surrogates:
                return text.encode("utf-8", "backslashreplace").decode()
            raise WireError("a lone surrogate cannot be written as UTF-8") from None
    return text


def _integer(value: int) -> str:
    try:
        return int.__repr__(value)
    except ValueError:
        raise WireError("an integer with too many digits") from None


def _float(value: float) -> str:
    if not isfinite(value):
        raise WireError(f"{Decimal.from_float(value)} is not a JSON number")
    return float.__repr__(value)


def decimal_text(value: Decimal) -> str:
    """A Decimal with exactly its digits, as a JSON number.

    Raises:
        WireError: It is NaN or infinite.
    """
    if not value.is_finite():
        raise WireError(f"{value} is not a JSON number")
    # Fixed notation for every number anyone uses; 1E+999999999 in it would fill the memory.
    return Decimal.__format__(value, "f") if abs(value.adjusted()) < _MAX_FIXED else Decimal.__str__(value)


def no_constant(constant: str) -> object:
    """What a reader of JSON does with NaN and infinity: refuse them.

    Raises:
        ValueError: Always.
    """
    raise ValueError(f"{constant} is not a JSON number")


UNREADABLE = (RecursionError, InvalidOperation, ValueError)
"""What a reader of JSON meets."""


def read_problem(error: Exception) -> str:
    """What is wrong with JSON that cannot be read; of a number that is too long Python names a setting of its own."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, InvalidOperation):
        return "a number with too large an exponent"
    reason = str(error)
    return "a number with too many digits" if reason.startswith("Exceeds the limit") else reason


_read = JSONDecoder(parse_float=Decimal, parse_constant=no_constant).decode


def decode_json(body: bytes) -> JSON:
    """Read UTF-8 JSON (a byte order mark is accepted): integers as int, other numbers as Decimal.

    Raises:
        WireError: It isn't UTF-8, isn't JSON (NaN and infinity aren't), is nested too deeply, or holds a number too
            long for Python.
    """
    try:
        value = fastjson.read(body)
        return cast("JSON", _read(body.decode("utf-8-sig")) if value is None else value)
    except UNREADABLE as error:
        reason = read_problem(error)
    # Raised out here because the errors above hold the whole body.
    raise WireError(reason)
