"""Making the call of a command."""

import argparse
import asyncio
import inspect
from typing import Any

from norce_order_async.cli.bodies import body_from
from norce_order_async.cli.choices import OUTPUTS_OF_ALL, PAGE
from norce_order_async.cli.commands import BY_NAME, Command
from norce_order_async.cli.errors import explain
from norce_order_async.cli.rendering import show, show_each
from norce_order_async.cli.settings import single_client
from norce_order_async.core.call import Call
from norce_order_async.core.errors import CallError, InvalidRequestError
from norce_order_async.endpoints.functions import function_of
from norce_order_async.endpoints.paging import iter_orders
from norce_order_async.middleware.policy import RetryPolicy
from norce_order_async.wire.problems import ValidationFailedError
from norce_order_async.wire.table import ROWS


def call(options: argparse.Namespace) -> int:
    """Make the call of the command that was typed, and print what comes back.

    Raises:
        KeyboardInterrupt: It was interrupted; its text says what became of a change.
    """
    command = BY_NAME[options.command]
    row = ROWS[command.operation]
    if row.query and (options.all or (options.output == "jsonl" and options.limit is None)):
        return asyncio.run(_all_orders(options))
    function = function_of(row.function)
    arguments = {name: getattr(options, name) for name in (*row.ids, *row.query)}
    if command.body is not None:
        arguments[_body_name(function, arguments)] = body_from(command, options)
    ended: list[Call] = []
    try:
        return asyncio.run(_call(options, command, function, arguments, ended))
    except KeyboardInterrupt:
        raise KeyboardInterrupt(*(_interrupted(call) for call in ended if call.changes)) from None


def _interrupted(call: Call) -> str:
    """What became of the call of a command that was interrupted."""
    error = CallError("interrupted" if call.maybe_sent else "interrupted: nothing was sent")
    call.annotate(error)
    return explain(error)


def _body_name(function: Any, ids: dict[str, Any]) -> str:
    """The parameter of an endpoint function that takes the body."""
    return next(name for name in inspect.signature(function).parameters if name not in {"client", *ids})


async def _call(
    options: argparse.Namespace, command: Command, function: Any, arguments: dict[str, Any], ended: list[Call]
) -> int:
    """Make the call, and put it into ``ended`` when it ends, however that is."""
    async with single_client(
        options, RetryPolicy.interactive(), on_call=[lambda call, _: ended.append(call)]
    ) as client:
        try:
            result = await function(client, **arguments)
        except ValidationFailedError as error:
            if options.output in ("json", "jsonl"):
                show(command, list(error.problems), options.output)
            raise
    show(command, result, options.output)
    return 0


async def _all_orders(options: argparse.Namespace) -> int:
    if options.output not in OUTPUTS_OF_ALL:
        raise InvalidRequestError("--all prints orders as they come: it goes with --output text or jsonl")
    filters: Any = {name: getattr(options, name) for name in ROWS["GetCheckoutOrders"].query}
    filters["limit"] = PAGE if options.limit is None else options.limit
    async with (
        single_client(options, RetryPolicy.interactive()) as client,
        iter_orders(client, on_unreadable="yield", **filters) as orders,
    ):
        return await show_each(orders, options.output)
