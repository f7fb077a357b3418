"""What an error means to the person at the terminal, and what to do about it."""

from norce_order_async.cli.diagnosis import CHECK_PROXY
from norce_order_async.core.call import Repeat
from norce_order_async.core.errors import (
    AuthenticationError,
    BadRequestError,
    CallError,
    ConfigurationError,
    ConnectError,
    ConnectTimeout,
    DeadlineExceeded,
    NorceOrderError,
    NotFoundError,
    NotTheApiError,
    PermissionDeniedError,
    ProxyError,
    RateLimitedError,
    ServerError,
    TLSError,
    TransportError,
)
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.core.wording import counted, printable
from norce_order_async.wire.refusals import is_foreign
from norce_order_async.wire.table import ROWS

CANNOT_START = (AuthenticationError, PermissionDeniedError, ConnectError, ConnectTimeout, TLSError, ProxyError)
"""Errors that every further call would end in, too."""

_ADVICE: tuple[tuple[type[NorceOrderError], str, str], ...] = (
    (AuthenticationError, "The token was refused: check NORCE_TOKEN, and that it belongs to this environment", ""),
    (PermissionDeniedError, "The token may not do this: check the merchant and channel, or ask Norce", ""),
    (NotFoundError, "Check the id, and --merchant and --channel: an order is only visible to its own", ""),
    (BadRequestError, "The API does not accept the request as it is", ""),
    (RateLimitedError, "Too many requests", "try again later"),
    (ServerError, "The service failed", "try again later"),
    (ConnectError, "The server was not reached: check --base-url (or --environment and --slug) and the network", ""),
    (ConnectTimeout, "The server was not reached in time: check the address and the network", ""),
    (TLSError, "No TLS with the server: check the address and its port, or the machine's certificates", ""),
    (ProxyError, f"The proxy refused, or was not reached: {CHECK_PROXY}", ""),
    (
        NotTheApiError,
        "Something else answered than the API: check --base-url (or --environment and --slug), and what is on the way",
        "",
    ),
    (DeadlineExceeded, "It took too long", "try again, or give it more with --timeout"),
    (TransportError, "The connection failed on the way", "try again"),
)
"""What to do about each class: what holds always, and how to repeat the call where that does no harm."""
_MAYBE = "It may or may not have been applied"
_LOOKS = {
    "CreateCheckoutOrder": "look for its cart's reference (order list --cart-reference)",
    "CreateOrderPayment": "look for its reference (payment list)",
    "CreateOrderShipping": "look for its reference (shipping list)",
    "AddPaymentAction": "look at the payment's actions (payment get)",
    "AddTransactionForOrderPayment": "look at the payment's transactions (transaction list)",
    "ExecutePaymentAction": "look at the payment's state (payment get) and its transactions (transaction list)",
}
"""Where it shows whether a change was made, by its operation; that of any other shows in the order."""


def advice_for(kind: type[NorceOrderError], *, again: bool = True) -> str | None:
    """What to do about an error of this class; to repeat the call only if ``again`` says that it may be."""
    for parent, advice, repeat in _ADVICE:
        if issubclass(kind, parent):
            return f"{advice}: {repeat}." if again and repeat else f"{advice}."
    return None


def explain(error: NorceOrderError) -> str:
    """The error's text, and under it what to do."""
    lines = [str(error)]
    if isinstance(error, CallError) and (problems := getattr(error, "problems", ())):  # of a validation
        from norce_order_async.wire.problems import problem_text  # heavy, so only where there are some

        # Each in a line of its own, and none in the first.
        lines = [str(error).replace(error.reason, f"the order is not valid: {counted(len(problems), 'problem')}")]
        lines += [printable(problem_text(problem)) for problem in problems]
    unknown = error.operation if isinstance(error, CallError) and error.outcome is OutcomeKind.UNKNOWN else None
    stands = isinstance(error, CallError) and not error.outcome.failed and _is_change(error.operation)
    again = not stands and (unknown is None or _is_safe(unknown))
    kind = NotTheApiError if is_foreign(error) else type(error)
    lines.append(advice_for(kind, again=again) or "")
    if stands:
        lines.append("The API has said yes to it: do not send it again.")
    if unknown is not None:
        lines.append(_about_unknown(unknown))
    return "\n  ".join(filter(None, lines))


def exit_code(error: NorceOrderError) -> int:
    """2 for wrong input, 3 when it could not start, 1 when a call failed."""
    if isinstance(error, (ConfigurationError, *CANNOT_START)):
        return 3
    return 1 if isinstance(error, CallError) else 2


def _is_safe(operation: str) -> bool:
    """Whether making the call of this operation twice does no harm."""
    row = ROWS.get(operation)
    return row is None or row.repeat == Repeat.SAFE


def _is_change(operation: str | None) -> bool:
    row = ROWS.get(operation or "")
    return row is not None and row.changes


def _about_unknown(operation: str) -> str:
    """What to know before the call is made again; nothing where it changes nothing."""
    if not _is_change(operation):
        return ""
    if _is_safe(operation):
        return f"{_MAYBE}; it may be sent again unless somebody else has changed the same since."
    return f"{_MAYBE}: {_LOOKS.get(operation, 'read the order (order get)')} before you send it again."
