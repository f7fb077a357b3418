"""What a call gave, on standard output: text or a table for people, JSON for programs."""

import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import attrs

from norce_order_async.cli.commands import Command
from norce_order_async.cli.masking import masked
from norce_order_async.cli.order_text import order_text
from norce_order_async.cli.output import console, has_rich, is_terminal, tell
from norce_order_async.core.errors import DecodeError
from norce_order_async.core.wording import counted, printable
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.json import JSON
from norce_order_async.wire.json_text import to_dict, to_json
from norce_order_async.wire.models import CreateResponse, Order, OrderPaginationSet

_COLUMNS = {
    "GetCheckoutOrders": (
        "id", "state.currentStatus", "created", "total.includingVat", "currency", "cart.reference", "reference",
    ),
    "GetOrderPayments": ("id", "type", "state", "amount", "currency", "name", "reference"),
    "GetTransactionsForOrderPayment": ("created", "event", "amount", "isSuccess", "pspStatus", "errorDetail"),
    "GetOrderShippings": ("id", "state", "name", "total.includingVat", "vatRate", "reference"),
}  # fmt: skip
"""What a table of each list has, by the path of the member."""

Rows = list[tuple[str, ...]]

_ANY_WIDTH = 100_000
_FRAME = 4
"""Characters of a table's column beside what stands in it, and one for that."""


def show(command: Command, result: Any, output: str) -> None:
    """Print what a call gave."""
    if isinstance(result, str):
        result = CreateResponse(id=result)
    if isinstance(result, Receipt):
        result = attrs.evolve(result, elapsed=round(result.elapsed, 6))
    match output:
        case "json":
            print(to_json(result))
        case "jsonl":
            for each in _each(result):
                print(to_json(each))
        case "table":
            _print_table(*_table(command, result))
        case _:
            _print_text(command, result)


async def show_each(orders: AsyncIterator[Order | DecodeError], output: str) -> int:
    """Print orders as they come, each in a line; one that cannot be read is told of, and has the exit code be 1."""
    code = 0
    async for order in orders:
        if isinstance(order, DecodeError):
            code = 1
            tell(f"norce-order: {order}")
            continue
        text = to_json(order) if output == "jsonl" else "  ".join(_cells(to_dict(order), _COLUMNS["GetCheckoutOrders"]))
        print(text, flush=True)
    return code


def _each(result: object) -> Iterable[object]:
    if isinstance(result, OrderPaginationSet):
        return result.data
    return cast("list[object]", result) if isinstance(result, list) else [result]


def _print_text(command: Command, result: Any) -> None:
    if isinstance(result, Receipt):
        tries = counted(result.attempts, "attempt")
        print(
            f"{result.operation}: {result.outcome} "
            f"(HTTP {result.status}, {tries} in {result.elapsed:.2f} s, request id {result.request_id})"
        )
    elif result is None:
        print(f"{command.operation}: applied (the answer has no body)")
    elif isinstance(result, CreateResponse):
        print(printable(result.id or ""))  # alone, for a script's $(...)
    elif isinstance(result, Order):
        if is_terminal(sys.stdout) and has_rich():
            from norce_order_async.cli.tree import print_tree

            print_tree(result)
        else:
            print(order_text(result))
    else:
        _print_columns(*_table(command, result))


def _table(command: Command, result: Any) -> tuple[Sequence[str], Rows, str]:
    """The names of the columns, the rows, and what stands below them."""
    if command.operation not in _COLUMNS:
        return ("member", "value"), list(_members("", masked(result))), ""
    columns = _COLUMNS[command.operation]
    rows = [_cells(to_dict(each), columns) for each in _each(result)]
    below = ""
    if isinstance(result, OrderPaginationSet) and result.pagination is not None:
        offset, total = result.pagination.offset or 0, result.pagination.total_size
        shown = f"{offset + 1:,} to {offset + len(rows):,}" if rows else "none"
        below = shown if total is None else f"{shown} ({total:,} in all)"
    return columns, rows, below


def _cells(value: JSON, columns: Iterable[str]) -> tuple[str, ...]:
    members = dict(_members("", value))
    return tuple(members.get(column, "") for column in columns)


def _members(path: str, value: JSON) -> Iterator[tuple[str, str]]:
    """Every value inside, by its path."""
    if isinstance(value, Mapping) and value:
        for name, member in value.items():
            yield from _members(f"{path}.{printable(name)}" if path else printable(name), member)
    elif isinstance(value, list | tuple) and value:
        for index, element in enumerate(value):
            yield from _members(f"{path}[{index}]", element)
    else:
        yield path, printable(value) if isinstance(value, str) else to_json(value)


def _print_columns(names: Sequence[str], rows: Rows, below: str) -> None:
    table = [tuple(name.upper() for name in names), *rows] if names != ("member", "value") else rows
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        print("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    if below:
        print(below)


def _print_table(names: Sequence[str], rows: Rows, below: str) -> None:
    if not has_rich():
        _print_columns(names, rows, below)
        return
    from rich.box import ROUNDED, SIMPLE
    from rich.table import Column, Table
    from rich.text import Text

    # A file has no width to fit into; on a terminal, what is too wide goes on below, and no id is cut.
    printer = console() if is_terminal(sys.stdout) else console(width=_ANY_WIDTH)
    if printer.width <= _FRAME * len(names):  # some would be empty
        _print_columns(names, rows, below)
        return
    columns = (Column(name, overflow="fold") for name in names)
    table = Table(*columns, box=ROUNDED if printer.is_terminal else SIMPLE, caption=below or None)
    for row in rows:
        table.add_row(*map(Text, row))
    printer.print(table)
