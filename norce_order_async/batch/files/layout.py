"""How the columns of a file, or the members of its lines, become the members of a change."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

import attrs

from norce_order_async.batch.columns import COLUMNS
from norce_order_async.batch.files.entry import ContentError, Format
from norce_order_async.core.checks import a_mapping
from norce_order_async.core.errors import ConfigurationError, InvalidRequestError
from norce_order_async.core.wording import printable
from norce_order_async.wire.json import JSON

_ALWAYS = ("merchant", "channel")


def _key(name: str) -> str:
    """What is compared of a name: ``Order ID``, ``orderId`` and ``order_id`` are one."""
    return re.sub(r"[\s_]+", "", name).casefold()


_MEMBER_OF = {_key(name): name for name in COLUMNS}


@attrs.frozen(kw_only=True)
class InputLayout:
    """How the columns of a file, or the members of its lines, become the members of a change.

    Attributes:
        columns: The column of a member, by the member (``{"order_id": "OrderNo"}``). With it, only these columns,
            ``merchant`` and ``channel`` are read.
        ignore: Whether columns that are not read are passed over; else they are refused.
        fill: Members that every line lacks, and gets.
        delimiter: What separates the columns of CSV; None to tell it from the first line.

    Raises:
        ConfigurationError: A member that no change has, or one that is both read and filled in.
    """

    columns: Mapping[str, str] = attrs.field(factory=dict[str, str], validator=a_mapping)
    ignore: bool = False
    fill: Mapping[str, JSON] = attrs.field(factory=dict[str, JSON], validator=a_mapping)
    delimiter: str | None = None

    def __attrs_post_init__(self) -> None:
        for name in (*self.columns, *self.fill):
            if name not in COLUMNS:
                raise ConfigurationError(f"no change has {printable(name)!r}: one of {', '.join(COLUMNS)}")
        if both := sorted(self.columns.keys() & self.fill.keys()):
            raise ConfigurationError(f"{', '.join(both)} is both read from a column and the same for every line")
        if len(set(self.columns.values())) < len(self.columns):
            raise ConfigurationError("two members cannot be read from one column")

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for that a file does not say by itself."""
        return self == PLAIN

    @property
    def is_as_named(self) -> bool:
        """Whether the members of a line are those of its change."""
        return not (self.columns or self.ignore or self.fill)

    def digest(self, content: str, format: Format) -> str:
        """What tells one input from another: the checksum of its content and, unless it is plain, of this layout."""
        if self.is_plain:
            return content
        # A decimal is not the text with its digits, so repr.
        how = [content, format, sorted(self.columns.items()), self.ignore, sorted(self.fill.items()), self.delimiter]
        return hashlib.sha256(json.dumps(how, default=repr, sort_keys=True).encode()).hexdigest()

    def knows(self, name: str) -> bool:
        """Whether a column of this name is read."""
        return _key(name) in ({_key(one) for one in (*self.columns.values(), *_ALWAYS)} if self.columns else _MEMBER_OF)

    def members(self, header: Sequence[str], hint: str = "") -> tuple[str | None, ...]:
        """The member of each column of a table: ``""`` for one that is passed over, None for one without a name.

        Raises:
            ContentError: The header doesn't fit; ``hint`` is told then.
        """
        names = [name.strip() for name in header]
        member_of = self._by_column(names)
        members = [None if not name else member_of.get(name, name if name.startswith("_") else "") for name in names]
        read = [name for name in members if name and not name.startswith("_")]
        unread = [name for name, member in zip(names, members, strict=True) if member == ""]
        if both := sorted({*read} & self.fill.keys()):
            raise ContentError(f"{', '.join(both)} is to be the same for every line, and there is a column of it")
        if unread and not self.ignore and self.columns:
            raise ContentError(
                f"the columns {printable(', '.join(unread)[:200])} are not read, as the columns to read are named: "
                "name them too (--column), or pass them over (--ignore-columns)"
            )
        if (problem := self._problem(read, unread)) is not None:
            raise ContentError(
                f"the first line of a table names its columns, each once{'' if hint else f': {printable(problem)}'}; "
                f"got {printable(', '.join(header)[:200]) or 'none'}{hint}"
            )
        return tuple(members)

    def _problem(self, read: Sequence[str], unread: Sequence[str]) -> str | None:
        """What is wrong with the columns of a table; None if nothing is."""
        given = {*read, *self.fill}
        if "op" not in given:
            return "there is no column op, so add one, or say it for every line (--set op=delete_consent)"
        if not given & {"order_id", "order"}:
            return "there is no column order_id, so name the one that has it (--column order_id=OrderNo)"
        if unread and not self.ignore:
            return f"no change has the column {', '.join(unread)[:200]}, so pass it over (--ignore-columns)"
        if twice := [name for name in dict.fromkeys(read) if read.count(name) > 1]:
            return f"the column {', '.join(twice)} is there twice"
        return None

    def _by_column(self, names: Sequence[str]) -> dict[str, str]:
        """The member of each column that is read, by its name in the header.

        Raises:
            ContentError: A column is not there.
        """
        if not self.columns:
            noted = {name for name in names if name.startswith("_")}
            return {name: member for name in {*names} - noted if (member := _MEMBER_OF.get(_key(name))) is not None}
        found: dict[str, str] = {}
        wanted = {name: name for name in _ALWAYS} | dict(self.columns)
        for member, column in wanted.items():
            same = [name for name in names if name == column.strip()]
            found |= dict.fromkeys(same or (name for name in names if _key(name) == _key(column)), member)
            if member not in found.values() and member in self.columns:
                raise ContentError(
                    f"there is no column {printable(column)!r}: the first line has {printable(', '.join(names)[:200])}"
                )
        return found

    def record(self, given: Mapping[str, JSON]) -> dict[str, JSON]:
        """The members of a change from those of an object.

        Raises:
            InvalidRequestError: A member is left over, or is there though it is the same for every line.
        """
        wanted = {column: member for member, column in self.columns.items()}
        if self.columns:
            wanted = {name: name for name in _ALWAYS if name not in self.columns} | wanted
        read: dict[str, JSON] = {}
        for name, value in given.items():
            if name in wanted:
                read[wanted[name]] = value
            elif name.startswith("_") or (not self.columns and (name in COLUMNS or not self.ignore)):
                read[name] = value
            elif not self.ignore:
                raise InvalidRequestError(f"{name[:64]!r} is not read: name it (--column), or --ignore-columns")
        if both := sorted(read.keys() & self.fill.keys()):
            raise InvalidRequestError(f"{', '.join(both)} is to be the same for every line, and stands in this one")
        return {**read, **self.fill}


PLAIN = InputLayout()
"""What is taken by default."""
