"""Every operation of the API as what a client can run, made from its row in the table when it is first asked for.

What reads their responses is heavy (the models, cattrs), so it is loaded with the first response.
"""

from collections.abc import Iterator, Mapping, Set
from functools import cached_property
from typing import Any, Final

from norce_order_async.core.call import Repeat
from norce_order_async.core.errors import CallError
from norce_order_async.core.http import Response
from norce_order_async.wire.decoders import decode_receipt
from norce_order_async.wire.operation import Operation, expected_members
from norce_order_async.wire.refusals import status_error
from norce_order_async.wire.table import ROWS, Row


class _Decoder:
    """The decoder of a row, made when it is first needed."""

    def __init__(self, row: Row) -> None:
        self._row = row

    @cached_property
    def _decode(self) -> Any:
        from norce_order_async.wire.results import decoder_of

        return decoder_of(self._row)

    @cached_property
    def members(self) -> Set[str] | None:
        return expected_members(self._decode)

    def __call__(self, response: Response) -> Any:
        return self._decode(response)


def _refused_validation(response: Response) -> CallError:
    from norce_order_async.wire.problems import refused_validation

    return refused_validation(response)


class _Catalog(Mapping[str, Operation[Any]]):
    def __init__(self) -> None:
        self._made: dict[str, Operation[Any]] = {}

    def __getitem__(self, name: str) -> Operation[Any]:
        if name not in self._made:
            row = ROWS[name]
            self._made[name] = Operation(
                row.name,
                row.method,
                row.path,
                Repeat(row.repeat),
                decode_receipt if row.result is None else _Decoder(row),
                changes=row.changes,
                refused=_refused_validation if row.name == "Validate" else status_error,
                evidence=row.evidence,
            )
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(ROWS)

    def __len__(self) -> int:
        return len(ROWS)


OPERATIONS: Final[Mapping[str, Operation[Any]]] = _Catalog()
"""The API's 34 operations by their operationId, each with how sure it is (``evidence``)."""
