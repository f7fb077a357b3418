"""The body of a call as it is typed: JSON as text, from a file or from standard input; KEY=TEXT and KEY:=JSON."""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from norce_order_async.cli.commands import Command
from norce_order_async.cli.output import tell
from norce_order_async.core.errors import InvalidRequestError
from norce_order_async.core.wording import printable, reason_of
from norce_order_async.wire.json import JSON
from norce_order_async.wire.json_text import from_dict
from norce_order_async.wire.models import Model
from norce_order_async.wire.models.base import misfits_in, unknown_in
from norce_order_async.wire.results import type_of
from norce_order_async.wire.strict import decode_unique, unique
from norce_order_async.wire.table import ROWS


def body_from(command: Command, options: argparse.Namespace) -> Any:
    """What the command's function takes as its body.

    Raises:
        InvalidRequestError: It cannot be read, or doesn't fit; the message names the member.
    """
    match command.body:
        case "json":
            return _model(options.json, ROWS[command.operation].body or "")
        case "pairs":
            return _object(options, "attribute", "KEY=TEXT and KEY:=JSON")
        case "flags":
            return _flags(options)
        case "checked":
            return options.checked
        case _:
            return _utf8(options.text)


def _model(source: str, schema: str) -> Any:
    """A model, or a list of them, in which every member fits."""
    value = _json(_text(source), "--json")
    try:
        read: Model | list[Model] = from_dict(value, type_of(schema))
    except InvalidRequestError as error:
        raise InvalidRequestError(f"--json: {error}") from None
    for index, model in enumerate(read if isinstance(read, list) else [read]):
        place = f"[{index}]" if isinstance(read, list) else ""
        for problem in misfits_in(model, place):
            raise InvalidRequestError(f"--json: {problem}")
        for member in unknown_in(model, place):
            tell(f"norce-order: {printable(member)} is not known here; it is sent as it is")
    return read


def _flags(options: argparse.Namespace) -> Mapping[str, bool]:
    flags = _object(options, "consent", "CONSENT:=true and CONSENT:=false")
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise InvalidRequestError(f"the consent {name[:64]!r} must be true or false, as in {name[:64]}:=true")
    return cast("Mapping[str, bool]", flags)


def _object(options: argparse.Namespace, noun: str, pairs: str) -> Mapping[str, JSON]:
    if (options.json is None) == (not options.pairs):
        raise InvalidRequestError(f"give the {noun}s either as {pairs}, or with --json")
    if options.json is None:
        return unique(list(map(_pair, options.pairs)), noun)
    members = _json(_text(options.json), "--json")
    if not isinstance(members, dict):
        raise InvalidRequestError("--json must be a JSON object")
    return members


def _pair(text: str) -> tuple[str, JSON]:
    key, equals, value = _utf8(text).partition("=")
    if not equals or key in ("", ":"):
        raise InvalidRequestError(f"{text!r} is neither KEY=TEXT nor KEY:=JSON")
    if key.endswith(":"):
        return key[:-1], _json(value.encode("utf-8", "surrogateescape"), key[:-1])
    return key, value


def _utf8(text: str) -> str:
    """A word of the command line whose bytes are UTF-8, also where the system's encoding cannot show all of it."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _text(source: str) -> bytes:
    """What ``--json`` stands for."""
    if source == "-":
        if sys.stdin is None or not (text := sys.stdin.buffer.read()):
            raise InvalidRequestError("--json -: there is nothing on standard input")
        return text
    if not source.startswith("@"):
        return source.encode("utf-8", "surrogateescape")
    try:
        return Path(source[1:]).read_bytes()
    except (OSError, ValueError) as error:
        raise InvalidRequestError(f"{source[1:]} cannot be read: {reason_of(error)}") from None


def _json(text: bytes, name: str) -> JSON:
    try:
        return decode_unique(text)
    except ValueError as error:
        raise InvalidRequestError(f"{name}: {error}") from None
