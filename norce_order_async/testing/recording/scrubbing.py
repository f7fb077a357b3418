"""What must not stand in a cassette: secrets, known by name or by value, and what the user calls personal."""

import re
from base64 import b64decode
from bisect import insort
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias, cast
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus

from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.urls import HIDDEN, user_of, without_secrets
from norce_order_async.testing.recording.layout import compact
from norce_order_async.wire.json import WireError, decode_json
from norce_order_async.wire.secrets import (
    hide_headers,
    holds_headers,
    is_secret,
    names_a_secret,
    names_an_address,
    plain_name,
)

Scrub: TypeAlias = Callable[[str, Any], Any]
"""Called with the name and the value of each member of a body and each parameter of a query; returns what is kept.

A value comes before the members in it. The name of a value in an array is that of the array; a whole body, and
JSON in a text, has the empty name.
"""

_SHORTEST = 6
"""Characters; a shorter secret would take pieces out of ordinary words."""
_SECRET_PARAMETERS = frozenset({"clientid", "code"})
"""In forms and queries; in JSON these are ordinary names."""
_SECRET_HEADERS = ("auth", "cookie", "key", "secret", "token")
_IN_TEXT = re.compile(
    r"""((?:access|refresh|id)_?token|(?:client_?)?secret|password)(["']?\s*[:=]\s*["']?)([^"'&\s,;}<]+)""",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"""("([^"\\]+)"\s*:\s*")((?:[^"\\]|\\.)*)""", re.DOTALL)
"""A member of JSON that is a text, also where the rest of the JSON is missing."""
_WORDS = ("token", "secret", "password")
_LONG = 16
"""Characters that a shared secret has at least."""


