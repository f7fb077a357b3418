"""An order as text for a person to read."""

from norce_order_async.cli.masking import as_text, masked, masked_unreadable
from norce_order_async.core.wording import printable
from norce_order_async.wire.models import Order


def order_title(order: Order) -> str:
    """What an order is, in one line."""
    state = order.state.current_status if order.state else None
    return " · ".join(part for part in (f"Order {order.id}", state, f"{order.merchant}/{order.channel}") if part)


def order_text(order: Order) -> str:
    """An order for a person to read: what it is, its consents and its attributes."""
    lines = [order_title(order)]
    if order.reference:
        lines.append(f"  reference      {order.reference}")
    if order.created:
        lines.append(f"  created        {order.created:%Y-%m-%d %H:%M:%S %Z}")
    if order.last_modified:
        lines.append(f"  last modified  {order.last_modified:%Y-%m-%d %H:%M:%S %Z}")
    if order.total and order.total.including_vat is not None:
        lines.append(f"  total          {order.total.including_vat} {order.currency or ''}".rstrip())
    lines.append("Consents" if order.consents else "Consents: none")
    width = max((len(consent.id or "") for consent in order.consents), default=0)
    for consent in order.consents:
        mark = "[x]" if consent.checked else "[ ]"
        required = "  required" if consent.required else ""
        text = f"  {consent.text}" if consent.text else ""
        lines.append(f"  {mark} {consent.id or '':{width}}{required}{text}".rstrip())
    attributes = order.attributes or {}
    lines.append("Attributes" if attributes else "Attributes: none")
    width = max(map(len, attributes), default=0)
    lines += [f"  {name:{width}}  {as_text(masked(value, name))}" for name, value in attributes.items()]
    if unreadable := masked_unreadable(order):
        lines.append("Could not be read")
        lines += [f"  {path}  {as_text(raw)}" for path, raw in unreadable.items()]
    return "\n".join(map(printable, lines))
