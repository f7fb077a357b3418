"""Completion in the shell, where argcomplete is installed; only a shell that asks for words pays for it."""

import os
from contextlib import suppress

from norce_order_async.cli.parser import build_parser
from norce_order_async.cli.parsing import Parser


def complete() -> None:
    """Tell the shell what may come next, and end the program."""
    line = os.environ.get("COMP_LINE", "")[: int(os.environ.get("COMP_POINT", "0"))]
    with suppress(ImportError):
        from argcomplete import autocomplete

        Parser.is_whole = True
        autocomplete(build_parser(line.split()[1:]), always_complete_options=False)
