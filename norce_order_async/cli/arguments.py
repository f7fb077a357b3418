"""What single arguments may be; each raises what argparse shows."""

import argparse
from math import isfinite, nan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from norce_order_async.core.outcome import OutcomeKind


def count(text: str) -> int:
    """A whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def whole(text: str) -> int:
    """A whole number of at least 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 0, not {text!r}")
    return int(text)


def date_time(text: str) -> "datetime":
    """A date-time with a time zone."""
    from datetime import datetime

    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a date-time such as 2026-01-31T12:00:00Z, not {text!r}") from None
    if time.utcoffset() is None:
        shown = time.isoformat()
        raise argparse.ArgumentTypeError(f"needs a time zone, as in {shown}Z or {shown}+01:00, not {text!r}")
    return time


def pair(text: str) -> tuple[str, str]:
    """A name and a value, with ``=`` between them."""
    name, equals, value = text.partition("=")
    if not (name.strip() and equals and value):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, not {text!r}")
    return name.strip(), value


def consent_condition(text: str) -> tuple[str, str]:
    """A consent's id, and what is wanted of it."""
    name, _, value = (part.strip() for part in text.partition("="))
    if not name or value not in ("true", "false", "absent"):
        raise argparse.ArgumentTypeError(f"must be CONSENT=true, CONSENT=false or CONSENT=absent, not {text!r}")
    return name, value


def delimiter(text: str) -> str:
    """One character, or ``tab``."""
    character = "\t" if text in ("tab", "\\t") else text
    if len(character) != 1 or character in "\"\r\n'" or character.isalnum() or not character.isascii():
        raise argparse.ArgumentTypeError(f"must be one character such as ; or the word tab, not {text!r}")
    return character


def concurrency(text: str) -> int | str:
    """A whole number of at least 1, or ``auto``."""
    return text if text == "auto" else count(text)


def number(text: str) -> float:
    """A finite number above 0."""
    if not (isfinite(value := _float_of(text)) and value > 0):
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text!r}")
    return value


def outcomes(text: str) -> "frozenset[OutcomeKind]":
    """Outcomes with commas between them; ``failed`` stands for three of them."""
    from norce_order_async.core.outcome import OutcomeKind

    failed = {kind for kind in OutcomeKind if kind.failed}
    kinds: set[OutcomeKind] = set()
    for name in text.split(","):
        if name.strip() == "failed":
            kinds |= failed
        elif name.strip() in set(OutcomeKind):
            kinds.add(OutcomeKind(name.strip()))
        else:
            known = ", ".join([*OutcomeKind, "failed"])
            raise argparse.ArgumentTypeError(f"{name!r} is none of {known}")
    return frozenset(kinds)


def file_name(text: str) -> str:
    """A file's name."""
    if not text.strip() or "\0" in text:
        raise argparse.ArgumentTypeError("is empty or not a file name")
    return text


def address(text: str) -> str:
    """Where a cluster is."""
    if not text.strip():
        raise argparse.ArgumentTypeError("is empty")
    return text


def output_name(text: str) -> str:
    """The name of a file to write."""
    if text == "-":
        raise argparse.ArgumentTypeError("cannot be standard output: name a file")
    return file_name(text)


def seconds(text: str) -> float:
    """A number of seconds above 0; infinity is one."""
    return _seconds(text, endless=True)


def seconds_or_0(text: str) -> float:
    """A number of seconds, 0 among them."""
    return _seconds(text, zero=True)


def _seconds(text: str, *, zero: bool = False, endless: bool = False) -> float:
    from norce_order_async.core.checks import wanted_seconds

    value = _float_of(text)
    if (wanted := wanted_seconds(value, zero=zero, endless=endless)) is not None:
        raise argparse.ArgumentTypeError(f"must be {wanted}, not {text!r}")
    return value


def _float_of(text: str) -> float:
    """The number that a text is; NaN if it is none."""
    try:
        return float(text)
    except ValueError:
        return nan


def fault_text(text: str) -> str:
    """A fault of the sandbox, in its written form."""
    from random import Random

    from norce_order_async.core.errors import ConfigurationError
    from norce_order_async.testing.sandbox.mishaps import Faults
    from norce_order_async.wire.table import ROWS

    try:
        Faults(ROWS, Random()).add(text)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text
