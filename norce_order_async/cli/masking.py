"""What people are shown of JSON: all but the secrets, which only ``--output json`` and ``jsonl`` have."""

from collections.abc import Mapping
from typing import Final

from norce_order_async.core.urls import without_secrets
from norce_order_async.core.wording import printable
from norce_order_async.wire.codec import encode_shown
from norce_order_async.wire.json import JSON
from norce_order_async.wire.json_text import to_dict
from norce_order_async.wire.models import Model
from norce_order_async.wire.secrets import hide_headers, holds_headers, is_secret, names_an_address

NOT_SHOWN: Final = "(not shown; --output json has it)"


def masked(value: object, name: str = "") -> JSON:
    """JSON without what its members of secret names hold, and without the secrets of addresses that are called.

    Args:
        value: JSON, or a model.
        name: The member that holds it.

    Raises:
        InvalidRequestError: It is nested deeper than 64 levels.
    """
    return _masked(to_dict(value), name)


def _masked(value: JSON, name: str) -> JSON:
    if is_secret(name, value):
        return NOT_SHOWN
    if isinstance(value, Mapping):
        members = (hide_headers(value, NOT_SHOWN) if holds_headers(name) else value).items()
        return {each: _masked(member, each) for each, member in members}
    if isinstance(value, list | tuple):
        return [_masked(element, name) for element in value]
    return without_secrets(value) if isinstance(value, str) and names_an_address(name) else value


def masked_unreadable(model: Model) -> dict[str, JSON]:
    """The values of a model that could not be read, masked, by their paths."""
    return {path: masked(raw, path.rpartition(".")[2].partition("[")[0]) for path, raw in model.unreadable.items()}


def as_text(value: JSON) -> str:
    """Masked JSON as text, fit for one line."""
    return value if value is NOT_SHOWN else printable(encode_shown(value).decode())
