"""The lines of a plan, and how they are written so that one that is not whole does not look so."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO, Final

import attrs

from norce_order_async.batch.lines import parse_change
from norce_order_async.batch.plan import Plan
from norce_order_async.cli.output import silence
from norce_order_async.wire.codec import encode_shown
from norce_order_async.wire.json import JSON

NOT_WHOLE: Final = b'{"_plan": "not whole'
"""What stands in place of a plan that failed, or ends one: a line that is cut off, which ``batch run`` refuses."""
_ATOMIC: Final = 512
"""POSIX: so many bytes are written to a pipe whole or not at all."""


def print_not_whole() -> None:
    """Say on standard output that the plan is not whole, unless a person looks at it."""
    if sys.stdout is None or sys.stdout.isatty():
        return
    try:
        sys.stdout.buffer.write(NOT_WHOLE)
        sys.stdout.flush()
    except OSError:
        silence(sys.stdout)  # nobody reads it


@attrs.frozen
class PlanLines:
    """The lines of a plan.

    Attributes:
        fill: What is the same for each.
        merchant: Whose orders they change.
        channel: Of which channel.
        notes: What stands at the end of each line that is written, and is no part of the change.
    """

    fill: dict[str, JSON]
    merchant: str
    channel: str
    notes: Mapping[str, JSON]

    def record(self, order_id: str) -> dict[str, JSON]:
        """The change of an order."""
        named: dict[str, JSON] = {"op": self.fill["op"], "order_id": order_id}
        return named | self.fill | {"merchant": self.merchant, "channel": self.channel}

    def check(self, order_id: str) -> None:
        """See that it is a change.

        Raises:
            InvalidRequestError: It is none.
        """
        parse_change(self.record(order_id))

    def write(self, plan: Plan, stream: BinaryIO) -> None:
        """Write them all, in the order of the list."""
        for block in blocks(self._encoded(plan)):
            stream.write(block)
            stream.flush()

    def _encoded(self, plan: Plan) -> Iterator[bytes]:
        for order_id in plan.orders():
            yield encode_shown({**self.record(order_id), **self.notes}) + b"\n"


def blocks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines in blocks, of which all but the last end inside a line and before the end of its object.

    So whatever ends the writing, what reads a pipe finds a line that is cut off.
    """
    block = b""
    for line in lines:
        block += line
        while len(block) > _ATOMIC:
            cut = block[:_ATOMIC].rstrip(b"}\n") or block[:_ATOMIC]
            yield cut
            block = block[len(cut) :]
    if block:
        yield block