class Scrubber:
    """Takes out what must not be kept. It learns secrets from what it sees, and knows them everywhere then.

    Args:
        scrub: The user's own rules, applied after those about secrets.
    """

    def __init__(self, scrub: Scrub | None = None) -> None:
        self._scrub = scrub
        self._secrets: set[str] = set()
        self._of_bodies: set[str] = set()
        self._forms: dict[str, list[tuple[str, str]]] = {}
        self._first = ""
        self._begin = re.compile("(?!)")

    def _note(self, known: set[str], secret: str) -> None:
        """Note a secret, which is hidden as it is and as it stands in a URL."""
        if len(secret) < _SHORTEST or secret in known:
            return
        known.add(secret)
        for form in {secret, quote(secret, safe=""), quote_plus(secret)}:
            # By their first characters, the longest first: one may be a part of another.
            insort(self._forms.setdefault(form[:_SHORTEST], []), (form, secret), key=lambda each: -len(each[0]))
            if form[0] not in self._first:
                self._first += form[0]
                self._begin = re.compile(f"[{re.escape(self._first)}]")

    def header(self, name: str, value: str) -> None:
        """Note the secrets of a request's header, if its name says that it has some."""
        self._note_header(self._secrets, name, value)

    def _note_header(self, known: set[str], name: str, value: str) -> None:
        if not any(word in name.lower() for word in _SECRET_HEADERS):
            return
        scheme, _, credentials = value.partition(" ")
        self._note(known, value)
        self._note(known, credentials)
        if scheme.lower() == "basic":
            with suppress(ValueError):
                password = b64decode(credentials).decode().partition(":")[2]
                self._note(known, password)
                self._note(known, unquote_plus(password))

    def parameter(self, name: str, value: str) -> str:
        """What is kept of a parameter of a form or a query."""
        if _is_secret_parameter(name):
            self._note(self._secrets, value)
            return HIDDEN
        return self._kept_text(name, value)

    def value(self, name: str, value: Any) -> Any:
        """What is kept of a JSON value that has this name."""
        if is_secret(name, value):
            for _, leaf in _leaves(name, value):
                if not (leaf is None or isinstance(leaf, bool)):
                    self._note(self._of_bodies, str(leaf))
            return HIDDEN
        if isinstance(value, str) and names_an_address(name):
            value = self._address(value)
        value = self._kept(name, value)
        if isinstance(value, Mapping):
            members = cast("Mapping[str, Any]", value)
            if holds_headers(name):
                for each, leaf in _leaves("", members):
                    if isinstance(leaf, str):
                        self._note_header(self._of_bodies, each, leaf)
                members = hide_headers(members, HIDDEN)
            return {each: self.value(each, member) for each, member in members.items()}
        if isinstance(value, list | tuple):
            return [self.value(name, one) for one in cast("Sequence[Any]", value)]
        return self._inside(value) if isinstance(value, str) else value

    def json(self, content: Any) -> bytes | None:
        """What is kept of a whole body of JSON; None where it nests too deeply to be written.

        Raises:
            InvalidRequestError: The user's rules fail, or give something else than JSON.
        """
        try:
            compact(content)
        except WireError:
            return None
        kept = self.value("", content)
        try:
            return compact(kept)
        except WireError as error:
            problem = f"scrub gave what is not JSON: {error}"
        raise InvalidRequestError(problem)  # out here, because the error's frames hold the value

    def _inside(self, text: str) -> str:
        """What is kept of a text in JSON, which may be JSON itself."""
        if text.lstrip().startswith(("{", "[")):
            try:
                content = decode_json(text.encode("utf-8", "surrogatepass"))
            except WireError:
                pass
            else:
                kept = self.json(content)
                return HIDDEN if kept is None else text if kept == compact(content) else kept.decode()
        return self._without_credentials(text)

    def _address(self, url: str) -> str:
        """What is kept of an address that Norce calls, whose query or user may be a secret of the adapter."""
        self._note(self._of_bodies, unquote(user_of(url).partition(":")[2]))
        for name, value in parse_qsl(url.partition("?")[2]):
            if len(value) >= _LONG or _is_secret_parameter(name):
                self._note(self._of_bodies, value)
        return without_secrets(url)

    def text(self, text: str) -> str:
        """What is kept of a body that is not JSON."""
        return self._kept_text("", self._without_credentials(text))

    def _without_credentials(self, text: str) -> str:
        text = _QUOTED.sub(self._quoted, text)
        lowered = text.lower()
        if any(word in lowered for word in _WORDS):  # the expression below is slow
            for found in _IN_TEXT.finditer(text):
                self._note(self._of_bodies, found[3])
            text = _IN_TEXT.sub(rf"\1\2{HIDDEN}", text)
        return text

    def _quoted(self, found: re.Match[str]) -> str:
        if not names_a_secret(found[2]):
            return found[0]
        self._note(self._of_bodies, found[3])
        return found[1] + HIDDEN

    def _kept_text(self, name: str, text: str) -> str:
        kept = self._kept(name, text)
        if not isinstance(kept, str):
            raise InvalidRequestError(f"scrub gave {kind_of(kept)} for text named {name!r}")
        return kept

    def _kept(self, name: str, value: Any) -> Any:
        if self._scrub is None:
            return value
        try:
            return self._scrub(name, value)
        except Exception as error:
            problem = f"scrub raised {type(error).__name__} for a value named {name!r}"
        raise InvalidRequestError(problem)  # out here, because the error's frames hold the value

    def hide(self, value: Any, kept: str = "") -> Any:
        """A copy of a JSON value without the secrets that were learned; one of a body that ``kept`` has is none."""
        if isinstance(value, str):
            return self._hide_in(value, kept)
        if isinstance(value, Mapping):
            members = cast("Mapping[str, Any]", value)
            return {self.hide(name, kept): self.hide(member, kept) for name, member in members.items()}
        if isinstance(value, list | tuple):
            return [self.hide(one, kept) for one in cast("Sequence[Any]", value)]
        return value

    def _hide_in(self, text: str, kept: str) -> str:
        if len(text) < _SHORTEST:
            return text
        pieces: list[str] = []
        begun = 0
        for found in self._begin.finditer(text):
            place = found.start()
            for form, secret in self._forms.get(text[place : place + _SHORTEST], ()):
                is_here = place >= begun and text.startswith(form, place)
                if is_here and (secret in self._secrets or secret not in kept):
                    pieces += (text[begun:place], HIDDEN)
                    begun = place + len(form)
                    break
        return "".join([*pieces, text[begun:]]) if pieces else text


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What the lists and objects of a JSON value hold in the end, each with the name of the member that holds it."""
    if isinstance(value, Mapping):
        for each, member in cast("Mapping[str, Any]", value).items():
            yield from _leaves(each, member)
    elif isinstance(value, list | tuple):
        for one in cast("Sequence[Any]", value):
            yield from _leaves(name, one)
    else:
        yield name, value


def _is_secret_parameter(name: str) -> bool:
    return names_a_secret(name) or plain_name(name) in _SECRET_PARAMETERS
