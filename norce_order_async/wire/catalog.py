"""Every operation of the API as what a client can run, made from its row in the table."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from norce_order_async.core.call import Repeat
from norce_order_async.wire.operation import Operation
from norce_order_async.wire.problems import NoProblems, refused_validation
from norce_order_async.wire.refusals import status_error
from norce_order_async.wire.results import decoder_of
from norce_order_async.wire.table import ROWS, Row


def _operation(row: Row) -> Operation[Any]:
    decode = decoder_of(row)
    refused = refused_validation if isinstance(decode, NoProblems) else status_error
    return Operation(
        row.name, row.method, row.path, Repeat(row.repeat), decode,
        changes=row.changes, refused=refused, evidence=row.evidence,
    )  # fmt: skip


OPERATIONS: Final[Mapping[str, Operation[Any]]] = MappingProxyType(
    {name: _operation(row) for name, row in ROWS.items()}
)
"""The API's 34 operations by their operationId, each with how sure it is (``evidence``)."""
