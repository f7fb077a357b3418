"""What calls integrators: validations, hooks, notifications."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import attrs

from norce_order_async.wire.json import JSON
from norce_order_async.wire.models.base import Model


class OrderVersion(StrEnum):
    """Schema ``OrderVersion``: which version of the order a callback gets."""

    V0 = "v0"
    V1 = "v1"


@attrs.frozen(kw_only=True, repr=False)
class Callback(Model):
    """Schema ``Callback``: a validation. ``{order_id}`` in its ``url`` stands for the order's id."""

    id: str | None = None
    adapter_id: str | None = None
    url: str | None = None


@attrs.frozen(kw_only=True, repr=False)
class Hook(Model):
    """Schema ``Hook``: a callback that may refuse or add to a change before it is stored.

    Attributes:
        subscribe_to: The part of the order to watch: ``/state``, ``/consents``, ``/customer``, ``/cart``,
            ``/shippings`` or ``/payments``.
        target: The part that the hook may change (same values).
        invoke: The URL to POST to; ``{order_id}`` in it stands for the order's id.
        version: Which version of the order to send.
    """

    id: str | None = None
    adapter_id: str | None = None
    subscribe_to: str | None = None
    target: str | None = None
    invoke: str | None = None
    version: OrderVersion | str | None = None


@attrs.frozen(kw_only=True, repr=False)
class Notification(Model):
    """Schema ``Notification``: a call made after a change is stored.

    Attributes:
        adapter_id: Whose configuration the references in ``invoke`` mean.
        reference: A name to follow it by across orders.
        description: Its purpose.
        scope: The part of the order to watch, such as ``/state/currentStatus``; not inside lists.
        schema: The JSON Schema (2020-12) that this part has to fulfil.
        invoke: The URL to call; may hold references to configuration and order in curly braces.
        version: Which version of the order to send.
    """

    id: str | None = None
    adapter_id: str | None = None
    reference: str | None = None
    description: str | None = None
    scope: str | None = None
    schema: Mapping[str, JSON] | None = None
    invoke: str | None = None
    version: OrderVersion | str | None = None
