"""Giving on what was read: models, receipts and attributes as JSON, and back without loss."""

from collections.abc import Mapping
from typing import Any, TypeVar, cast, get_args, overload

import attrs

from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.wire.codec import encode_shown, one_level, register, structure
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.json import JSON, WireError, decode_json
from norce_order_async.wire.models import Model
from norce_order_async.wire.models.base import slips_in

T = TypeVar("T")


def to_json(value: object) -> str:
    """Write what this package gives as compact JSON: a model, a receipt, attributes, or a list or mapping of them.

    Unlike ``json.dumps`` it writes Decimals, with exactly their digits. Members of models are called as on the
    wire.

    Raises:
        InvalidRequestError: Something in it is no JSON (NaN, bytes), a date-time has no time zone, or something is
            nested deeper than 64 levels, as attributes that were read can be; the message begins with the path to it.
    """
    return encode_shown(value, default=_members).decode()


def to_dict(value: object) -> Any:
    """What :func:`to_json` writes, as dicts, lists, texts, numbers, True, False and None, which share nothing with it.

    Numbers with a point are Decimals; date-times are texts.

    Raises:
        InvalidRequestError: As :func:`to_json`.
    """
    return decode_json(to_json(value).encode())


@overload
def from_json(text: str | bytes) -> JSON: ...
@overload
def from_json(text: str | bytes, cls: type[T]) -> T: ...
def from_json(text: str | bytes, cls: type[T] | None = None) -> T | JSON:
    """Read what :func:`to_json` wrote.

    Args:
        text: JSON, as text or as UTF-8.
        cls: What it is: a model, :class:`Receipt`, ``list[Model]``, ``dict[str, Model]`` ...; None for JSON values.

    Raises:
        InvalidRequestError: It isn't JSON, or doesn't fit; the message begins with the path to what doesn't.
        TypeError: ``cls`` is something else.
    """
    try:
        value = decode_json(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    except WireError as error:
        problem = str(error)
    else:
        return value if cls is None else from_dict(value, cls)
    raise InvalidRequestError(f"the text cannot be read: {problem}")


def from_dict(value: JSON, cls: type[T], *, strict: bool = False) -> T:
    """Make a model, :class:`Receipt`, ``list[Model]``, ``dict[str, Model]`` ... of what :func:`to_dict` gave.

    A model is read as one of an answer is: members that it does not know are in ``extra``, what does not fit its member
    is in ``unread``, and both are sent as they came. So read strictly what somebody wrote by hand::

        cart = from_dict({"items": [{"sku": "A", "quantity": 1}]}, Cart, strict=True)

    Args:
        value: JSON values with the names of the wire.
        cls: What it is.
        strict: Whether a member that a model does not know, or that does not fit, is an error.

    Raises:
        InvalidRequestError: It doesn't fit; the message begins with the path to what doesn't.
        TypeError: ``cls`` is something else.
    """
    try:
        if _has_others(cls):
            raise TypeError  # cattrs makes one of any object: it passes over what it does not know
        read = structure(value, cls)
    except WireError as error:
        problem = str(error)
    except Exception:  # whatever cattrs meets when it tries
        raise TypeError(f"nothing can be read as {cls!r}") from None
    else:
        slip = next(slips_in(read), None) if strict else None
        if slip is None:
            return read
        problem = slip
    raise InvalidRequestError(problem)


def _has_others(cls: Any) -> bool:
    """Whether a class of attrs is in the type that is neither a model nor a receipt."""
    is_other = attrs.has(cls) and not issubclass(cls, (Model, Receipt))
    return is_other or any(map(_has_others, get_args(cls)))


def _members(value: object) -> object:
    return attrs.asdict(value) if isinstance(value, Receipt) else one_level(value)


def _receipt(value: Any, _: object) -> Receipt:
    fields = {field.name for field in attrs.fields(Receipt)}
    if not isinstance(value, Mapping) or {*value, "at"} != fields:
        raise WireError(f"a receipt has the members {', '.join(sorted(fields))}")
    kinds: dict[str, Any] = {"status": int, "attempts": int, "operation": str, "request_id": str}
    read = cast("Mapping[str, Any]", value)
    members: dict[str, Any] = {name: structure(read[name], kind) for name, kind in kinds.items()}
    at = read.get("at")
    try:
        return Receipt(
            **members,
            elapsed=float(read["elapsed"]),
            outcome=OutcomeKind(read["outcome"]),
            at=None if at is None else float(at),
        )
    except (TypeError, ValueError):
        raise WireError("it has an outcome or a time that no receipt has") from None


register(Receipt, _receipt)
