"""Checks of single arguments and settings; each raises before anything is sent."""

import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar, cast

import attrs

from norce_order_async.core.errors import ConfigurationError, InvalidRequestError
from norce_order_async.core.kinds import kind_of, own

P = ParamSpec("P")
T = TypeVar("T")

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_MAX_ID = 128
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")
"""What Python calls printable although Unicode says that it is not shown (Default_Ignorable_Code_Point)."""
_MAX_NAME = 128
_MAX_VALUE = 8000
"""Characters of a header's value, or a token: with its name it fits into the 8 KiB that common servers take."""
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING = frozenset({"host", "content-length", "transfer-encoding"})
_RESERVED_HEADERS = (
    {
        "authorization": "use auth=",
        "x-merchant": "use scoped(merchant=...)",
        "x-channel": "use scoped(channel=...)",
        "x-adapterid": "use adapter_id=",
        "x-request-id": "use request_id=",
    }
    | dict.fromkeys(
        (
            *_FRAMING,
            "content-type",
            "connection",
            "cookie",
            "expect",
            "accept-encoding",
            "upgrade",
            "te",
            "trailer",
            "keep-alive",
        ),
        "it follows from the request",
    )
    | dict.fromkeys(("proxy-authorization", "proxy-connection"), "it is the transport's, as the proxy is")
)


def one_or_several(name: str, given: Iterable[T]) -> tuple[T, ...]:
    """What was given, as several: a text or a mapping that is given alone is one.

    Raises:
        ConfigurationError: It is neither one nor several.
    """
    if isinstance(given, str | Mapping):
        return (cast("T", given),)
    if isinstance(given, Iterable):
        return tuple(given)
    raise ConfigurationError(f"{name} must be a sequence, got {kind_of(given)}")


def check_id(name: str, value: object) -> str:
    r"""Return ``value`` if it can stand, percent-encoded, as one segment of a path.

    Servers and what is before them decode ``/``, ``%`` and ``\`` and resolve ``..``, so such an id would reach ANOTHER
    resource. What cannot be seen makes two ids look like one.

    Raises:
        TypeError: It is not a str.
        InvalidRequestError: It is empty, longer than 128 characters, ``.``, ``..``, or holds a character of ``/ % \``,
            a control, invisible or direction character, or a lone surrogate.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, got {kind_of(value)}")
    if not value:
        raise InvalidRequestError(f"{name} is empty")
    if len(value) > _MAX_ID:
        raise InvalidRequestError(f"{name} has {len(value)} characters, more than {_MAX_ID}")
    if value in (".", ".."):
        raise InvalidRequestError(f"{name} {value!r} would name another resource")
    for character in value:
        if character in "/%\\" or not character.isprintable() or _INVISIBLE.match(character):
            raise InvalidRequestError(f"{name} {value!r} holds {character!r}, which an id cannot hold")
    return value


def check_header_value(name: str, value: object) -> str:
    """Return ``value`` if it can stand in a header.

    Raises:
        TypeError: It is not a str.
        InvalidRequestError: It is empty, has spaces around it, is longer than servers take, or is not printable ASCII.
            (Latin-1 would be legal in HTTP, but libraries and servers do not agree on its bytes.)
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, got {kind_of(value)}")
    if not value or value != value.strip():
        raise InvalidRequestError(f"{name} is empty or has spaces around it")
    if len(value) > _MAX_VALUE:
        raise InvalidRequestError(_too_long(name, value))
    if not value.isascii() or not value.isprintable():
        raise InvalidRequestError(f"{name} holds a character that is not printable ASCII, which a header cannot carry")
    return value


def check_header_name(name: object) -> str:
    """Return ``name`` if it is one of a header.

    Raises:
        TypeError: It is not a str.
        InvalidRequestError: It is too long, or not an HTTP token.
    """
    if not isinstance(name, str):
        raise TypeError(f"a header's name must be a str, got {kind_of(name)}")
    if len(name) > _MAX_NAME:
        raise InvalidRequestError(f"a header's name has {len(name)} characters, more than {_MAX_NAME}")
    if not _TOKEN.fullmatch(name):
        raise InvalidRequestError(f"{name!r} is not a header name")
    return name


def check_header(name: object, value: object) -> None:
    """Check one header that the caller wants to send.

    Raises:
        TypeError: Name or value is not a str.
        InvalidRequestError: The name is not an HTTP token or is one that the client sets itself, or the value
            cannot stand in a header.
    """
    name = check_header_name(name)
    if (hint := _RESERVED_HEADERS.get(name.lower())) is not None:
        raise InvalidRequestError(f"the header {name!r} cannot be set by hand: {hint}")
    check_header_value(f"header {name}", value)


def flaw_of_headers(headers: object, before: Mapping[str, str]) -> str | None:
    """What keeps the headers that a middleware passes on from being sent; None if nothing does.

    Those that it was given are right. It raises nothing, because a traceback would show them. Of a value that is not
    text, the transport tells.
    """
    try:
        named: Mapping[Any, Any] = check_named(headers)
    except TypeError as error:
        return str(error)
    for name, value in named.items():
        if before.get(name) is value:
            continue
        if not isinstance(name, str):
            return f"a header's name is not text: {name!r}"
        if not _TOKEN.fullmatch(name):
            return f"{name!r} is not a header name"
        if name.lower() in _FRAMING:
            return f"the header {name!r} cannot be set by hand: {_RESERVED_HEADERS[name.lower()]}"
        if isinstance(value, str) and _CONTROL.search(value):
            return f"the header {name!r} holds a line break or another control character"
    return None


