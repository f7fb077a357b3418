"""What the sandbox keeps and what each operation does to it; one more is a function and a row in ``HANDLERS``."""

import random
import string
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeAlias

import attrs

from norce_order_async.wire.json import JSON, encode_json

WireOrder: TypeAlias = dict[str, Any]
"""An order as it is on the wire."""

_WRITTEN_BY_THE_API = frozenset(
    {"id", "merchant", "channel", "created", "lastModified", "state", "shippings", "payments"}
)


class Refused(Exception):
    """The sandbox says no: an HTTP status, the ``code`` and ``message`` of a ``BaseError``, and further headers."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@attrs.frozen
class Ask:
    """One request that may be carried out: its headers are in order and its body keeps to the contract."""

    merchant: str
    channel: str
    ids: Mapping[str, str]
    body: Any


@attrs.frozen(eq=False)
class Store:
    """The orders of all merchants and channels.

    Attributes:
        random: Where new ids come from.
        wall: Seconds since 1970-01-01 UTC, for time stamps.
    """

    random: random.Random
    wall: Callable[[], float]
    _orders: dict[tuple[str, str, str], WireOrder] = attrs.field(
        factory=dict[tuple[str, str, str], WireOrder], init=False, repr=False
    )

    def get(self, merchant: str, channel: str, order_id: str) -> WireOrder | None:
        """The stored order itself."""
        return self._orders.get((merchant, channel, order_id))

    def find(self, ask: Ask) -> WireOrder:
        """The stored order that a request is about.

        Raises:
            Refused: 404.
        """
        order_id = ask.ids["order_id"]
        order = self.get(ask.merchant, ask.channel, order_id)
        if order is None:
            raise Refused(404, "order-not-found", f"Order with id:{order_id} not found.")
        return order

    def put(self, merchant: str, channel: str, order_id: str, members: Mapping[str, JSON]) -> None:
        """Store a new order in state ``checkout``; ``members`` may say otherwise."""
        now = self._now()
        self._orders[merchant, channel, order_id] = {
            "id": order_id,
            "merchant": merchant,
            "channel": channel,
            "created": now,
            "lastModified": now,
            "state": {"currentStatus": "checkout", "transitions": [{"status": "checkout", "timeStamp": now}]},
            "shippings": [],
            "payments": [],
            "consents": [],
            "attributes": {},
            **members,
        }

    def touch(self, order: WireOrder) -> None:
        """Note that an order changed."""
        order["lastModified"] = self._now()

    def new_id(self) -> str:
        """An order id of the published look."""
        return "o_" + "".join(self.random.choices(string.ascii_letters, k=26))

    def _now(self) -> str:
        return datetime.fromtimestamp(self.wall(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _create_order(store: Store, ask: Ask) -> JSON:
    given: dict[str, JSON] = ask.body or {}
    members = {name: value for name, value in given.items() if name not in _WRITTEN_BY_THE_API}
    order_id = store.new_id()
    store.put(ask.merchant, ask.channel, order_id, members)
    return {"id": order_id}


def _get_order(store: Store, ask: Ask) -> JSON:
    return store.find(ask)


def _create_consent(store: Store, ask: Ask) -> JSON:
    order = store.find(ask)
    consent_id = ask.body.get("id")
    if not consent_id:
        raise Refused(400, "bad-request", "$.id: a new consent needs an id.")
    if any(consent.get("id") == consent_id for consent in order["consents"]):
        raise Refused(409, "order-conflict", f"Consent with id:{consent_id} exists.")
    order["consents"].append(ask.body)
    store.touch(order)
    return None


def _patch_consent(store: Store, ask: Ask) -> JSON:
    order = store.find(ask)
    consent = _consent(order, ask)
    if ask.body.get("id", ask.ids["consent_id"]) != ask.ids["consent_id"]:
        raise Refused(400, "bad-request", "$.id: is not the id in the path.")
    if "checked" not in ask.body:
        raise Refused(400, "bad-request", "$.checked: is missing.")
    if consent.get("checked") is not ask.body["checked"]:
        consent["checked"] = ask.body["checked"]
        store.touch(order)
    return None


def _remove_consent(store: Store, ask: Ask) -> JSON:
    order = store.find(ask)
    order["consents"].remove(_consent(order, ask))
    store.touch(order)
    return None


def _patch_attributes(store: Store, ask: Ask) -> JSON:
    order = store.find(ask)
    attributes = order["attributes"]
    stored = {name: attributes[name] for name in ask.body if name in attributes}
    # As text, because to Python true and 1 are equal.
    if encode_json(stored, limit=sys.maxsize) != encode_json(ask.body, limit=sys.maxsize):
        attributes.update(ask.body)
        store.touch(order)
    return None


def _consent(order: WireOrder, ask: Ask) -> dict[str, Any]:
    consent_id = ask.ids["consent_id"]
    for consent in order["consents"]:
        if consent.get("id") == consent_id:
            found: dict[str, Any] = consent
            return found
    raise Refused(404, "consent-not-found", f"Consent with id:{consent_id} not found.")


Handler: TypeAlias = Callable[[Store, Ask], JSON]
"""Carries out a request and returns the JSON to answer, None for an empty body; may raise :class:`Refused`."""

HANDLERS: Mapping[str, Handler] = {
    "CreateCheckoutOrder": _create_order,
    "GetCheckoutOrder": _get_order,
    "CreateCheckoutOrderConsent": _create_consent,
    "PatchCheckoutOrderConsent": _patch_consent,
    "RemoveCheckoutOrderConsent": _remove_consent,
    "PatchCheckoutOrderAttributes": _patch_attributes,
}
"""The operations that the sandbox implements, by operationId."""
