"""The commands that make one call, and the sandbox."""

import argparse
import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from norce_order_async.cli.settings import client_from
from norce_order_async.client import OrderClient
from norce_order_async.core.errors import InvalidRequestError, printable
from norce_order_async.core.settings import Timeout
from norce_order_async.endpoints.attributes import patch_attributes
from norce_order_async.endpoints.consents import delete_consent, patch_consent
from norce_order_async.endpoints.orders import get_order
from norce_order_async.middleware.policy import RetryPolicy
from norce_order_async.wire.codec import encode_shown
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.json import JSON
from norce_order_async.wire.models import Order
from norce_order_async.wire.strict import decode_unique


def order_get(options: argparse.Namespace) -> int:
    """``norce-order order get``."""

    async def call(client: OrderClient) -> None:
        order = await get_order(client, options.order)
        print(encode_shown(order).decode() if options.output == "json" else order_text(order))

    return _with_client(options, call)


def consent_patch(options: argparse.Namespace) -> int:
    """``norce-order consent patch``."""

    async def call(client: OrderClient) -> None:
        _print_receipt(options, await patch_consent(client, options.order, options.consent, checked=options.checked))

    return _with_client(options, call)


def consent_delete(options: argparse.Namespace) -> int:
    """``norce-order consent delete``."""

    async def call(client: OrderClient) -> None:
        _print_receipt(options, await delete_consent(client, options.order, options.consent))

    return _with_client(options, call)


def attributes_patch(options: argparse.Namespace) -> int:
    """``norce-order attributes patch``."""
    attributes = _attributes_from(options)

    async def call(client: OrderClient) -> None:
        _print_receipt(options, await patch_attributes(client, options.order, attributes))

    return _with_client(options, call)


def _with_client(options: argparse.Namespace, call: Callable[[OrderClient], Awaitable[None]]) -> int:
    async def run() -> None:
        async with client_from(options, retry=RetryPolicy.interactive(), timeout=Timeout()) as client:
            await call(client)

    asyncio.run(run())
    return 0


def _print_receipt(options: argparse.Namespace, receipt: Receipt) -> None:
    if options.output == "json":
        print(
            encode_shown(
                {
                    "operation": receipt.operation,
                    "outcome": receipt.outcome,
                    "status": receipt.status,
                    "attempts": receipt.attempts,
                    "elapsed": round(receipt.elapsed, 6),
                    "request_id": receipt.request_id,
                }
            ).decode()
        )
        return
    tries = "1 attempt" if receipt.attempts == 1 else f"{receipt.attempts} attempts"
    print(
        f"{receipt.operation}: {receipt.outcome} "
        f"(HTTP {receipt.status}, {tries} in {receipt.elapsed:.2f} s, request id {receipt.request_id})"
    )


def _attributes_from(options: argparse.Namespace) -> dict[str, JSON]:
    if (options.json is None) == (not options.pairs):
        raise InvalidRequestError("give the attributes either as KEY=TEXT and KEY:=JSON, or with --json")
    if options.json is None:
        pairs = list(map(_pair, options.pairs))
        if twice := [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]:
            raise InvalidRequestError(f"the attribute {twice[0][:64]!r} is there twice")
        return dict(pairs)
    text = options.json
    if text.startswith("@"):
        try:
            text = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidRequestError(f"{text[1:]} cannot be read: {error}") from None
    attributes = _json(text, "--json")
    if not isinstance(attributes, dict):
        raise InvalidRequestError("--json must be a JSON object")
    return attributes


def _pair(text: str) -> tuple[str, JSON]:
    key, equals, value = text.partition("=")
    if not equals or key in ("", ":"):
        raise InvalidRequestError(f"{text!r} is neither KEY=TEXT nor KEY:=JSON")
    if key.endswith(":"):
        return key[:-1], _json(value, key[:-1])
    return key, value


def _json(text: str, name: str) -> JSON:
    try:
        return decode_unique(text.encode())
    except ValueError as error:
        raise InvalidRequestError(f"{name}: {error}") from None


def order_text(order: Order) -> str:
    """An order for a person to read: what it is, its consents and its attributes."""
    state = order.state.current_status if order.state else None
    lines = [" · ".join(part for part in (f"Order {order.id}", state, f"{order.merchant}/{order.channel}") if part)]
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
    lines += [f"  {name:{width}}  {encode_shown(value).decode()}" for name, value in attributes.items()]
    if unreadable := order.unreadable:
        lines.append("Could not be read")
        lines += [f"  {path}  {encode_shown(raw).decode()}" for path, raw in unreadable.items()]
    return "\n".join(map(printable, lines))


def sandbox(options: argparse.Namespace) -> int:
    """``norce-order sandbox``."""
    from norce_order_async.cli.sandbox import serve

    return asyncio.run(serve(options))
