"""What one call has otherwise than its client."""

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from norce_order_async.core.call import AttemptHook, CallHook, RetryRules
from norce_order_async.core.checks import a_switch, check_header_value, check_headers, check_seconds
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.http import RawResponse, show_headers
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.settings import UNSET, Timeout, Unset
from norce_order_async.core.shapes import an_optional_hook, described


def check_retry(value: object) -> RetryRules | None:
    """Return ``value`` if it is a policy or None.

    Raises:
        ConfigurationError: It is neither.
    """
    if value is None or (isinstance(value, RetryRules) and not isinstance(value, type)):
        return value
    raise ConfigurationError(f"retry must be a RetryPolicy or None, got {described(value)}")


def _optional_timeout(value: Timeout | float | Unset) -> Timeout | float | Unset:
    return value if isinstance(value, Timeout | Unset) else check_seconds("timeout", value, zero=False, endless=True)


def _check_optional_retry(instance: object, attribute: object, value: object) -> None:
    if not isinstance(value, Unset):
        check_retry(value)


def _check_optional_value(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if value is not None and not isinstance(value, Unset):
        object.__setattr__(instance, attribute.name, check_header_value(attribute.name, value))


@attrs.frozen(kw_only=True, slots=False)
class CallOptions:
    """What one call has otherwise than its client. Everything left out is as the client has it.

    Attributes:
        timeout: Other limits; a number of seconds is the total, and the other limits are the client's.
        retry: Another policy; None is off.
        headers: Further headers.
        adapter_id: Another ``x-adapterid``; None sends none.
        request_id: The ``x-request-id`` to send; without it a random one is made.
        on_attempt: Called after each attempt of this call, after the client's own hooks.
        on_call: Called at the call's end, after the client's own hooks.
        on_response: Called with the response that the call ends with, before it is read: status, headers and bytes.
            Where a 2xx is not the API's (:class:`NotTheApiError`), the error has them instead.
        redelivered: An earlier call of the same change may have been applied, but its response was lost: the worker
            died, say, and the queue delivers its message again. Then a refusal leaves the outcome ``unknown``, and a
            DELETE that finds nothing is ``applied_inferred``.
        log_cut: Whether it is logged when the call is cancelled, or meets its deadline, after its request went out.

    Raises:
        InvalidRequestError: A header, adapter id or request id that cannot be sent.
        TypeError: One of them is not a str, or ``headers`` is no mapping.
        ConfigurationError: The timeout or the policy is not one, a switch is no bool, or a hook is no function, or
            is async.
    """

    timeout: Timeout | float | Unset = attrs.field(default=UNSET, converter=_optional_timeout)
    retry: RetryRules | Unset | None = attrs.field(default=UNSET, validator=_check_optional_retry)
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], converter=check_headers, repr=show_headers)
    adapter_id: str | Unset | None = attrs.field(default=UNSET, validator=_check_optional_value)
    request_id: str | None = attrs.field(default=None, validator=_check_optional_value)
    on_attempt: AttemptHook | None = attrs.field(default=None, validator=an_optional_hook)
    on_call: CallHook | None = attrs.field(default=None, validator=an_optional_hook)
    on_response: Callable[[RawResponse], None] | None = attrs.field(default=None, validator=an_optional_hook)
    redelivered: bool = attrs.field(default=False, validator=a_switch)
    log_cut: bool = attrs.field(default=True, validator=a_switch)

    def __attrs_post_init__(self) -> None:
        # Attributes are found faster in a dictionary that shares its keys with no other object's.
        object.__setattr__(self, "__dict__", {**self.__dict__})

    def for_call(self, request_id: str, on_attempt: AttemptHook, *, redelivered: bool) -> "CallOptions":
        """A copy for one call of many, without another check of what was checked."""
        copy = object.__new__(CallOptions)
        given = {"request_id": request_id, "on_attempt": on_attempt, "redelivered": redelivered}
        object.__setattr__(copy, "__dict__", {**self.__dict__, **given})
        return copy


_DEFAULT = CallOptions()


def options_of(options: CallOptions | None) -> CallOptions:
    """The options of a call: those that are given, or else the client's own.

    Raises:
        TypeError: They are something else: a :class:`Timeout`, say.
    """
    if options is None:
        return _DEFAULT
    if isinstance(options, CallOptions):
        return options
    raise TypeError(f"options must be CallOptions, got {kind_of(options)}")


def limits_of(options: CallOptions | None, client: Timeout) -> Timeout:
    """The limits of a call with these options, where its client has those.

    Raises:
        TypeError: They are no :class:`CallOptions`.
    """
    timeout = options_of(options).timeout
    if isinstance(timeout, Unset):
        return client
    return timeout if isinstance(timeout, Timeout) else Timeout(timeout, client.attempt, client.connect)
