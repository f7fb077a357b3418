"""Consents of an order."""

from norce_order_async.testing.sandbox.exchange import Ask, Result
from norce_order_async.testing.sandbox.store import Part, Store, find_part, not_taken


def patch_consents(store: Store, ask: Ask) -> Result:
    """Set ``checked`` of several consents: of all of them, or of none when one cannot be."""
    order = store.find(ask)
    changes: list[tuple[Part, bool]] = []
    for index, wanted in enumerate(ask.body):
        if not wanted.get("id"):
            raise not_taken(f"$[{index}].id: is missing.")
        changes.append((find_part(order["consents"], "consent", wanted["id"]), _checked(wanted, f"$[{index}]")))
    for consent, checked in changes:
        store.write(order, consent, "checked", checked)
    return None


def patch_consent(store: Store, ask: Ask) -> Result:
    """Set ``checked`` of a consent; nothing else in the body has an effect."""
    order = store.find(ask)
    consent = find_part(order["consents"], "consent", ask.ids["consent_id"])
    store.write(order, consent, "checked", _checked(ask.body, "$"))
    return None


def _checked(consent: Part, path: str) -> bool:
    if "checked" not in consent:
        raise not_taken(f"{path}.checked: is missing.")
    checked: bool = consent["checked"]
    return checked
