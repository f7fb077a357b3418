"""The ``norce-order`` command: arguments in, text and an exit code out."""

import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0 all done, 1 some failed, 2 wrong usage, 3 could not start, 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names and texts may hold what the terminal cannot show
    try:
        return _run(arguments)
    except KeyboardInterrupt:
        print("norce-order: interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        # The reader of our output is gone, or its disk is full; nothing may be written at exit either.
        with suppress(OSError, AttributeError):
            print(f"norce-order: the output cannot be written: {error.strerror or error}", file=sys.stderr)
        with suppress(OSError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _run(arguments: Sequence[str] | None) -> int:
    from norce_order_async.cli.parser import build_parser

    options = build_parser().parse_args(arguments)
    from norce_order_async.errors import NorceOrderError

    module, _, function = options.run.partition(":")
    try:
        code: int = getattr(import_module(module), function)(options)
    except NorceOrderError as error:
        from norce_order_async.cli.errors import exit_code, explain

        print(f"norce-order: {explain(error)}", file=sys.stderr)
        return exit_code(error)
    if sys.stdout is not None:
        sys.stdout.flush()
    return code
