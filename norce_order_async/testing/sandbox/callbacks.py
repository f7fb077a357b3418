"""How the sandbox calls adapters: whom, for how long, and what follows when one does not answer."""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import attrs

from norce_order_async.core.checks import check_choice, one_or_several, positive_count, positive_seconds
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.kinds import kind_of
from norce_order_async.core.shapes import HANDLER, check_shape, check_takes_call
from norce_order_async.core.urls import without_secrets
from norce_order_async.testing.sandbox.exchange import AdapterCall

if TYPE_CHECKING:
    from norce_order_async.receiving.receiver import Receiver
    from norce_order_async.receiving.replies import Reply

Adapter: TypeAlias = "Receiver | Callable[[AdapterCall], Awaitable[Reply] | Reply]"
"""What answers calls in process: a :class:`Receiver`, or a function, async or not."""

_NAME = re.compile(r"[\w.-]+").fullmatch


def _known(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    check_choice(attribute.name, value, ("refuse", "allow"))


def _answerable(instance: object, attribute: "attrs.Attribute[Any]", adapters: object) -> None:
    if not isinstance(adapters, Mapping):
        raise ConfigurationError(f"{attribute.name} must be a mapping of URLs to adapters, got {kind_of(adapters)}")
    for beginning, adapter in cast("Mapping[str, object]", adapters).items():
        if "://" not in beginning:
            raise ConfigurationError(f"an adapter's URL begins with https://, unlike {without_secrets(beginning)!r}")
        from norce_order_async.receiving.receiver import Receiver  # which a sandbox without adapters does not need

        name = f"the adapter of {without_secrets(beginning)}"
        check_shape(name, adapter, HANDLER)
        if not isinstance(adapter, Receiver):
            check_takes_call(f"{name}, where it is no Receiver,", cast("Callable[..., object]", adapter))


def _names(hosts: Collection[str]) -> Collection[str]:
    return tuple(map(_host, one_or_several("hosts", hosts)))


def _host(name: str) -> str:
    """The name or address of a host, as it stands in a URL."""
    if isinstance(name, str):
        if _NAME(name):
            return name
        with suppress(ValueError):
            return str(IPv6Address(name))
    raise ConfigurationError(f"a host that may be called is a name or an address, without scheme or port: {name!r}")


@attrs.frozen(kw_only=True)
class Callbacks:
    """How the sandbox calls hooks, validations and notifications; what Norce does is not published.

    Attributes:
        adapters: Who answers in process, by the beginning of the URL (``https://adapter.example/norce``). The longest
            beginning counts.
        hosts: Names or addresses of hosts that a :class:`SandboxServer` may call besides loopback addresses, without
            scheme or port.
        deadline: Seconds for an adapter to answer one call.
        on_hook_failure: What follows when a hook is down, too slow, or answers what is no answer.
        on_validation_failure: The same for a validation; ``allow`` passes it over.
        most_calls: How many calls of hooks one change may set off; with more it is refused.
        most_nested: How often one hook may be waited for at a time, by one order; further changes are refused.
        envelope: Send notifications as ``{notification, order}`` and not as the order alone.
        tries: How often a notification is sent until a 2xx comes.
        pause: Seconds before its second try; each further pause is twice as long, up to 5 s.

    Raises:
        ConfigurationError: One of them cannot be, or a function among ``adapters`` does not take one argument.
    """

    adapters: Mapping[str, Adapter] = attrs.field(factory=dict[str, Adapter], validator=_answerable, repr=False)
    hosts: Collection[str] = attrs.field(default=(), converter=_names)
    deadline: float = attrs.field(default=5.0, validator=positive_seconds)
    on_hook_failure: Literal["refuse", "allow"] = attrs.field(default="refuse", validator=_known)
    on_validation_failure: Literal["refuse", "allow"] = attrs.field(default="allow", validator=_known)
    most_calls: int = attrs.field(default=20, validator=positive_count)
    most_nested: int = attrs.field(default=5, validator=positive_count)
    envelope: bool = False
    tries: int = attrs.field(default=8, validator=positive_count)
    pause: float = attrs.field(default=0.2, validator=positive_seconds)
