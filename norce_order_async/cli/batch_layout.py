"""What the options of a batch say of its files and changes."""

import argparse
from collections.abc import Sequence

from norce_order_async.batch.files import InputLayout
from norce_order_async.batch.files.cells import value_of
from norce_order_async.batch.files.csv_table import DELIMITERS
from norce_order_async.batch.inputs import Input
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.wire.json import JSON


def input_of(options: argparse.Namespace) -> Input:
    """What the options say is read.

    Raises:
        ConfigurationError: The options do not fit the changes.
        InvalidRequestError: A name is given twice, or a value cannot be meant.
    """
    layout = InputLayout(
        columns=once("--column", options.column),
        ignore=options.ignore_columns,
        fill=fill_of(options),
        delimiter=options.delimiter,
    )
    return Input(*options.files, format=options.format, layout=layout)


def fill_of(options: argparse.Namespace) -> dict[str, JSON]:
    """What ``--set`` says is the same for every line.

    Raises:
        InvalidRequestError: A name is given twice, or a value cannot be meant.
    """
    return {name: value_of(name, value) for name, value in once("--set", options.set).items()}


def once(flag: str, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """What an option that may be repeated says of each name.

    Raises:
        InvalidRequestError: A name is given twice.
    """
    named: dict[str, str] = {}
    for name, value in pairs:
        if name in named:
            raise InvalidRequestError(f"{flag} names something twice: {name}")
        named[name] = value
    return named


def shown_delimiters(source: Input) -> str | None:
    """What separates the columns of CSV, where that is not commas."""
    names = {DELIMITERS.get(delimiter, repr(delimiter)) for delimiter in source.delimiters}
    return f"Columns separated by {', '.join(sorted(names))}" if names - {DELIMITERS[","]} else None
