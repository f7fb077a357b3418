"""What can go wrong, as values: scripts of faults that a test or a flag switches on."""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final, TypedDict, Unpack

import attrs

from norce_order_async.core.checks import check_seconds, client_header, positive_count
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.kinds import kind_of, own


class FaultKind(StrEnum):
    """What a fault does to the requests that it strikes."""

    LATENCY = "latency"
    """The request is carried out at once and answered late."""
    STATUS = "status"
    """Nothing is carried out; the answer is the given status."""
    DROP_BEFORE = "drop-before"
    """The connection is cut before the request's body is read; nothing is carried out."""
    DROP_AFTER = "drop-after"
    """The request is carried out, then the connection is cut without an answer."""
    TRUNCATE = "truncate"
    """The request is carried out; the answer's body ends before the announced length."""
    APPLY_LATE = "apply-late"
    """The request is never answered, and carried out some seconds later."""
    SLOW = "slow"
    """The request is carried out; the answer's headers come at once, its body drips in."""
    REFUSE = "refuse"
    """No connection is made, and nothing is sent; in process only."""


class When(TypedDict, total=False):
    """Which requests a fault strikes; all of them by default."""

    times: int | None
    """Only so many, then the fault is used up."""
    share: float
    """Only this share of them, above 0 and up to 1, drawn by the sandbox's own random numbers."""
    operation: str | None
    """Only those of this operationId."""
    order: str | None
    """Only those for the order of this id."""
    merchant: str | None
    """Only those of this merchant."""


NOT_OVER_SOCKETS: Final = "the fault refuse is for clients in process: over a socket there is a connection already"
_WITHOUT_BODY = (204, 304)


