"""A cassette: a file of requests and the responses that they had."""

import itertools
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode
from weakref import WeakSet, WeakValueDictionary

import attrs

from norce_order_async.core.errors import ConfigurationError, InvalidRequestError
from norce_order_async.core.wording import reason_of
from norce_order_async.testing.recording.layout import laid_out
from norce_order_async.testing.recording.messages import Asked, answer_in, asked_in, check_member
from norce_order_async.testing.recording.scrubbing import Scrubber
from norce_order_async.wire.equality import same
from norce_order_async.wire.json import WireError, decode_json

_FORMAT = 1
_SHOWN = 10
"""Requests that an error lists."""
_LOCK = threading.Lock()
"""Transports of several threads may have one cassette."""
_OPEN: WeakValueDictionary[str, "Cassette"] = WeakValueDictionary()


class NotRecordedError(InvalidRequestError):
    """A cassette has no response to a request. Nothing was sent.

    The message says what was asked and what the cassette has, without values of bodies.
    """


@attrs.define(eq=False)
class Recorded:
    """A request and its response.

    Attributes:
        asked: The request.
        answer: The response, as :func:`answer_of` makes it.
        played: Whether it has been replayed.
    """

    asked: Asked
    answer: Mapping[str, Any] = attrs.field(repr=False)
    played: bool = False


class Cassette:
    """What was recorded, each exchange to be replayed once: one for all transports with its file that are open at once.

    Args:
        path: The file.

    Attributes:
        existed: Whether there was the file.
        exchanges: What it had.
        places: Numbers for what is recorded, as it arrives.

    Raises:
        ConfigurationError: The file is not a cassette.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.existed = path.exists()
        self.exchanges = _read(path) if self.existed else []
        self.places = itertools.count()
        self._begin = 0  # all before it are played
        self._new: dict[int, Recorded] = {}
        self._users: WeakSet[object] = WeakSet()

    @classmethod
    def shared(cls, path: Path, user: object) -> "Cassette":
        """The cassette of a file, as its other users have it, until :meth:`leave`."""
        with _LOCK:
            key = os.path.realpath(path)
            cassette = _OPEN.get(key)
            if cassette is None or not cassette._users:
                cassette = _OPEN[key] = cls(path)
            cassette._users.add(user)
            return cassette

    def leave(self, user: object) -> None:
        """Be no user any more."""
        with _LOCK:
            self._users.discard(user)

    def take(self, asked: Asked, scrubber: Scrubber) -> Mapping[str, Any] | None:
        """The response to a request without secrets, in the order of recording; None if there is none left."""
        with _LOCK:
            while self._begin < len(self.exchanges) and self.exchanges[self._begin].played:
                self._begin += 1
            for exchange in itertools.islice(self.exchanges, self._begin, None):
                if exchange.played or exchange.asked.path != asked.path:
                    continue
                # More may be kept of it, because later requests were found by that.
                if same(exchange.asked, asked) or same(exchange.asked.without_secrets(scrubber), asked):
                    exchange.played = True
                    return exchange.answer
        return None

    def check_writable(self) -> None:
        """See that the file can be written, and make its folder.

        Raises:
            ConfigurationError: It cannot.
        """
        try:
            with _LOCK:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._draft.touch()
                self._draft.unlink()
        except OSError as error:
            raise ConfigurationError(f"{self.path} cannot be written: {reason_of(error)}") from None

    @property
    def _draft(self) -> Path:
        """Each process has its own: tests may run in several."""
        return self.path.with_name(f"{self.path.name}.{os.getpid()}.new")

    def all(self) -> list[Recorded]:
        """What the file had, and what is new, in the order of its arrival."""
        return [*self.exchanges, *(self._new[place] for place in sorted(self._new))]

    def add(self, new: Mapping[int, Recorded]) -> None:
        """Write the file, with new exchanges by their places.

        Raises:
            OSError: It cannot be written.
        """
        with _LOCK:
            self._new |= new
            exchanges = [{"request": attrs.asdict(each.asked), "response": each.answer} for each in self.all()]
            content = {"format": _FORMAT, "exchanges": exchanges}
            self.path.parent.mkdir(parents=True, exist_ok=True)
            draft = self._draft  # whole or not at all
            draft.write_text(f"{laid_out(content)}\n", encoding="utf-8")
            draft.replace(self.path)

    def missing(self, asked: Asked) -> NotRecordedError:
        """The error for a request that has no response here."""
        lines = [f"{self.path} has no response to", f"  {_shown(asked)}"]
        # Those that differ least come first.
        near = sorted(self.exchanges, key=lambda each: len(_differences(each.asked, asked)))
        lines.append("It has (* is replayed already):" if near else "It is empty.")
        for each in near[:_SHOWN]:
            differs = ", ".join(_differences(each.asked, asked))
            lines.append(f"{'*' if each.played else ' '} {_shown(each.asked)}{differs and f'; differs in {differs}'}")
        if len(near) > _SHOWN:
            lines.append(f"  and {len(near) - _SHOWN} more")
        return NotRecordedError("\n".join(lines))


def _read(path: Path) -> list[Recorded]:
    where = ""
    try:
        content: Any = decode_json(path.read_bytes())
        if content["format"] != _FORMAT:
            raise ConfigurationError(f"{path} is a cassette of another format than {_FORMAT}")
        check_member(content, "exchanges", list)
        exchanges: list[Recorded] = []
        for number, each in enumerate(content["exchanges"], 1):
            where = f"exchange {number}: "
            exchanges.append(Recorded(asked_in(each["request"]), answer_in(each["response"])))
    except ConfigurationError:
        raise
    except OSError as error:
        problem = reason_of(error)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        problem = where + _told(error)
    else:
        return exchanges
    raise ConfigurationError(f"{path} is not a cassette: {problem}")  # out here, because the frames hold bodies


def _told(error: Exception) -> str:
    """What is wrong with the file, without a value of it."""
    match error:
        case WireError() | TypeError() | AttributeError():
            return str(error)  # of the last two Python says the types and the names
        case KeyError():
            return f"the member {error} is missing"
        case RecursionError():
            return "nested too deeply"
        case _:
            return type(error).__name__


def _shown(asked: Asked) -> str:
    query = urlencode([(name, value) for name, value in asked.query], safe="*")
    target = f"{asked.path}?{query}" if query else asked.path
    return f"{asked.method} {target} (merchant {asked.merchant}, channel {asked.channel})"


def _differences(recorded: Asked, asked: Asked) -> list[str]:
    names = [field.name for field in attrs.fields(Asked)]
    differing = [name for name in names if not same(getattr(recorded, name), getattr(asked, name))]
    members = ", ".join(_members(recorded.body, asked.body))
    return [f"{name} ({members})" if name == "body" and members else name for name in differing]


def _members(*bodies: Mapping[str, Any] | None) -> list[str]:
    """The members in which two JSON objects differ; none if one of them is no object."""
    contents = [(body or {}).get("json") for body in bodies]
    if not all(isinstance(content, Mapping) for content in contents):
        return []
    one, other = cast("list[Mapping[str, Any]]", contents)
    return sorted(name for name in one.keys() | other.keys() if not same(one.get(name, ...), other.get(name, ...)))
