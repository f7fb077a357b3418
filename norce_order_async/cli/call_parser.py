"""What can be typed after the commands that make one call."""

import argparse
from collections.abc import Callable
from typing import Any

from norce_order_async.cli.arguments import date_time, whole
from norce_order_async.cli.choices import DIRECTIONS, ORDER_BY, OUTPUTS, STATUS, STATUSES
from norce_order_async.cli.commands import COMMANDS, Command
from norce_order_async.cli.parsing import add_command
from norce_order_async.wire.table import ROWS, Row

_REPEATS = {
    "safe": "It is tried again where that can help",
    "if_unsent": "It is tried again only while nothing was sent, or after a 429",
    "never": "It is never tried again",
}
_EVIDENCE = {
    "documented": "documented",
    "v1_types": "published for v1 of the service, and carried over",
    "inferred": "follows from what is published",
}
_FILTERS: dict[str, dict[str, Any]] = {
    "offset": {"type": whole, "metavar": "N", "help": "leave out so many orders at the start"},
    "limit": {"type": whole, "metavar": "N", "help": "how many orders a page has at most"},
    "search": {"metavar": "TEXT", "help": "text to look for"},
    "payment_id": {"metavar": "ID", "help": "the id of one of the order's payments"},
    "reference": {"help": "the order's id elsewhere"},
    "cart_reference": {"metavar": "REFERENCE", "help": "the cart's id elsewhere"},
    "status": {"action": "append", **STATUS, "help": "one of the order's states; may be repeated"},
    "date_from": {"type": date_time, "metavar": "TIME", "help": "from when on, such as 2026-01-31T12:00:00Z"},
    "date_to": {"type": date_time, "metavar": "TIME", "help": "until when"},
    "order_by": {"choices": ORDER_BY, "help": "what to sort by"},
    "order_by_direction": {"choices": DIRECTIONS, "help": "which way to sort"},
}
"""How each filter is given; what is not here is a text that may be repeated."""


def add_calls(group: Any, name: str, typed: str) -> None:
    """Add the commands of a group; only the one that is typed gets what it takes."""
    for command in COMMANDS:
        first, _, verb = command.name.partition(" ")
        if first == name and verb == typed:
            _add_call(group, verb, command)
        elif first == name:
            group.add_parser(verb, help=command.summary)


def _add_call(group: Any, verb: str, command: Command) -> None:
    row = ROWS[command.operation]
    parser = add_command(
        group,
        verb,
        command.summary,
        settings=True,
        outputs=OUTPUTS,
        examples=f"  norce-order {command.name} {command.example}\n",
        details=_about(row),
    )
    words = [name.removesuffix("_id").upper() for name in row.ids]
    for name in row.ids:
        noun = name.removesuffix("_id")
        parser.add_argument(name, metavar=noun.upper(), help=f"the {noun}'s id")
    if command.body is not None:
        word, add_body = _BODIES[command.body]
        words.append(word)
        add_body(parser, row)
    parser.usage = " ".join([parser.prog, *words, "[OPTIONS]"])
    for name in row.query:
        flag = f"--{name.replace('_', '-')}"
        repeated = {"action": "append", "metavar": "TEXT", "help": f"one of the {name.replace('_', ' ')}"}
        parser.add_argument(flag, dest=name, **_FILTERS.get(name, repeated))
    if row.query:
        parser.add_argument(
            "--all", action="store_true", help="all pages, as they come; so does --output jsonl without --limit"
        )


def _about(row: Row) -> str:
    return f"""\
about it:
  {row.name}, {row.method} {row.path}
  Evidence: {_EVIDENCE[row.evidence]}.
  {_REPEATS[row.repeat]}:
  {row.twice}.
"""


def _json(parser: argparse.ArgumentParser, row: Row) -> None:
    many = (row.body or "").startswith("list[")
    schema = (row.body or "").removeprefix("list[").removesuffix("]")
    kind = f"a list of {schema}" if many else f"the {schema}"
    parser.add_argument(
        "--json",
        metavar="JSON",
        required=True,
        help=f"{kind}, with members as the API has them; @FILE reads it from a file, - from standard input",
    )


def _pairs(parser: argparse.ArgumentParser, row: Row) -> None:
    _members(parser, "KEY=TEXT", "an attribute: KEY=TEXT for text, KEY:=JSON for any other value", "all attributes")


def _flags(parser: argparse.ArgumentParser, row: Row) -> None:
    _members(parser, "CONSENT:=BOOLEAN", "a consent's id, and true or false", "all of them")


def _members(parser: argparse.ArgumentParser, pair: str, purpose: str, whole: str) -> None:
    parser.add_argument("pairs", metavar=pair, nargs="*", help=purpose)
    parser.add_argument(
        "--json",
        metavar="OBJECT",
        help=f"{whole} as one JSON object; @FILE reads it from a file, - from standard input",
    )


def _checked(parser: argparse.ArgumentParser, row: Row) -> None:
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--checked", action="store_true", dest="checked", help="the consent is given")
    given.add_argument("--unchecked", action="store_false", dest="checked", help="the consent is withdrawn")


def _text(parser: argparse.ArgumentParser, row: Row) -> None:
    parser.add_argument("text", metavar="REFERENCE", help="the order's id elsewhere")


def _status(parser: argparse.ArgumentParser, row: Row) -> None:
    parser.add_argument("text", metavar="STATUS", **STATUS, help=f"one of {', '.join(STATUSES)}")


_BODIES: dict[str, tuple[str, Callable[[argparse.ArgumentParser, Row], None]]] = {
    "json": ("--json JSON", _json),
    "pairs": ("KEY=TEXT ...", _pairs),
    "flags": ("CONSENT:=BOOLEAN ...", _flags),
    "checked": ("(--checked | --unchecked)", _checked),
    "text": ("REFERENCE", _text),
    "status": ("STATUS", _status),
}
"""How each kind of body is shown in the usage, and what adds it."""
