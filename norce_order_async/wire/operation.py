"""One operation of the API as data, from its path to how its answer is read."""

import re
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

import attrs

from norce_order_async.core.call import Repeat
from norce_order_async.core.checks import check_id
from norce_order_async.core.errors import CallError, InvalidRequestError
from norce_order_async.core.http import Response
from norce_order_async.core.kinds import exact, own
from norce_order_async.core.outcome import ACCEPTED, APPLIED, OutcomeKind
from norce_order_async.wire.arguments import surrogate_in
from norce_order_async.wire.decoders import decode_receipt
from norce_order_async.wire.error_body import read_error
from norce_order_async.wire.refusals import status_error
from norce_order_async.wire.table import Method, OperationEvidence

T = TypeVar("T")
QueryValue = str | int | bool | Sequence[str]
"""What a query parameter can be."""

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
is_plain_id = re.compile(r"(?!\.\.?\Z)[A-Za-z0-9_.~-]{1,128}").fullmatch
"""Finds an id that is one segment of a path as it stands: by far the most are."""


def _no_get(operation: Any) -> bool:
    return bool(operation.method != "GET")


@attrs.frozen
class Operation(Generic[T]):
    """One operation of the API.

    Attributes:
        name: The API's own operationId.
        method: The HTTP method.
        path: The path below the base URL, with ``{placeholders}`` for ids.
        repeat: Whether sending it twice does harm.
        decode: Reads a 2xx response; raises :class:`DecodeError` when it cannot.
        changes: Whether the operation may change something on the server; unless given, whether it is no GET.
        refused: Makes the error that stands for a response which is not a 2xx.
        evidence: How sure it is that the operation is like this; None for one of your own.
        reads_body: Whether ``decode`` needs the response's body.
        members: The members of the object that ``decode`` reads; None when that is not known.
    """

    name: str
    method: Method
    path: str
    repeat: Repeat
    decode: Callable[[Response], T]
    changes: bool = attrs.field(kw_only=True, default=attrs.Factory(_no_get, takes_self=True), repr=False, eq=False)
    refused: Callable[[Response], CallError] = attrs.field(kw_only=True, default=status_error, repr=False, eq=False)
    evidence: OperationEvidence | None = attrs.field(kw_only=True, default=None, repr=False, eq=False)
    reads_body: bool = attrs.field(init=False, repr=False, eq=False)
    members: Set[str] | None = attrs.field(init=False, repr=False, eq=False)
    _start: str = attrs.field(init=False, repr=False, eq=False)
    _rest: tuple[tuple[str, str], ...] = attrs.field(init=False, repr=False, eq=False)
    _names: Set[str] = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        reads_body = self.decode is not decode_receipt
        object.__setattr__(self, "reads_body", reads_body)
        object.__setattr__(self, "members", getattr(self.decode, "members", None) if reads_body else frozenset())
        start, *rest = _PLACEHOLDER.split(self.path)
        object.__setattr__(self, "_start", start)
        object.__setattr__(self, "_rest", tuple(zip(rest[::2], rest[1::2], strict=True)))
        object.__setattr__(self, "_names", frozenset(rest[::2]))

    def success(self, response: Response) -> OutcomeKind | None:
        """In what success a call ends with this response; None if it is none.

        A DELETE that finds nothing after an ambiguous attempt is one. But ``order-not-found`` names the order: that
        tells nothing of what is in it. And without a code it may be a gateway's, which has no such route: many of them
        answer JSON with a ``message``, or problem details.
        """
        if 200 <= (status := response.status) < 300:
            return ACCEPTED if status == 202 else APPLIED
        call = response.request.call
        if status != 404 or self.method != "DELETE":
            return None
        known = read_error(response.body, response.headers.get("content-type", ""))
        if known is None or known.code is None:
            return None
        if known.code == "order-not-found" and not self.path.endswith("/{order_id}"):
            return None
        ambiguous = call.judged is OutcomeKind.UNKNOWN
        return OutcomeKind.APPLIED_INFERRED if ambiguous else None

    def target(self, ids: Mapping[str, str], query: Mapping[str, QueryValue | None] | None = None) -> str:
        """The path and query with these ids and parameters in them, percent-encoded.

        A query parameter that is None is left out; a sequence is sent as one parameter a value (how the API
        wants lists is not published).

        Raises:
            InvalidRequestError: An id is missing, left over, or would name another resource; a query parameter that is
                neither text, whole number, bool nor sequence of texts.
            TypeError: An id is not a str.
        """
        path = self._start
        try:
            for name, literal in self._rest:
                value = ids[name]
                if type(value) is not str or not is_plain_id(value):
                    value = segment(name, value)
                path += value + literal
        except KeyError:
            raise self._other_ids(ids) from None
        if len(ids) != len(self._names):
            raise self._other_ids(ids)
        if not query:
            return path
        given = {name: _query_value(name, value) for name, value in query.items() if value is not None}
        return f"{path}?{urlencode(given, doseq=True, quote_via=quote)}" if given else path

    def _other_ids(self, ids: Mapping[str, str]) -> InvalidRequestError:
        wanted = ", ".join(name for name, _ in self._rest) or "none"
        return InvalidRequestError(f"{self.name} takes the ids {wanted}, got {sorted(ids)}")


def segment(name: str, value: str) -> str:
    """An id as one segment of a path, percent-encoded.

    Raises:
        TypeError: It is not a str.
        InvalidRequestError: It would name another resource.
    """
    if isinstance(value, str) and is_plain_id(value):
        return exact(value)
    return quote(check_id(name, value), safe="")


def _query_value(name: str, value: QueryValue) -> str | list[str]:
    plain = own(value)
    if isinstance(plain, bool):
        return "true" if plain else "false"
    if isinstance(plain, int):
        return str(plain)
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or isinstance(plain, bytes) or not all(map(_is_sendable, texts)):
        wanted = "text, a whole number, True, False or a sequence of texts"
        raise InvalidRequestError(f"the query parameter {name} must be {wanted}, got {value!r}")
    return [exact(text) for text in texts]


def _is_sendable(text: object) -> bool:
    return isinstance(text, str) and not surrogate_in(text)
