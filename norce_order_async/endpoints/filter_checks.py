"""Whether an order fits the filters of its list: a service that does not know a filter may ignore it.

Which members some filters look at, and how exactly, is not published. So a check lets through what may fit: a part of a
name, or either of the times of an order.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from norce_order_async.wire.models import Order


class FilterCheck(NamedTuple):
    """How the value of a filter is checked.

    Attributes:
        members: The members of the wire's order that it looks at.
        fits: Whether an order fits the value, which is as :func:`query_of` returns it.
    """

    members: tuple[str, ...]
    fits: Callable[[Order, Any], bool]


def _is_one_of(found: Iterable[str | None], wanted: str | Iterable[str]) -> bool:
    texts = (wanted,) if isinstance(wanted, str) else wanted
    return not {text.casefold() for text in found if text}.isdisjoint(text.casefold() for text in texts)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _has_all_words(found: Iterable[str | None], wanted: Iterable[str]) -> bool:
    """Whether all words of one of the texts are in what was found, spelt and spaced in any way."""
    all_found = " ".join(_letters(text) for text in found if text)
    return any(all(_letters(word) in all_found for word in text.split()) for text in wanted)


def _check(
    member: str,
    texts: Callable[[Order], Iterable[str | None]],
    fit: Callable[[Iterable[str | None], Any], bool] = _is_one_of,
) -> FilterCheck:
    def fits(order: Order, wanted: Any) -> bool:
        return fit(texts(order), wanted)

    return FilterCheck((member,), fits)


def _of_address(role: str, *names: str) -> Callable[[Order], Iterator[str | None]]:
    def texts(order: Order) -> Iterator[str | None]:
        address = getattr(order.customer, role, None)
        return (getattr(address, name, None) for name in names)

    return texts


def _address_checks(role: str) -> dict[str, FilterCheck]:
    names = _of_address(role, "given_name", "family_name", "care_of", "organization_name")
    return {
        f"{role}_countries": _check("customer", _of_address(role, "country")),
        f"{role}_emails": _check("customer", _of_address(role, "email"), _has_all_words),
        f"{role}_names": _check("customer", names, _has_all_words),
        f"{role}_phones": _check("customer", _of_address(role, "phone"), _has_all_words),
    }


def _not_before(order: Order, wanted: str) -> bool:
    latest = order.last_modified or order.created
    return latest is not None and latest >= datetime.fromisoformat(wanted)


def _not_after(order: Order, wanted: str) -> bool:
    earliest = order.created or order.last_modified
    return earliest is not None and earliest <= datetime.fromisoformat(wanted)


FILTER_CHECKS: Mapping[str, FilterCheck] = {
    "payment_id": _check("payments", lambda order: [payment.id for payment in order.payments]),
    "reference": _check("reference", lambda order: [order.reference]),
    "cart_reference": _check("cart", lambda order: [order.cart.reference] if order.cart else []),
    "status": _check("state", lambda order: [order.state.current_status] if order.state else []),
    "date_from": FilterCheck(("created", "lastModified"), _not_before),
    "date_to": FilterCheck(("created", "lastModified"), _not_after),
    "countries": _check("country", lambda order: [order.country]),
    **_address_checks("billing"),
    **_address_checks("shipping"),
}
"""The checks of the filters that can be checked; where ``search`` looks is not published."""


def unfit_filter(order: Order, query: Mapping[str, Any]) -> str | None:
    """The name of the first filter that an order does not fit, or cannot be shown to fit; None if there is none."""
    return next(
        (name for name, value in query.items() if name in FILTER_CHECKS and not FILTER_CHECKS[name].fits(order, value)),
        None,
    )
