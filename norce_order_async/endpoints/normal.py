"""JSON in one spelling, so that what was sent can be compared with what is stored."""

from typing import Any, cast

from norce_order_async.wire.codec import one_level, structure
from norce_order_async.wire.json import JSON
from norce_order_async.wire.models import Model
from norce_order_async.wire.results import type_of
from norce_order_async.wire.table import ROWS


def normal_body(operation: str, body: JSON) -> Any:
    """The body of an operation's request, spelt as its model is; as it is where it is of no model."""
    cls = type_of(ROWS[operation].body or "")
    return body if cls is None or body is None else normal(body, cls)


def normal(value: JSON, cls: Any) -> Any:
    """What a model reads and writes again: published texts in published letters, date-times with a zone.

    What the model cannot read, or does not know, is as it was. A blank id is left out: it is none.

    Raises:
        WireError: It is not of the model at all.
    """
    return _written(structure(value, cls))


def _written(value: object) -> Any:
    if isinstance(value, Model):
        members = cast("dict[str, object]", one_level(value))
        return {name: _written(member) for name, member in members.items() if (name, member) != ("id", "")}
    if isinstance(value, list | tuple):
        return [_written(element) for element in cast("list[object]", value)]
    return value
