"""What a change sends, found out without sending it."""

from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

import attrs

from norce_order_async.client import OrderClient
from norce_order_async.core.options import CallOptions
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.core.settings import UNSET
from norce_order_async.wire.codec import encode
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.json import JSON, decode_json
from norce_order_async.wire.operation import Operation


class ApiChange(Protocol):
    """A change, such as :class:`DeleteConsent`; what can be looked at says its ``operation``."""

    @property
    def merchant(self) -> str | None:
        """Whose order it is; None is the client's merchant."""
        ...

    @property
    def channel(self) -> str | None:
        """The order's channel; None is the client's."""
        ...

    def apply(self, client: OrderClient, options: CallOptions | None = None) -> Coroutine[Any, Any, Receipt]:
        """Make the change."""
        ...


def operation_of(change: ApiChange) -> str | None:
    """The operationId of a change that says it is one call of that operation; None for any other."""
    operation: str | None = getattr(change, "operation", None)
    return operation


def scoped_to(client: OrderClient, change: ApiChange) -> OrderClient:
    """The client of the merchant and the channel that a change names."""
    if change.merchant is not None:
        client = client.scoped(merchant=change.merchant)
    if change.channel is not None:
        client = client.scoped(channel=change.channel)
    return client


@attrs.frozen
class Requested:
    """What a change sends.

    Attributes:
        ids: The ids in the operation's path.
        body: The JSON of its body; None without one.
    """

    ids: Mapping[str, str]
    body: JSON = attrs.field(repr=False)


def requested(change: ApiChange) -> Requested | None:
    """What a change of an operation of the API sends; None for one that is not a single call.

    Raises:
        TypeError: Something in it is of the wrong type.
        InvalidRequestError: It cannot be sent; the message says where.
    """
    recorder = object.__new__(_Recorder)
    recorder.recorded = []
    making = change.apply(recorder)
    try:
        making.send(None)  # nothing in a single call waits
    except StopIteration:
        return recorder.recorded[0] if len(recorder.recorded) == 1 else None
    finally:
        making.close()
    return None


class _Recorder(OrderClient):
    """A client that writes down what it is asked to send."""

    recorded: list[Requested]

    async def execute(self, operation: Operation[Any], /, *, body: object = UNSET, **others: Any) -> Any:
        others.pop("options", None)
        operation.target(others)
        sent = None if body is UNSET else body if isinstance(body, bytes) else encode(body)
        self.recorded.append(Requested(others, None if sent is None else decode_json(sent)))
        return Receipt(operation.name, 0, "", 0, 0.0, OutcomeKind.NOT_SENT)
