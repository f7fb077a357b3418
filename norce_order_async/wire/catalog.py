"""Every operation of the API as what a client can run, made from its row in the table when it is first asked for."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from norce_order_async.core.call import Repeat
from norce_order_async.wire.operation import Operation
from norce_order_async.wire.problems import NoProblems, refused_validation
from norce_order_async.wire.refusals import status_error
from norce_order_async.wire.results import decoder_of
from norce_order_async.wire.table import ROWS


class _Catalog(Mapping[str, Operation[Any]]):
    def __init__(self) -> None:
        self._made: dict[str, Operation[Any]] = {}

    def __getitem__(self, name: str) -> Operation[Any]:
        if name not in self._made:
            row = ROWS[name]
            decode = decoder_of(row)
            self._made[name] = Operation(
                row.name,
                row.method,
                row.path,
                Repeat(row.repeat),
                decode,
                changes=row.changes,
                refused=refused_validation if isinstance(decode, NoProblems) else status_error,
                evidence=row.evidence,
            )
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(ROWS)

    def __len__(self) -> int:
        return len(ROWS)


OPERATIONS: Final[Mapping[str, Operation[Any]]] = _Catalog()
"""The API's 34 operations by their operationId, each with how sure it is (``evidence``)."""
