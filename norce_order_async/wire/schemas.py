"""What the contract says of the members of its schemas beyond their types; plain data, by the members' wire names.

It holds for a schema, never for a name: the ids of consents, items and notifications may be written.
"""

READ_ONLY: dict[str, frozenset[str]] = {
    "Order": frozenset({"id", "merchant", "channel", "created", "lastModified", "shippings", "payments"}),
    "State": frozenset({"transitions"}),
    "Transition": frozenset({"status", "timeStamp"}),
    "OrderPaginationSet": frozenset({"data", "pagination"}),
    "Pagination": frozenset({"offset", "limit", "size", "valueSum", "totalSize"}),
    "Callback": frozenset({"id"}),
    "Hook": frozenset({"id"}),
    "Payment": frozenset({"id"}),
    "PaymentAction": frozenset({"id"}),
    "PaymentTransaction": frozenset({"created"}),
    "Shipping": frozenset({"id"}),
}
"""Members that only the service writes: no request has them."""

REQUIRED: dict[str, tuple[str, ...]] = {
    "PaymentAction": ("adapterId", "type", "url"),
    "Recurring": ("token",),
    "Shipping": ("total", "vatRate"),
}
"""Members that a request must have. ``Customer.type`` is required too, but Norce's own samples come without it."""

ADDRESSED = frozenset({"Consent", "Notification"})
"""Schemas whose ids a request may give, and the paths of other requests then hold."""