@attrs.frozen(kw_only=True)
class Fault:
    """One fault: what goes wrong, and when. Made by its class methods, or from text by :meth:`parse`.

    ::

        Fault.status(503, times=3)                           the next 3 requests
        Fault.status(429, retry_after=2, share=0.05)         5 % of all requests
        Fault.drop_after(operation="PatchCheckoutOrderConsent")

    Attributes:
        kind: What it does.
        seconds: How late (latency, apply-late), or how long the body takes (slow), below 1e9; infinity is never.
        code: The status to answer.
        retry_after: The text of its ``Retry-After`` header.
        body: The answer's body, which one of 204 and 304 cannot have; without one a status of 400 and above has the
            API's usual error body.
        times: Strikes only so many requests; None is no limit.
        share: Strikes only this share of the requests, 0 to 1.
        operation: Strikes only requests of this operationId.
        order: Strikes only requests for the order of this id.
        merchant: Strikes only requests of this merchant.

    Raises:
        ConfigurationError: A value out of its range.
    """

    kind: FaultKind
    seconds: float = 0.0
    code: int = 0
    retry_after: str | None = None
    body: bytes | None = None
    times: int | None = attrs.field(default=None, validator=attrs.validators.optional(positive_count))
    share: float = 1.0
    operation: str | None = None
    order: str | None = None
    merchant: str | None = None

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.kind, FaultKind):
            raise ConfigurationError(f"kind must be a FaultKind, got {self.kind!r}")
        for name in ("code", "share"):
            if not isinstance(getattr(self, name), int | float):
                raise ConfigurationError(f"{name} must be a number, got {getattr(self, name)!r}")
        for name in ("operation", "order", "merchant"):
            if (value := getattr(self, name)) is not None and not (isinstance(value, str) and value):
                raise ConfigurationError(f"{name} must be text and not empty, got {value!r}")
        if not isinstance(self.body, bytes | None):
            raise ConfigurationError(f"body must be bytes, got {kind_of(self.body)}")
        timed = self.kind in _TIMED
        is_status = self.kind is FaultKind.STATUS
        if timed:
            check_seconds(f"{self.kind}: seconds", self.seconds, zero=False, endless=True)
        if is_status and not (isinstance(self.code, int) and 200 <= self.code <= 599):
            raise ConfigurationError(f"status takes an HTTP status of 200 to 599, got {self.code}")
        if self.code in _WITHOUT_BODY and self.body is not None:
            raise ConfigurationError(f"an answer with status {self.code} has no body")
        if not 0 < self.share <= 1:
            raise ConfigurationError(f"share is above 0 and at most 1 (100%), got {self.share}")
        if self.seconds != 0 and not timed:
            raise ConfigurationError(f"{self.kind} takes no seconds")
        if not is_status and (self.code, self.retry_after, self.body) != (0, None, None):
            raise ConfigurationError(f"{self.kind} takes no code, retry-after or body")
        if self.retry_after is not None:
            object.__setattr__(self, "retry_after", client_header("retry-after", self.retry_after))

    def __str__(self) -> str:
        """The form that :meth:`parse` reads; it has no ``body``."""
        words = [self.kind.value]
        words += [f"{self.seconds!r}"] if self.kind in _TIMED else []
        words += [str(self.code)] if self.kind is FaultKind.STATUS else []
        options = {
            "retry-after": self.retry_after,
            "times": self.times,
            "share": None if self.share == 1 else self.share,
            "operation": self.operation,
            "order": self.order,
            "merchant": self.merchant,
        }
        return ":".join(words + [f"{name}={value}" for name, value in options.items() if value is not None])

    @property
    def carries_out(self) -> bool:
        """Whether the requests that it strikes are carried out all the same."""
        return self.kind not in (FaultKind.REFUSE, FaultKind.DROP_BEFORE, FaultKind.STATUS)

    @classmethod
    def latency(cls, seconds: float, **when: Unpack[When]) -> "Fault":
        """Carry out at once and answer late; goes together with one other fault on the same request."""
        return cls(kind=FaultKind.LATENCY, seconds=seconds, **when)

    @classmethod
    def status(
        cls, code: int, *, retry_after: int | str | None = None, body: bytes | None = None, **when: Unpack[When]
    ) -> "Fault":
        """Answer a status without carrying anything out; ``retry_after`` is whole seconds or an HTTP date."""
        if retry_after is not None and not isinstance(retry_after, str):
            if type(seconds := own(retry_after)) is not int:
                raise ConfigurationError(f"retry-after must be whole seconds or text, got {kind_of(retry_after)}")
            retry_after = str(seconds)
        return cls(kind=FaultKind.STATUS, code=code, retry_after=retry_after, body=body, **when)

    @classmethod
    def refuse(cls, **when: Unpack[When]) -> "Fault":
        """Make no connection: nothing is sent. Only in process; a server answers 501 in its place."""
        return cls(kind=FaultKind.REFUSE, **when)

    @classmethod
    def drop_before(cls, **when: Unpack[When]) -> "Fault":
        """Cut the connection before the body is read."""
        return cls(kind=FaultKind.DROP_BEFORE, **when)

    @classmethod
    def drop_after(cls, **when: Unpack[When]) -> "Fault":
        """Carry out, then cut the connection without an answer."""
        return cls(kind=FaultKind.DROP_AFTER, **when)

    @classmethod
    def apply_late(cls, seconds: float, **when: Unpack[When]) -> "Fault":
        """Never answer, and carry out after so many seconds: what a server does whose answer is given up too early."""
        return cls(kind=FaultKind.APPLY_LATE, seconds=seconds, **when)

    @classmethod
    def truncate(cls, **when: Unpack[When]) -> "Fault":
        """Carry out, then cut the answer's body short."""
        return cls(kind=FaultKind.TRUNCATE, **when)

    @classmethod
    def slow(cls, seconds: float, **when: Unpack[When]) -> "Fault":
        """Carry out, then let the answer's body take so many seconds."""
        return cls(kind=FaultKind.SLOW, seconds=seconds, **when)

    @classmethod
    def parse(cls, text: str) -> "Fault":
        """A fault from its command line form, ``kind[:value][:name=value]...``.

        ``latency:0.2``, ``slow:1.5``, ``apply-late:3``, ``status:503:times=3``, ``status:429:retry-after=2:share=5%``,
        ``refuse``, ``drop-before``, ``drop-after:operation=RemoveCheckoutOrderConsent``, ``truncate:order=o_17``.

        Raises:
            ConfigurationError: Not of this form; the message says what is wrong.
        """
        try:
            return cls(**_settings(text))
        except ConfigurationError as error:
            raise ConfigurationError(f"fault {text!r}: {error}") from None


def _settings(text: str) -> dict[str, Any]:
    name, _, rest = text.partition(":")
    if name not in set(FaultKind):
        raise ConfigurationError(f"{name!r} is none of {', '.join(FaultKind)}")
    settings: dict[str, Any] = {"kind": FaultKind(name)}
    # Not every colon separates: an HTTP date has some of its own.
    value, *options = re.split(r"(?:^|:)(?=[a-z_-]+=)", rest)
    if value:
        options.insert(0, f"{_VALUE_IS.get(settings['kind'], 'value')}={value}")
    for option in options:
        key, _, given = option.partition("=")
        if key not in _READ:
            meant = key.replace("_", "-")
            raise ConfigurationError(f"{name} takes no {key}{f', {meant} is meant' if meant in _READ else ''}")
        if (member := key.replace("-", "_")) in settings:
            raise ConfigurationError(f"{key} is there twice")
        try:
            settings[member] = _READ[key](given)
        except ValueError:
            raise ConfigurationError(f"{key} is a number, got {given!r}") from None
    return settings


def _share(text: str) -> float:
    return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)


_TIMED = frozenset({FaultKind.LATENCY, FaultKind.APPLY_LATE, FaultKind.SLOW})
_VALUE_IS = dict.fromkeys(_TIMED, "seconds") | {FaultKind.STATUS: "code"}
_READ: dict[str, Callable[[str], Any]] = {
    "seconds": float,
    "code": int,
    "times": int,
    "share": _share,
    "operation": str,
    "order": str,
    "merchant": str,
    "retry-after": str,
}
