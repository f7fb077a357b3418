"""``norce-order batch plan``."""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from norce_order_async.batch.conditions import (
    Condition,
    ConsentState,
    consent_is,
    created_before,
    created_from,
    in_states,
    of_shop,
)
from norce_order_async.batch.lines import NOT_TWICE, parse_change
from norce_order_async.batch.plan import IgnoredFilterError, Plan, read_into
from norce_order_async.batch.replacing import replacing
from norce_order_async.batch.report import NOT_WRITTEN, moment_note, report_format_of
from norce_order_async.cli.batch_layout import fill_of, once
from norce_order_async.cli.choices import PAGE
from norce_order_async.cli.output import tell
from norce_order_async.cli.output_files import check_output_file
from norce_order_async.cli.plan_account import PlanAccount, plan_text
from norce_order_async.cli.plan_lines import PlanLines
from norce_order_async.cli.settings import single_client
from norce_order_async.client import OrderClient
from norce_order_async.core.errors import ConfigurationError, InvalidRequestError
from norce_order_async.core.settings import Timeout
from norce_order_async.endpoints.paging import iter_orders
from norce_order_async.middleware.policy import RetryPolicy
from norce_order_async.wire.json import JSON

_SAMPLE: Final = 5


def batch_plan(options: argparse.Namespace) -> int:
    """Read the list, write the plan, and account for every order."""
    if options.out is not None or options.dry_run:
        return _plan(options, None)
    if sys.stdout is None:
        raise ConfigurationError("there is no standard output for the plan: name a file (--out)")
    return _plan(options, sys.stdout.buffer)


def _plan(options: argparse.Namespace, output: BinaryIO | None) -> int:
    fill, conditions = _change(options), _conditions(options)
    if options.out is not None:
        _check_out(options.out)
    stopped: str | None = None
    with closing(Plan()) as plan:
        client = single_client(options, RetryPolicy.batch(), Timeout.batch())
        # So a later plan of the same changes is another input, and a journal of the name does not pass it over. What
        # goes through a pipe, with a journal, is the same input each time.
        notes: dict[str, JSON] = {} if options.out is None else {"_planned": moment_note(time.time())}
        lines = PlanLines(fill, client.merchant, client.channel, notes)
        conditions.insert(0, of_shop(client.merchant, client.channel))
        try:
            asyncio.run(_read(client, plan, conditions, lines, allow_ignored=options.allow_ignored_filters))
        except IgnoredFilterError as error:
            stopped = str(error)
        if stopped is None and options.out is not None:
            with replacing(Path(options.out), "plan") as stream:
                lines.write(plan, stream)
        fit, others = plan.counts()
        account = PlanAccount(
            read=plan.read,
            fit=fit,
            others=others,
            unreadable=plan.unreadable,
            against=plan.against,
            sample=[lines.record(order_id) for order_id in plan.first(_SAMPLE)],
            is_once=fill["op"] in NOT_TWICE,
            stopped=stopped,
            out=None if stopped else options.out,
        )
        text = plan_text(account, as_json=options.output == "json")
        if output is None:
            print(text)
        else:
            tell(text)
        if stopped is None and output is not None:
            lines.write(plan, output)
    return 0 if stopped is None else 1


async def _read(
    client: OrderClient, plan: Plan, conditions: Sequence[Condition], lines: PlanLines, *, allow_ignored: bool
) -> None:
    filters: Any = {condition.filter: condition.sent for condition in conditions if condition.filter is not None}
    async with client, iter_orders(client, on_unreadable="yield", limit=PAGE, **filters) as orders:
        await read_into(plan, orders, conditions, lines.check, allow_ignored=allow_ignored)


def _change(options: argparse.Namespace) -> dict[str, JSON]:
    """What is the same for every line.

    Raises:
        InvalidRequestError: It makes no change of an order.
    """
    fill = fill_of(options)
    if taken := sorted(fill.keys() & {"order_id", "merchant", "channel"}):
        raise InvalidRequestError(f"--set {taken[0]}: the list says which orders, --merchant and --channel whose")
    parse_change({**fill, "order_id": "o"})
    return fill


def _conditions(options: argparse.Namespace) -> list[Condition]:
    """What is asked of an order.

    Raises:
        InvalidRequestError: Nothing, or what no order can have.
    """
    since, before = options.created_from, options.created_before
    conditions: list[Condition] = []
    if options.status:
        conditions.append(in_states(dict.fromkeys(options.status)))
    if since is not None:
        conditions.append(created_from(since))
    if before is not None:
        conditions.append(created_before(before))
    for consent_id, wanted in once("--where-consent", options.where_consent).items():
        conditions.append(consent_is(consent_id, cast("ConsentState", wanted)))
    if not conditions:
        raise InvalidRequestError("which orders? Give --status, --created-from, --created-before or --where-consent")
    if since is not None and before is not None and since >= before:
        raise InvalidRequestError("no order is created from --created-from on and before --created-before")
    return conditions


def _check_out(name: str) -> None:
    """See that the plan can be written at the end.

    Raises:
        ConfigurationError: It cannot.
    """
    path = Path(name)
    if path.suffix.lower() in NOT_WRITTEN or report_format_of(path) != "jsonl":
        raise ConfigurationError(f"--out {name!r}: a plan is JSON Lines: name it *.jsonl")
    check_output_file("--out", name, {})