def check_named(headers: object) -> Mapping[str, str]:
    """Return what may be headers.

    Raises:
        TypeError: It is no mapping.
    """
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a mapping, got {kind_of(headers)}")
    return cast("Mapping[str, str]", headers)


def check_headers(headers: object) -> Mapping[str, str]:
    """Return headers that the caller wants to send, checked.

    Raises:
        TypeError: It is no mapping, or a name or a value is not a str.
        InvalidRequestError: One of them cannot be sent, or is one that the client sets itself.
    """
    named = check_named(headers)
    for name, value in named.items():
        check_header(name, value)
    return named


def check_token(value: object) -> str:
    """Return ``value`` if it can stand as a bearer token. No message holds the token.

    Raises:
        ConfigurationError: It is not a str, empty, longer than servers take, not printable ASCII, or has spaces.
    """
    if not isinstance(value, str):
        problem = f"the token must be a str, got {kind_of(value)}"
    elif not value:
        problem = "the token is empty"
    elif value.lower().startswith("bearer "):
        problem = "give the token alone, without the word Bearer"
    elif len(value) > _MAX_VALUE:
        problem = _too_long("the token", value)
    elif not value.isascii() or not value.isprintable() or " " in value:
        problem = "the token holds a space, a line break or another character that is not ASCII text"
    else:
        return value
    del value  # so that the traceback cannot show it
    raise ConfigurationError(problem)


def _too_long(name: str, value: str) -> str:
    return f"{name} has {len(value)} characters, more than the {_MAX_VALUE} that servers can be expected to take"


def check_bool(name: str, value: object) -> bool:
    """Return ``value`` as a bool.

    Raises:
        TypeError: It isn't one.
    """
    if value is True or value is False:
        return value
    truth = own(value)
    if not isinstance(truth, bool):
        raise TypeError(f"{name} must be a bool, got {kind_of(value)}")
    return truth


def check_members(name: str, value: object) -> None:
    """See that an argument is an object with something in it.

    Raises:
        TypeError: It is no mapping.
        InvalidRequestError: It is empty.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be an object with at least one member, got {kind_of(value)}")
    if not value:
        raise InvalidRequestError(f"{name} must be an object with at least one member")


def check_choice(name: str, value: object, known: Iterable[str]) -> None:
    """See that a setting is one of a few texts.

    Raises:
        ConfigurationError: It isn't.
    """
    if value not in (texts := tuple(map(str, known))):
        raise ConfigurationError(f"{name} must be {' or '.join(texts)}, got {value!r}")


def a_mapping(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    """An attrs validator: a mapping, such as a dict."""
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{attribute.name} must be a mapping, got {kind_of(value)}")


def wanted_seconds(value: object, *, zero: bool = False, endless: bool = False) -> str | None:
    """What a value has to be, where it is not a number of seconds; None where it is one.

    Args:
        value: The value.
        zero: Whether 0 is one.
        endless: Whether infinity is one.
    """
    number = _number(value)
    if 0 < number < 1e9 or (number == 0 and zero) or (number == math.inf and endless):
        return None
    least = ", at least 0" if zero else " above 0"
    return f"a number of seconds{least} and below 1e9{', or infinity' if endless else ''}"


def check_seconds(name: str, value: object, *, zero: bool = True, endless: bool = False) -> float:
    """Return ``value`` if it is a number of seconds, as :func:`wanted_seconds` says.

    Raises:
        ConfigurationError: It isn't.
    """
    if (wanted := wanted_seconds(value, zero=zero, endless=endless)) is not None:
        raise ConfigurationError(f"{name} must be {wanted}, got {value!r}")
    return _number(value)


def positive_seconds(instance: object, attribute: "attrs.Attribute[float]", value: object) -> None:
    """An attrs validator: a number of seconds above zero; infinity is one."""
    check_seconds(attribute.name, value, zero=False, endless=True)


def check_rate(name: str, value: object) -> float:
    """Return ``value`` if it is a number of requests a second above zero.

    Raises:
        ConfigurationError: It isn't.
    """
    number = _number(value)
    if not 0 < number <= sys.float_info.max:
        raise ConfigurationError(f"{name} must be a number of requests a second above 0, got {value!r}")
    return float(number)


def _number(value: object) -> float:
    """A number; nan for what is none, which no comparison holds of."""
    number = own(value)
    return math.nan if isinstance(number, bool) or not isinstance(number, int | float) else number


def check_count(name: str, value: object) -> int:
    """Return ``value`` if it is a whole number of at least 1.

    Raises:
        ConfigurationError: It isn't.
    """
    number = own(value)
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise ConfigurationError(f"{name} must be a whole number of at least 1, got {value!r}")
    return number


def _of_setting(check: Callable[P, T]) -> Callable[P, T]:
    """The same check of a setting: what it raises is a ConfigurationError."""

    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return check(*args, **kwargs)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(str(error)) from None

    return checked


check_switch = _of_setting(check_bool)
client_header = _of_setting(check_header_value)
client_headers = _of_setting(check_headers)


def _validator(check: Callable[[str, object], object]) -> Callable[[object, "attrs.Attribute[Any]", object], None]:
    """A check as attrs wants it."""

    def validate(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
        check(attribute.name, value)

    return validate


a_switch = _validator(check_switch)
some_seconds = _validator(check_seconds)
a_rate = _validator(check_rate)
positive_count = _validator(check_count)
