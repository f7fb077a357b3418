"""Reading what says that something is wrong: the API's own errors, problem details (RFC 9457), and lists of them."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress

import attrs

from norce_order_async.wire.json import JSON, WireError, decode_json

_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([\w.:-]+)", re.ASCII | re.IGNORECASE)
_KNOWN = re.compile(
    r"(us-)?ascii|utf-?(8|16|32)|utf-(16|32)-?[lb]e|latin-?1|iso-?8859-([1-9]|1[013-6])|(windows-|cp)125[0-8]"
    r"|shift-jis|euc-(jp|kr)|gbk|gb2312|gb18030|big5|koi8-[ru]",
    re.IGNORECASE,
)
"""Those of text. Python decodes others too, such as punycode: slowly, or into what cannot be written again."""
_MOST = 20
_PROBLEM = frozenset({"type", "detail"})
_OF_ERRORS = _PROBLEM | {"title", "status", "instance", "code", "message"}
"""Members of errors; a result that has some of them, too, is not known by these."""


@attrs.frozen
class ErrorBody:
    """What an error body says.

    Attributes:
        code: The code, numbers as text, if there is one.
        message: The text, if there is one.
    """

    code: str | None = None
    message: str | None = None


def read_error(body: bytes, content_type: str = "") -> ErrorBody | None:
    """Read an error body; None when it is no JSON object or array of objects that says anything."""
    try:
        value = json_in(body, content_type)
    except WireError:
        return None
    if isinstance(value, Mapping):
        return _object(value)
    if not isinstance(value, Sequence) or isinstance(value, str):
        return None
    parts = [part for element in value[:_MOST] if isinstance(element, Mapping) and (part := _object(element))]
    if not parts:
        return None
    codes = list(dict.fromkeys(part.code for part in parts if part.code))
    texts = [": ".join(filter(None, (part.code if len(codes) > 1 else None, part.message))) for part in parts]
    return ErrorBody(codes[0] if len(codes) == 1 else None, "; ".join(filter(None, texts)) or None)


def is_error_shaped(body: bytes, members: Set[str]) -> bool:
    """Whether this is a JSON object that says what is wrong, and has none of these members that no error has.

    That is one with texts ``code`` and ``message``, or problem details.
    """
    if body.find(b'"message"') < 0 and body.find(b'"title"') < 0:  # "in" takes twice as long here
        return False
    try:
        value = decode_json(body)
    except WireError:
        return False
    if not isinstance(value, Mapping) or not (members - _OF_ERRORS).isdisjoint(value):
        return False
    texts = {name for name, member in value.items() if isinstance(member, str)}
    return {"code", "message"} <= texts or ("title" in texts and ("status" in value or not texts.isdisjoint(_PROBLEM)))


def charset_of(content_type: str) -> str | None:
    """The charset that a ``Content-Type`` names, if that is one of those in which text is sent."""
    named = _CHARSET.search(content_type)
    return named[1] if named and _KNOWN.fullmatch(named[1].replace("_", "-")) else None


def decoded(body: bytes, content_type: str) -> str:
    """The text of a body, in the charset that its type names, or UTF-8; what is none of either is replaced."""
    charset = charset_of(content_type) or "utf-8"
    for likely in (charset, "utf-8"):  # the name may be wrong
        with suppress(ValueError):
            return body.decode(likely)
    return body.decode(charset, "replace")


def json_in(body: bytes, content_type: str) -> JSON:
    """The JSON of a body, in the charset that its type names.

    Raises:
        WireError: It is none.
    """
    return decode_json(decoded(body, content_type).encode(errors="replace"))


def _object(value: Mapping[str, JSON]) -> ErrorBody | None:
    code = value.get("code")
    if isinstance(code, bool) or not isinstance(code, str | int):
        code = None
    texts = [text for name in ("message", "title", "detail") if isinstance(text := value.get(name), str) and text]
    texts += [text for text in _details(value.get("errors")) if text not in texts]
    if code is None and not texts:
        return None
    return ErrorBody(None if code is None else str(code), ": ".join(texts) or None)


def _details(errors: JSON) -> Iterator[str]:
    """The texts in ``errors``: a list of texts or objects, or an object of lists by field."""
    if isinstance(errors, Mapping):
        for field, texts in list(errors.items())[:_MOST]:
            for text in _details(texts if isinstance(texts, list) else [texts]):
                yield f"{field}: {text}"
    elif isinstance(errors, list):
        for error in errors[:_MOST]:
            if isinstance(error, str):
                yield error
            elif isinstance(error, Mapping) and (part := _object(error)) is not None:
                yield ": ".join(filter(None, (part.code, part.message)))
