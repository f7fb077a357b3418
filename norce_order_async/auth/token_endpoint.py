"""One request to an OAuth2 token endpoint, and what its response says (RFC 6749). Nothing here does I/O."""

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import quote_plus, urlencode

import attrs

from norce_order_async.core.checks import check_token
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.http import Response
from norce_order_async.core.statuses import RETRYABLE_STATUSES
from norce_order_async.core.wording import printable
from norce_order_async.wire.error_body import json_in
from norce_order_async.wire.json import WireError

AuthMethod = Literal["client_secret_post", "client_secret_basic"]
"""How a client shows its secret: in the form, or by HTTP Basic. The names are those of RFC 7591."""

_UNKNOWN_LIFETIME = 3600.0  # seconds
_LONGEST_LIFETIME = 1e9
_SHOWN = 200  # characters
_READ = 1000
_PIECE = 8
"""So many characters in a row of a secret are not shown either."""
_PASSING_ERRORS = frozenset({"server_error", "slow_down", "temporarily_unavailable"})
_ERROR_CODE = re.compile(r"[A-Za-z0-9][\w.:/-]{0,79}", re.ASCII)
_SECONDS = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?)\s*")


@attrs.frozen(eq=False)
class Grant:
    """A token, and how many seconds it lasts."""

    token: str = attrs.field(repr=False)
    lifetime: float


class NoToken(Exception):
    """A response without a token. The text says why, and holds no secret.

    Attributes:
        lasting: Whether asking again soon cannot help.
    """

    def __init__(self, problem: str, *, lasting: bool = False) -> None:
        super().__init__(problem)
        self.lasting = lasting


@attrs.frozen(kw_only=True, eq=False)
class Form:
    """What a token request says."""

    client_id: str
    client_secret: str = attrs.field(repr=False)
    method: AuthMethod
    scope: str | None
    parameters: Mapping[str, str | Sequence[str]] = attrs.field(repr=False)

    def headers(self) -> dict[str, str]:
        """The request's headers."""
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if self.method == "client_secret_basic":
            headers["Authorization"] = f"Basic {self._basic()}"
        return headers

    def body(self) -> bytes:
        """The form itself."""
        members: dict[str, str | Sequence[str]] = {"grant_type": "client_credentials"}
        if self.scope is not None:
            members["scope"] = self.scope
        members |= self.parameters
        if self.method == "client_secret_post":
            members |= {"client_id": self.client_id, "client_secret": self.client_secret}
        return urlencode(members, doseq=True).encode()

    def secrets(self) -> list[str]:
        """The secret in every form in which a response can repeat it."""
        return [self.client_secret, quote_plus(self.client_secret), self._basic()]

    def _basic(self) -> str:
        # RFC 6749 section 2.3.1: both are encoded as in a form first, so that neither holds a colon.
        return b64encode(f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}".encode()).decode()


def read_grant(response: Response, secrets: Sequence[str]) -> Grant:
    """The token in a response.

    Args:
        response: The response.
        secrets: What no message may hold.

    Raises:
        NoToken: There is none in it.
    """
    members = _members(response)
    code = members.get("error") if members else None
    error = code if isinstance(code, str) and code else None
    if members is None or not response.ok or error:
        if members is None and response.ok:
            raise NoToken("its answer is not a JSON object")
        refusal = _refusal(members or {}, secrets) or ("with an error" if response.ok else "")
        passes = error in _PASSING_ERRORS or response.status in RETRYABLE_STATUSES
        raise NoToken(f"HTTP {response.status} {refusal}".rstrip(), lasting=not passes)
    kind = members.get("token_type")
    if kind is not None and (not isinstance(kind, str) or kind.strip().lower() != "bearer"):
        shown = _display(kind, _banned(members, secrets))
        raise NoToken(f"its token_type is {shown or 'something else'}, not Bearer")
    lifetime = _lifetime(members.get("expires_in"))
    try:
        return Grant(check_token(members.get("access_token")), lifetime)
    except ConfigurationError:
        raise NoToken("its answer has no access_token that can be one") from None


def _members(response: Response) -> Mapping[str, Any] | None:
    try:
        answer = json_in(response.body, response.headers.get("content-type", ""))
    except WireError:
        return None
    return answer if isinstance(answer, Mapping) else None


def _lifetime(value: object) -> float:
    """Seconds: a number above 0, or text of digits. Without one a token serves until it is refused, or an hour."""
    if value is None:
        return _UNKNOWN_LIFETIME
    if isinstance(value, str) and (digits := _SECONDS.fullmatch(value)):
        value = Decimal(digits[1])
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value <= 0:
        raise NoToken("its answer has no expires_in above 0")
    return float(min(value, Decimal(_LONGEST_LIFETIME)))


def _refusal(members: Mapping[str, Any], secrets: Sequence[str]) -> str:
    """The error of a response, with its description and its address, fit for a message."""
    banned = _banned(members, secrets)
    code, description, uri = (
        _display(members.get(name), banned) for name in ("error", "error_description", "error_uri")
    )
    words = ": ".join(filter(None, (code if _ERROR_CODE.fullmatch(code) else "", description)))
    address = f"(see {uri})" if uri.lower().startswith(("https://", "http://")) else ""
    return " ".join(filter(None, (words, address)))


def _banned(members: Mapping[str, Any], secrets: Sequence[str]) -> list[str]:
    """What a message about this response must not hold."""
    tokens = (value for name, value in members.items() if name.endswith("_token") and isinstance(value, str))
    return [secret for secret in (*secrets, *tokens) if secret]


def _display(value: object, banned: Sequence[str]) -> str:
    """Somebody else's words on one line, cut to what a message can hold; empty if they hold part of a secret."""
    if not isinstance(value, str):
        return ""
    start = value[:_READ]
    words = " ".join(start.split())
    if any(_holds(text, secret) for text in (start, words) for secret in banned):
        return ""
    shown = printable(words)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}..."


def _holds(text: str, secret: str) -> bool:
    size = min(_PIECE, len(secret))
    return any(text[at : at + size] in secret for at in range(len(text) - size + 1))
