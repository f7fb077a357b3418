"""``norce-order sandbox``, and the orders that a batch file takes for granted."""

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from itertools import chain
from pathlib import Path
from typing import Any, Literal, cast

from norce_order_async.batch.files import InputLine, read_changes, shown_name
from norce_order_async.batch.kinds import ExecutePaymentAction, PatchConsents
from norce_order_async.cli.output import tell
from norce_order_async.cli.signals import on_ending
from norce_order_async.cli.writing import Writing
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.logger import logger
from norce_order_async.core.wording import counted, printable
from norce_order_async.endpoints.findings import COLLECTIONS
from norce_order_async.testing.sandbox import SANDBOX_TOKEN, Sandbox
from norce_order_async.testing.sandbox.callbacks import Callbacks
from norce_order_async.testing.sandbox.server import SandboxServer
from norce_order_async.wire.json import JSON

_MERCHANT, _CHANNEL = "norce", "1"
_EXAMPLE_ORDER = "o_123"
_EXAMPLE_CONSENTS = ("ci_newsletter", "ci_terms")
_PATIENCE = 1.0
"""Seconds for the last lines to be read."""
_PARTS = {f"{collection.noun}_id": collection.name for collection in COLLECTIONS.values()}
"""Where the parts of an order are that a change names."""


class _Told(logging.Handler):
    """Prints what is logged on standard error, in one line without tracebacks; where nobody reads it, it is dropped."""

    def __init__(self, writing: Writing) -> None:
        super().__init__(logging.WARNING)
        self._writing = writing

    def emit(self, record: logging.LogRecord) -> None:
        """Print it."""
        if not self._writing.is_stuck:
            self._writing.begin(tell, printable(record.getMessage()))


def sandbox(options: argparse.Namespace) -> int:
    """``norce-order sandbox``."""
    # Before the event loop starts, so that Ctrl-C ends it at once.
    made = _filled(options)
    return asyncio.run(_serve(options, made))


def _filled(options: argparse.Namespace) -> Sandbox:
    """A sandbox with all the orders that are asked for."""
    callbacks = Callbacks(
        hosts=options.allow_callbacks,
        deadline=options.callback_deadline,
        on_hook_failure=options.on_hook_failure,
    )
    sandbox = Sandbox(strict=options.strict, callbacks=callbacks, ignored_filters=options.ignore_filter)
    sandbox.faults.add(*options.fault)
    sandbox.seed_orders(options.seed_orders, merchant=_MERCHANT, channel=_CHANNEL)
    sandbox.add_order(_EXAMPLE_ORDER, merchant=_MERCHANT, channel=_CHANNEL, consents=_EXAMPLE_CONSENTS)
    if options.orders_from is not None:
        # The commands that are printed work also where the file names the example order.
        example = InputLine(0, PatchConsents(_EXAMPLE_ORDER, dict.fromkeys(_EXAMPLE_CONSENTS, False)))
        entries = chain([example], _changes_in(options.orders_from))
        add_orders_of(sandbox, entries, merchant=_MERCHANT, channel=_CHANNEL)
    return sandbox


def _changes_in(path: str) -> Iterator[InputLine]:
    """What a batch file says; at its end it is told what of it is no change.

    Raises:
        ConfigurationError: It has lines, and none of them is a change.
    """
    changes, bad, first = 0, 0, ""
    for entry in read_changes(Path(path)):
        if entry.change is None:
            bad += 1
            first = first or f"line {entry.line}: {entry.problem}"
        else:
            changes += 1
        yield entry
    name = shown_name(path)
    problem = f"{name}: {counted(bad, 'line')} cannot be read as changes, the first of them {first}"
    if bad and not changes:
        raise ConfigurationError(problem)
    if bad or not changes:
        tell(printable(f"norce-order: {problem if bad else f'no changes were read from {name}'}"))


