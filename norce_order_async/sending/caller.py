"""Who calls: where to, for which shop, and with whose token."""

import sys
from collections.abc import Mapping
from typing import Self

import attrs

from norce_order_async.core.checks import check_header_value, check_token, client_header, client_headers
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.http import merge_headers
from norce_order_async.core.kinds import exact
from norce_order_async.core.settings import Address, Unset
from norce_order_async.core.shapes import described, has_method
from norce_order_async.core.shop import Shop
from norce_order_async.core.token_source import Credential, TokenSource
from norce_order_async.core.version import __version__
from norce_order_async.sending.shops import Shops

_USER_AGENT = f"norce-order-async/{__version__} Python/{'.'.join(map(str, sys.version_info[:3]))}"


@attrs.define(eq=False)
class Caller:
    """The address, token and headers of a client, or of a scoped view.

    A token goes only to the address that it was given for, so both are changed at once, here and nowhere else.

    Attributes:
        address: Where to.
        shop: The merchant at that address.
        tokens: Where tokens come from; None where the token is fixed.
        extra: The headers that were given; the other ones are our own.
        headers: All that every request has, by name; a fixed token is among them.
        base_url: The address that requests begin with.
    """

    address: Address
    shop: Shop
    tokens: TokenSource | None = attrs.field(repr=False)
    _own: Mapping[str, str] = attrs.field(repr=False)
    extra: Mapping[str, str] = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(
        default=attrs.Factory(
            lambda self: merge_headers(self._own, self.extra) if self.extra else self._own, takes_self=True
        ),
        init=False,
        repr=False,
    )
    base_url: str = attrs.field(
        default=attrs.Factory(lambda self: self.address.url, takes_self=True), init=False, repr=False
    )

    @classmethod
    def of_client(
        cls,
        address: Address,
        shops: Shops,
        channel: str,
        adapter_id: str | None,
        credential: Credential,
        user_agent: str | None,
        headers: Mapping[str, str] | None,
    ) -> Self:
        """From a client's settings.

        Raises:
            ConfigurationError: A value that cannot stand in a header, or ``auth`` is neither a token nor a source.
        """
        own = {
            "x-merchant": shops.own.merchant,
            "x-channel": client_header("channel", channel),
            "User-Agent": _USER_AGENT,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if adapter_id is not None:
            own["x-adapterid"] = client_header("adapter_id", adapter_id)
        if user_agent is not None:
            own["User-Agent"] += " " + client_header("user_agent", user_agent)
        return cls(address, shops.own, _source(credential), _authorized(own, credential), client_headers(headers or {}))

    def scoped(
        self,
        shops: Shops,
        address: Address,
        merchant: str | Unset,
        channel: str | Unset,
        adapter_id: str | Unset | None,
        credential: Credential | None,
        headers: Mapping[str, str] | Unset,
    ) -> "Caller":
        """Another one for the same client.

        Raises:
            InvalidRequestError: A value that cannot stand in a header.
            ConfigurationError: Another address without what may be sent there, or ``auth`` that is no source.
            TypeError: A value that is not a str.
        """
        if address.url != self.address.url:
            self._check_move(address, credential, headers)
        changed: dict[str, str] = {}
        if not isinstance(merchant, Unset):
            changed["x-merchant"] = merchant = check_header_value("merchant", merchant)
        if not isinstance(channel, Unset):
            changed["x-channel"] = check_header_value("channel", channel)
        if not isinstance(adapter_id, Unset | None):
            adapter_id = check_header_value("adapter_id", adapter_id)
        extra = self.extra if isinstance(headers, Unset) else client_headers(headers)
        tokens = self.tokens if credential is None else _source(credential)
        shop = self.shop
        merchant = shop.merchant if isinstance(merchant, Unset) else merchant
        if merchant != shop.merchant or address.url != shop.base_url:
            shop = shops.of(address.url, merchant)
        # From here on nothing fails: a local variable holds the token.
        own = {**self._own, **changed}
        set_adapter_id(own, adapter_id)
        return Caller(address, shop, tokens, own if credential is None else _authorized(own, credential), extra)

    def _check_move(self, address: Address, credential: Credential | None, headers: Mapping[str, str] | Unset) -> None:
        """Let nothing go to another address that was given for this one."""
        if credential is None:
            raise ConfigurationError(
                f"{address.url} is another address than {self.address.url}: give auth as well; "
                "a token goes only to the address that it was given for"
            )
        if self.extra and isinstance(headers, Unset):
            raise ConfigurationError(
                f"{address.url} is another address than {self.address.url}: give headers as well, {{}} for none; "
                "those of the client go only to the address that they were given for"
            )


def _source(credential: Credential) -> TokenSource | None:
    """Where tokens come from; None for a fixed one.

    Raises:
        ConfigurationError: It is neither a token nor a source.
    """
    if isinstance(credential.value, str):
        check_token(credential.value)
        return None
    if not _is_source(credential.value):
        raise ConfigurationError(
            f"auth must be a token or have an async get() that returns one, got {described(credential.value)}"
        )
    return credential.value


def _is_source(value: object) -> bool:
    return has_method(value, "get") and not isinstance(value, Mapping)  # whose get() is another


def _authorized(headers: Mapping[str, str], credential: Credential) -> dict[str, str]:
    """These headers with that token and no other."""
    others = {name: value for name, value in headers.items() if name != "Authorization"}
    if isinstance(credential.value, str):
        return {"Authorization": f"Bearer {exact(credential.value)}", **others}
    return others


def set_adapter_id(headers: dict[str, str], adapter_id: str | Unset | None) -> None:
    """Put another adapter's id into headers, or none; they stay as they are when it is left out."""
    if adapter_id is None:
        headers.pop("x-adapterid", None)
    elif not isinstance(adapter_id, Unset):
        headers["x-adapterid"] = adapter_id
