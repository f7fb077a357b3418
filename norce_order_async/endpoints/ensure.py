"""Registering what is not registered yet: hooks, validations and notifications.

A second registration is called twice, so none is made before the order was looked at.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary

import attrs

from norce_order_async.client import OrderClient
from norce_order_async.core.errors import CallError, ConflictError, InvalidRequestError, NorceOrderError
from norce_order_async.core.options import CallOptions, limits_of
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.core.shapes import check_client
from norce_order_async.endpoints.findings import COLLECTIONS
from norce_order_async.endpoints.functions import function_of
from norce_order_async.endpoints.orders import get_order
from norce_order_async.endpoints.reading import outcome_before, reading_for
from norce_order_async.endpoints.requested import requested
from norce_order_async.endpoints.resolution import Verdict
from norce_order_async.endpoints.resolve import resolve, settle_of
from norce_order_async.endpoints.waiting import WaitTimeout, wait_until
from norce_order_async.loops.per_loop import PerLoop
from norce_order_async.wire.decoders import Receipt
from norce_order_async.wire.json_text import to_dict
from norce_order_async.wire.models import Callback, Hook, Notification, Order
from norce_order_async.wire.table import ROWS

R = TypeVar("R", Hook, Callback, Notification)
_MOST_TRIES = 2

_OPERATIONS: Mapping[type, str] = {
    Hook: "CreateCheckoutOrderHook",
    Callback: "CreateCheckoutOrderValidation",
    Notification: "CreateCheckoutOrderNotification",
}
"""The operation that registers each kind."""

_locks: PerLoop[WeakValueDictionary[tuple[str, ...], asyncio.Lock]] = PerLoop(
    WeakValueDictionary[tuple[str, ...], asyncio.Lock]
)
"""One for each order and kind, so that two calls do not both find nothing."""


async def ensure_hook(client: OrderClient, order_id: str, hook: Hook, *, options: CallOptions | None = None) -> Hook:
    """Register a hook unless the order has it: one of the same adapter, ``subscribe_to``, ``target`` and ``invoke``.

    Calls of one event loop take turns. Two processes may both find nothing and both register. If the answer to the
    registration is lost, :func:`resolve` finds out what became of it, and where it came to nothing it is made again.
    After a success the order is read until it shows the hook, for as long as an attempt may take. ``options`` are those
    of each call that this takes, so its ``timeout`` is not for all of them.

    Returns:
        The hook as the order has it, with its id. What else it says is not changed.

    Raises:
        TypeError: ``order_id`` is not a str, or ``hook`` not a :class:`Hook`.
        InvalidRequestError: A value that cannot be sent, or the hook has nothing to know it by.
        WaitTimeout: The API said yes, and the order does not show the hook in that time. The outcome is that of the
            registration, ``applied`` or ``accepted``; another call of this may register it twice.
        CallError: A call did not succeed. The outcome is that of the registration: ``not_sent`` when the first read
            failed. With ``unknown`` a registration was sent and may be there.
    """
    return await _ensure(client, order_id, hook, Hook, options)


async def ensure_validation(
    client: OrderClient, order_id: str, callback: Callback, *, options: CallOptions | None = None
) -> Callback:
    """Register a validation unless the order has one of the same adapter and ``url``; see :func:`ensure_hook`.

    Raises:
        TypeError: ``order_id`` is not a str, or ``callback`` not a :class:`Callback`.
        InvalidRequestError: A value that cannot be sent, or the validation has nothing to know it by.
        WaitTimeout: The order does not show what was registered.
        CallError: A call did not succeed.
    """
    return await _ensure(client, order_id, callback, Callback, options)


async def ensure_notification(
    client: OrderClient, order_id: str, notification: Notification, *, options: CallOptions | None = None
) -> Notification:
    """Register a notification unless the order has it; see :func:`ensure_hook`.

    It is known by its ``id`` if it has one, or else by its adapter, ``reference``, ``scope`` and ``invoke``.

    Raises:
        TypeError: ``order_id`` is not a str, or ``notification`` not a :class:`Notification`.
        InvalidRequestError: A value that cannot be sent, or the notification has nothing to know it by.
        WaitTimeout: The order does not show what was registered.
        CallError: A call did not succeed.
    """
    return await _ensure(client, order_id, notification, Notification, options)


@attrs.frozen
class _Registering:
    """A registration as a change, for :func:`resolve`."""

    operation: str
    order_id: str
    wanted: Any
    merchant: str | None = None
    channel: str | None = None

    def apply(self, client: OrderClient, options: CallOptions | None = None) -> Coroutine[Any, Any, Receipt]:
        create = function_of(ROWS[self.operation].function)
        making: Coroutine[Any, Any, Receipt] = create(client, self.order_id, self.wanted, options=options)
        return making


async def _ensure(client: OrderClient, order_id: str, wanted: R, kind: type[R], options: CallOptions | None) -> R:
    operation = _OPERATIONS[kind]
    change, collection = _Registering(operation, order_id, wanted), COLLECTIONS[operation]
    sent = requested(change)
    assert sent is not None
    body = cast("Mapping[str, Any]", sent.body)
    if not collection.is_marked(body):
        raise InvalidRequestError(f"the {collection.noun} has none of {', '.join(collection.marks)} to know it by")

    def twin(order: Order) -> R | None:
        parts: Iterable[R] = getattr(order, collection.name)
        return next((part for part in parts if collection.is_twin(body, to_dict(part))), None)

    async def find(outcome: OutcomeKind) -> R | None:
        with reading_for(outcome):
            return twin(await get_order(client, order_id, options=options))

    key = (check_client(client).base_url, client.merchant, client.channel, order_id, operation)
    async with _locks.here().setdefault(key, asyncio.Lock()):
        failure = CallError()
        failure.outcome = outcome_before(options)
        for _ in range(_MOST_TRIES):
            if (found := await find(failure.outcome)) is not None:
                return found
            registered = await _register(client, change, options, failure.outcome)
            if isinstance(registered, Receipt):
                return await _wait_for(client, order_id, twin, collection.noun, options, registered)
            failure = registered
            if failure.outcome is not OutcomeKind.UNKNOWN:
                break
            with reading_for(failure.outcome):
                resolution = await resolve(client, change, failure, options=options)
            if resolution.verdict is not Verdict.NOT_APPLIED:
                break
        if (found := await find(failure.outcome)) is not None:
            return found
        raise failure


async def _register(
    client: OrderClient, change: _Registering, options: CallOptions | None, before: OutcomeKind
) -> Receipt | CallError:
    """Register once; an error after which it may be registered is returned."""
    try:
        return await change.apply(client, options)
    except ConflictError as error:  # somebody was faster, or the id is that of another
        return error
    except NorceOrderError as error:
        if isinstance(error, CallError) and error.outcome is OutcomeKind.UNKNOWN:
            return error
        if error.outcome is OutcomeKind.NOT_SENT:
            with reading_for(before):  # an earlier one was sent
                raise
        raise


async def _wait_for(
    client: OrderClient,
    order_id: str,
    twin: Callable[[Order], R | None],
    noun: str,
    options: CallOptions | None,
    receipt: Receipt,
) -> R:
    """What was registered, as soon as the order shows it."""
    seconds = settle_of(limits_of(options, client.timeout))
    try:
        with reading_for(receipt.outcome):
            order = await wait_until(client, order_id, twin, timeout=seconds, options=options)
    except WaitTimeout as late:
        told = f"the order does not show the {noun} within {seconds:g} s"
        error = WaitTimeout(f"{told}, but the API answered: {receipt.outcome.meaning}", order=late.order)
        error.outcome = receipt.outcome
        raise error from late.__cause__
    return cast("R", twin(order))
