"""The API's operations as values, and what is needed to describe one of your own for ``OrderClient.execute``.

Nothing here is loaded before it is used.
"""

from typing import TYPE_CHECKING

from norce_order_async.core.lazy_names import LazyNames

if TYPE_CHECKING:
    from norce_order_async.core.call import Repeat as Repeat
    from norce_order_async.wire.catalog import OPERATIONS as OPERATIONS
    from norce_order_async.wire.decoders import decode_receipt as decode_receipt, json_decoder as json_decoder
    from norce_order_async.wire.operation import Operation as Operation, QueryValue as QueryValue
    from norce_order_async.wire.table import OperationEvidence as OperationEvidence

_NAMES = LazyNames(
    __name__,
    {
        "core.call": "Repeat",
        "wire.catalog": "OPERATIONS",
        "wire.decoders": "decode_receipt json_decoder",
        "wire.operation": "Operation QueryValue",
        "wire.table": "OperationEvidence",
    },
)

if not TYPE_CHECKING:  # else every name would be taken for one of the module, and `import *` would bring none
    __all__ = _NAMES.names
    __getattr__, __dir__ = _NAMES.load, _NAMES.listed
