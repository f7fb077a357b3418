# PYTHON_ARGCOMPLETE_OK
"""The ``norce-order`` command: arguments in, text and an exit code out."""

import io
import os
import sys
from collections.abc import Sequence

from norce_order_async.cli.output import described, is_reader_gone, silence, tell


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    0 all done, 1 some failed, 2 wrong usage, 3 could not start, 130 interrupted, by Ctrl-C or SIGTERM.
    """
    try:
        return _main(sys.argv[1:] if arguments is None else arguments)
    finally:
        if arguments is None and "signal" in sys.modules:  # without it nothing ran that takes time, say --help
            from norce_order_async.cli.signals import end_at_interrupts

            end_at_interrupts()


def _main(arguments: Sequence[str]) -> int:
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names and texts may hold what the terminal cannot show
    try:
        try:
            return _run(arguments)
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except KeyboardInterrupt as error:
        tell(f"norce-order: {str(error) or 'interrupted'}")
        return 130
    except OSError as error:
        silence(sys.stdout)
        if not is_reader_gone(error):
            tell(f"norce-order: {described(error)}")
        return 1


def _run(words: Sequence[str]) -> int:
    from norce_order_async.cli.parser import prints_plan

    if "_ARGCOMPLETE" in os.environ:
        from norce_order_async.cli.completion import complete

        complete()
    code: object = 1
    try:
        code = exit_code = _run_command(words)
    except SystemExit as ended:
        code = ended.code
        raise
    finally:
        if code and prints_plan(words):
            from norce_order_async.cli.plan_lines import print_not_whole

            print_not_whole()
    return exit_code


def _run_command(words: Sequence[str]) -> int:
    from norce_order_async.cli.parser import parse

    options = parse(words)
    # Only now, so that help is quick.
    from norce_order_async.cli.dispatch import run
    from norce_order_async.cli.signals import sigterm_as_sigint
    from norce_order_async.core.errors import NorceOrderError

    try:
        with sigterm_as_sigint():
            return run(options)
    except NorceOrderError as error:
        from norce_order_async.cli.errors import exit_code, explain

        tell(f"norce-order: {explain(error)}")
        return exit_code(error)
