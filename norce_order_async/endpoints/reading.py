"""Reads that a change needs: their errors tell the outcome of the change."""

from collections.abc import Generator
from contextlib import contextmanager

from norce_order_async.core.errors import CallError, ClientClosedError, ClientStateError, NorceOrderError
from norce_order_async.core.options import CallOptions, options_of
from norce_order_async.core.outcome import OutcomeKind, outcome_of


def outcome_before(options: CallOptions | None) -> OutcomeKind:
    """What a change with these options amounts to before anything of it is sent.

    Raises:
        TypeError: They are no :class:`CallOptions`.
    """
    return outcome_of((), redelivered=options_of(options).redelivered)


@contextmanager
def reading_for(outcome: OutcomeKind) -> Generator[None]:
    """Have the errors of what is read say the outcome that the change has so far.

    A :class:`ClientStateError` says that nothing was sent. Where that is not so, it becomes a
    :class:`ClientClosedError`.
    """
    try:
        yield
    except NorceOrderError as error:
        if isinstance(error, ClientStateError) and not isinstance(error, CallError):
            if outcome is OutcomeKind.NOT_SENT:
                raise
            closed = ClientClosedError(str(error))
            closed.outcome = outcome
            raise closed from None
        error.outcome = outcome
        raise
