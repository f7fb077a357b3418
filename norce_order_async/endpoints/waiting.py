"""Waiting until an order is as wanted."""

from collections.abc import Callable

import attrs

from norce_order_async.client import OrderClient
from norce_order_async.core.back_off import back_off, not_before
from norce_order_async.core.checks import positive_seconds
from norce_order_async.core.errors import CallError
from norce_order_async.core.options import CallOptions, limits_of, options_of
from norce_order_async.core.random_source import RandomSource
from norce_order_async.core.shapes import check_client, check_not_awaitable, check_plain_function
from norce_order_async.core.wording import counted, printable
from norce_order_async.endpoints.orders import get_order
from norce_order_async.wire.models import Order


class WaitTimeout(CallError, TimeoutError):
    """An order was not as wanted in time. The outcome is ``unknown``: it may still become so.

    Of a registration (:func:`ensure_hook`) it is the outcome of that.

    Attributes:
        order: The order as it was read last; None if it never could be. The error's text shows nothing of it.
    """

    order: Order | None = None

    def __init__(self, message: str, known: object = None, *, order: Order | None = None) -> None:
        self.order = order
        super().__init__(message, known)


@attrs.frozen
class _Pauses:
    """How long to wait between two looks, in seconds.

    Attributes:
        timeout: The whole wait.
        pause: The first pause at most; each further one may be twice as long.
        longest_pause: The longest pause of all.
    """

    timeout: float = attrs.field(validator=positive_seconds)
    pause: float = attrs.field(validator=positive_seconds)
    longest_pause: float = attrs.field(validator=positive_seconds)

    def after(self, looks: int, left: float, asked: float | None, random: RandomSource) -> float | None:
        """The pause after so many looks; None when the time that is left is not worth another one.

        It leaves some of that time, so that a look comes shortly before the end.
        """
        pause = back_off(looks, base=self.pause, most=self.longest_pause, least=0.5, random=random)
        pause = not_before(asked, min(pause, 0.9 * left), random)
        return pause if pause < left and min(self.pause, self.timeout) < 10 * left else None


async def wait_until(
    client: OrderClient,
    order_id: str,
    predicate: Callable[[Order], object],
    *,
    timeout: float,
    pause: float = 0.5,
    longest_pause: float = 10.0,
    options: CallOptions | None = None,
) -> Order:
    """Read an order again and again until it is as wanted, and return it.

    ::

        await wait_until(client, "o_1", lambda order: order.total is not None, timeout=30)

    It is what one needs after a change that was only ``accepted``, or that something else brings about. A read that
    takes too long, or that failed as the client's retry policy takes for passing, in all the tries that it allows, only
    counts as a look. Any other failure ends the wait.

    Args:
        client: What to read with.
        order_id: Which order.
        predicate: Whether an order is as wanted: a plain function.
        timeout: Seconds that it may take in all.
        pause: Seconds of the first pause between two looks, at most; each further one may be twice as long.
        longest_pause: Seconds of the longest pause.
        options: What each read has otherwise than the client.

    Raises:
        TypeError: ``order_id`` is not a str, or ``predicate`` no plain function, or what it returns is awaitable.
        InvalidRequestError: An id that would name another resource; nothing was sent.
        ConfigurationError: One of the times is not a number above 0.
        WaitTimeout: The time is over; its ``order`` has what was read last, its cause is the last failure, if the last
            read was one.
        CallError: The order could not be read, and another try could not help.
    """
    check_plain_function("predicate", predicate)
    pauses = _Pauses(timeout, pause, longest_pause)
    limits, options = limits_of(options, check_client(client).timeout), options_of(options)
    end = client.clock.monotonic() + pauses.timeout
    last: Order | None = None
    failure: CallError | None = None
    looks, left = 0, pauses.timeout
    while left > 0:
        within = attrs.evolve(limits, total=min(limits.total, left))
        found = await _look(client, order_id, attrs.evolve(options, timeout=within))
        looks += 1
        failure = found if isinstance(found, CallError) else None
        if isinstance(found, Order):
            last = found
            if _is_wanted(found, predicate):
                return found
        left = end - client.clock.monotonic()
        delay = pauses.after(looks, left, failure.retry_after if failure else None, client.random)
        if delay is None:
            break
        await client.clock.sleep(delay)
        left = end - client.clock.monotonic()
    seen = f"the order {printable(order_id)} was not as wanted within {pauses.timeout:g} s, in {counted(looks, 'look')}"
    raise WaitTimeout(seen, order=last) from failure


def _is_wanted(order: Order, predicate: Callable[[Order], object]) -> bool:
    told = predicate(order)
    check_not_awaitable("predicate", told)
    return bool(told)


async def _look(client: OrderClient, order_id: str, options: CallOptions) -> Order | CallError:
    """The order, or a failure in passing: a read that took too long, or one that the retry policy takes for passing."""
    try:
        return await get_order(client, order_id, options=options)
    except CallError as error:
        if error.gave_up is None and not isinstance(error, TimeoutError):
            raise
        return error
