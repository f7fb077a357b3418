"""The ``norce-order`` command: arguments in, text and an exit code out."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from norce_order_async.cli.parser import build_parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0 all done, 1 some failed, 2 wrong usage, 3 could not start, 130 interrupted.
    """
    options = build_parser().parse_args(arguments)
    module, _, function = options.run.partition(":")
    from norce_order_async.errors import NorceOrderError

    try:
        code: int = getattr(import_module(module), function)(options)
        sys.stdout.flush()
    except NorceOrderError as error:
        from norce_order_async.cli.errors import exit_code, explain

        print(f"norce-order: {explain(error)}", file=sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        print("norce-order: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our output is gone; nothing may be written at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code
