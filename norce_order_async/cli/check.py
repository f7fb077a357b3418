"""``norce-order check``: by one read, whether the settings are right, and which is not."""

import argparse
import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from norce_order_async.cli.diagnosis import diagnose
from norce_order_async.cli.layers import Setting, settle
from norce_order_async.cli.output import print_utf8
from norce_order_async.cli.settings import single_client
from norce_order_async.client import OrderClient
from norce_order_async.core.errors import CallError, ConfigurationError, TLSError, TokenError
from norce_order_async.core.settings import Timeout
from norce_order_async.core.urls import shown_file, without_secrets
from norce_order_async.core.wording import printable
from norce_order_async.endpoints.orders import list_orders
from norce_order_async.middleware.policy import RetryPolicy
from norce_order_async.wire.json_text import to_json

_SHOWN = ("environment", "slug", "base_url", "merchant", "channel", "adapter_id", "token", "token_file",
          "token_variable", "timeout", "transport", "output")  # fmt: skip
_DEFAULTS = {"timeout": Setting(Timeout().total, "default"), "transport": Setting("aiohttp", "default")}
_SHOWN_AS = {"base_url": without_secrets, "token_file": shown_file}
_ASPECTS = ("address", "TLS", "token", "merchant and channel")


class Line(NamedTuple):
    """What is said of one aspect; ``ok`` is None where it could not be looked at."""

    aspect: str
    ok: bool | None
    text: str


def check(options: argparse.Namespace) -> int:
    """Read at most one order, and say what that shows."""
    try:
        settle(options, os.environ)
    except ConfigurationError as error:
        if options.output == "json":
            _print_json({}, problem=str(error))
        raise
    as_json = options.output == "json"
    known = _DEFAULTS | options.settings
    settings = {name: _shown(name, known[name]) for name in _SHOWN if name in known}
    if not as_json:
        print("Settings")
        _print([(name, setting.value, setting.source) for name, setting in settings.items()])
    try:
        lines, code = asyncio.run(_check(options))
    except ConfigurationError as error:
        if as_json:
            _print_json(settings, problem=str(error))
        raise
    if as_json:
        _print_json(settings, lines, ok=code == 0)
    else:
        print("Checks")
        marks = {True: "ok", False: "WRONG", None: "not known"}
        _print([(line.aspect, marks[line.ok], line.text) for line in lines])
    return code


def _shown(name: str, setting: Setting) -> Setting:
    """The setting as it may be shown: one that holds a secret where none belongs is refused later."""
    return Setting(_SHOWN_AS.get(name, str)(str(setting.value)), setting.source)


def _print_json(
    settings: Mapping[str, Setting], lines: Sequence[Line] = (), *, ok: bool = False, problem: str | None = None
) -> None:
    print_utf8()
    told = {name: setting._asdict() for name, setting in settings.items()}
    checks = [line._asdict() for line in lines]
    print(to_json({"ok": ok, "settings": told, "checks": checks, "problem": problem}))


def _print(rows: list[tuple[str, str, str]]) -> None:
    first, second = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    for one, two, three in rows:
        print(printable(f"  {one:{first}}  {two:{second}}  {three}".rstrip()))


async def _check(options: argparse.Namespace) -> tuple[list[Line], int]:
    async with single_client(options, RetryPolicy(max_attempts=1)) as client:
        try:
            page = await list_orders(client, limit=1)
        except CallError as error:
            return _failed(client, error)
    text = f"{client.merchant}/{client.channel} is known, and has orders"
    if not page.data:
        text = f"accepted; {client.merchant}/{client.channel} has no orders, and whether it exists the API may not tell"
    return [*_reached(client), Line("token", True, "accepted"), Line(_ASPECTS[3], True, text)], 0


def _reached(client: OrderClient) -> list[Line]:
    tls = "the certificate is accepted" if client.base_url.startswith("https:") else "not used: the address is http"
    return [Line("address", True, f"the API answers at {client.base_url}"), Line("TLS", True, tls)]


def _failed(client: OrderClient, error: CallError) -> tuple[list[Line], int]:
    """What is right before the aspect that is wrong, and what could not be looked at, before it and after."""
    finding = diagnose(error, client.base_url)
    match error:
        case TLSError():
            right = [Line("address", None, f"something listens at {urlsplit(client.base_url).netloc}")]
        case TokenError():  # nothing was sent
            right = []
        case _:
            right = [*_reached(client), Line("token", True, "accepted")][: _ASPECTS.index(finding.aspect)]
    known = {line.aspect: line for line in (*right, Line(finding.aspect, False, finding.text))}
    return [known.get(aspect, Line(aspect, None, "")) for aspect in _ASPECTS], 1 if finding.passing else 3