async def _serve(options: argparse.Namespace, sandbox: Sandbox) -> int:
    """Serve until Ctrl-C or SIGTERM."""
    stop = asyncio.Event()
    on_ending(stop.set)
    console: Literal["read", "write"] = "write" if options.console_writes else "read"
    serving = SandboxServer(sandbox, host=options.host, port=options.port, console=console)
    async with _telling(), serving as server:
        settings = {"BASE_URL": server.url, "MERCHANT": _MERCHANT, "CHANNEL": _CHANNEL, "TOKEN": SANDBOX_TOKEN}
        print(
            f"""\
The sandbox serves {server.url} until Ctrl-C.
{_reach(server.addresses, options.allow_callbacks)}, and its orders are gone when it ends.
Its console, in a browser: {server.url.removesuffix("checkout/order")}
In another terminal:

{exports(settings)}
  norce-order order get {_EXAMPLE_ORDER}
  norce-order consent patch {_EXAMPLE_ORDER} {_EXAMPLE_CONSENTS[0]} --checked""",
            flush=True,
        )
        await stop.wait()
    return 0


@asynccontextmanager
async def _telling() -> AsyncGenerator[None]:
    """Have what the sandbox logs printed meanwhile. Where nobody reads it at the end, end the process."""
    its_logger, writing = logger.logger.getChild("testing.sandbox"), Writing()
    told = _Told(writing)
    its_logger.addHandler(told)
    try:
        yield
    finally:
        its_logger.removeHandler(told)
    try:
        async with asyncio.timeout(_PATIENCE):
            await writing.aclose()
    except TimeoutError:
        os._exit(0)  # Python would wait for the thread that writes


def exports(settings: Mapping[str, str]) -> str:
    """Lines that set these variables, for a POSIX shell, or PowerShell on Windows."""
    if sys.platform == "win32":
        return "\n".join(f'  $env:NORCE_{name} = "{value}"' for name, value in settings.items())
    first, *others = (f"NORCE_{name}={value}" for name, value in settings.items())
    return f"  export {first}\n  export {' '.join(others)}"


def _reach(addresses: Iterable[tuple[str, int]], called: Sequence[str]) -> str:
    """Who can use a sandbox that listens there, and what it sends elsewhere."""
    hosts = [ip_address(host.partition("%")[0]) for host, _ in addresses]
    if all(host.is_loopback for host in hosts):
        return f"Orders go to {', '.join(called)}" if called else "Nothing leaves this machine"
    everywhere = any(host.is_unspecified for host in hosts)
    where = "every address of this machine" if everywhere else ", ".join(map(str, hosts))
    return f"""\
It listens on {where}: whoever can connect to it can read its orders in its console,
and change them with the token {SANDBOX_TOKEN}, which is no secret, over plain HTTP.
Put nothing real in it"""


def add_orders_of(sandbox: Sandbox, entries: Iterable[InputLine], *, merchant: str, channel: str) -> None:
    """Create the orders that these changes are about, with the parts that they name."""
    orders: dict[tuple[str, str, str], dict[str, dict[str, dict[str, JSON]]]] = {}
    for entry in entries:
        change = entry.change
        if change is None or not change.order_id:
            continue
        place = (change.order_id, change.merchant or merchant, change.channel or channel)
        parts = orders.setdefault(place, {})
        for name, member in _PARTS.items():
            if (part_id := getattr(change, name, None)) is not None:
                parts.setdefault(member, {}).setdefault(part_id, {"id": part_id})
        if isinstance(change, PatchConsents):
            for consent_id in change.checked:
                parts.setdefault("consents", {}).setdefault(consent_id, {"id": consent_id})
        if isinstance(change, ExecutePaymentAction):
            actions = cast("list[JSON]", parts["payments"][change.payment_id].setdefault("actions", []))
            if not any(isinstance(action, dict) and action["id"] == change.action_id for action in actions):
                actions.append({"id": change.action_id, "type": "capture"})
    for (order_id, its_merchant, its_channel), parts in orders.items():
        for consent in parts.get("consents", {}).values():
            consent["checked"] = False
        members: dict[str, Any] = {name: list(named.values()) for name, named in sorted(parts.items())}
        sandbox.add_order(order_id, merchant=its_merchant, channel=its_channel, **members)
