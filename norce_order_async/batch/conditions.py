"""What an order must have for a plan to change it; each order is held against it, whatever the service was asked."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, Literal

import attrs

from norce_order_async.wire.models import NOT_SET, Order
from norce_order_async.wire.unread import find

ConsentState = Literal["true", "false", "absent"]
"""A consent that is given, one that is not, or none of that id."""


@attrs.frozen(kw_only=True)
class Condition:
    """One condition.

    Attributes:
        value: What it looks at in an order; None where that is missing or cannot be read.
        missing: What is told of an order without it.
        unfit: What is told of an order with a value that does not fit; None for one that fits.
        filter: The filter by which the list is asked for the same; None without one.
        sent: The value of that filter.
    """

    value: Callable[[Order], Any]
    missing: str
    unfit: Callable[[Any], str | None]
    filter: str | None = None
    sent: Any = None

    def reason(self, order: Order) -> str | None:
        """Why an order does not fit; None for one that fits."""
        value = self.value(order)
        return self.missing if value is None else self.unfit(value)


def of_shop(merchant: str, channel: str) -> Condition:
    """The order is of this merchant and channel, where it says whose it is."""
    wanted = (merchant.casefold(), channel.casefold())

    def unfit(shop: tuple[str, str]) -> str | None:
        return None if shop == wanted else "of another merchant or channel"

    def shop_of(order: Order) -> tuple[str, str]:
        return (order.merchant or merchant).casefold(), (order.channel or channel).casefold()

    return Condition(value=shop_of, missing="", unfit=unfit)


def in_states(states: Collection[str]) -> Condition:
    """The order is in one of these states."""
    wanted = {state.casefold() for state in states}
    misfit = f"not in state {' or '.join(states)}"
    return Condition(
        value=lambda order: (order.state and order.state.current_status) or None,
        missing="no state that can be read",
        unfit=lambda state: None if state.casefold() in wanted else misfit,
        filter="status",
        sent=list(states),
    )


def created_from(time: datetime) -> Condition:
    """The order was created at this time or later."""
    return Condition(
        value=lambda order: order.created,
        missing="no created that can be read",
        unfit=lambda created: None if created >= time else f"created before {time.isoformat()}",
        filter="date_from",
        sent=time,
    )


def created_before(time: datetime) -> Condition:
    """The order was created before this time.

    The list is not asked for it. Which of an order's times ``date_to`` looks at is not published: if it is
    ``lastModified``, old orders that were changed since would be missing.
    """
    return Condition(
        value=lambda order: order.created,
        missing="no created that can be read",
        unfit=lambda created: None if created < time else f"created at {time.isoformat()} or later",
    )


def consent_is(consent_id: str, wanted: ConsentState) -> Condition:
    """The consent of this id is given, is not given, or is not there."""

    def unfit(state: ConsentState) -> str | None:
        return None if state == wanted else f"consent {consent_id} is {state}"

    return Condition(
        value=lambda order: _consent_state(order, consent_id),
        missing=f"consent {consent_id} cannot be read",
        unfit=unfit,
    )


def _consent_state(order: Order, consent_id: str) -> ConsentState | None:
    found = {consent.checked for consent in order.consents if consent.id == consent_id}
    if len(found) == 1:
        checked = found.pop()
        return None if checked is None else "true" if checked else "false"
    is_hidden = (
        order.consents is NOT_SET
        or find(order.unread, "consents") is not None
        or any(not consent.id for consent in order.consents)
    )
    return None if found or is_hidden else "absent"
