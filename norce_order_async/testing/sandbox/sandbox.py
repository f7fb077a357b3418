"""The sandbox as tests use it: what to put in, what to look at, and a client that talks to it."""

import copy
import sys
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from norce_order_async.core.checks import one_or_several
from norce_order_async.core.errors import ConfigurationError, InvalidRequestError
from norce_order_async.core.kinds import kind_of
from norce_order_async.testing.sandbox.seed import plausible_orders
from norce_order_async.testing.sandbox.service import OrderService
from norce_order_async.testing.sandbox.store import WireOrder
from norce_order_async.wire.json import JSON, WireError, decode_json, encode_json
from norce_order_async.wire.models import Model

if TYPE_CHECKING:
    from norce_order_async.client import OrderClient


class Sandbox(OrderService):
    """An order API to try things on: it keeps orders in memory and touches no network.

    ::

        sandbox = Sandbox()
        sandbox.add_order("o_123", consents=["ci_newsletter"])
        sandbox.faults.add(Fault.drop_after(times=1))
        async with sandbox.client() as client:
            await patch_consent(client, "o_123", "ci_newsletter", checked=True)

    It is reached by :meth:`client`, :class:`SandboxTransport` and :class:`SandboxServer`; one sandbox may have several
    of them, also in several threads.

    Args:
        tokens: The bearer tokens that it takes.
        seed: Two sandboxes of the same seed make the same ids and orders and strike the same requests with faults.
        strict: Take exactly what the contract says. Without it the bodies of Norce's own samples are taken too:
            enumeration values regardless of case, and a customer without a type.
        wall: Seconds since 1970-01-01 UTC.
        remember: How many requests ``requests`` keeps, and calls ``called``.
        callbacks: How hooks, validations and notifications are called.
        ignored_filters: Filters of the list of orders that it does not look at, as a service may do.

    Attributes:
        faults: What goes wrong, and when.
        requests: The latest requests, oldest first; it may be iterated while a server in another thread goes on.
        count: How many requests there were in all.
        called: The latest calls to adapters, in the same way.

    Raises:
        ConfigurationError: A package of the extra ``sandbox`` is not installed, a token that cannot be one, a filter
            that there is not, or another argument that cannot be.
    """

    def add_order(
        self,
        order_id: str,
        *,
        merchant: str = "norce",
        channel: str = "1",
        consents: Iterable[str | Mapping[str, JSON]] = (),
        attributes: Mapping[str, JSON] | None = None,
        **members: JSON,
    ) -> None:
        """Put an order in, in place of one that has this id already.

        Args:
            order_id: Its id, any text that is not empty.
            merchant: Whose it is.
            channel: Of which channel.
            consents: As on the wire, or just ids for consents that are not checked; one may be given alone.
            attributes: Its attributes.
            **members: Other members, as on the wire (``lastModified=...``); they are not checked. A request that cannot
                be carried out for them is answered with 500, which says what is wrong.

        Raises:
            ConfigurationError: The id is no text, or empty, or ``consents`` is no sequence.
            InvalidRequestError: A member is not JSON, such as a model: :func:`to_dict` makes JSON of one.
        """
        if not isinstance(order_id, str) or not order_id:
            raise ConfigurationError(f"order_id must be text and not empty, got {order_id!r}")
        given: tuple[JSON, ...] = one_or_several("consents", consents)
        listed: list[JSON] = [{"id": one, "checked": False} if isinstance(one, str) else one for one in given]
        own: Any = _as_read({"consents": listed, "attributes": attributes or {}, **members})
        with self._lock:
            self._store.put(merchant, channel, order_id, own)

    def seed_orders(self, count: int, *, merchant: str = "norce", channel: str = "1") -> list[str]:
        """Put many plausible orders in, with carts, customers, consents, payments and shippings.

        They are the same in every sandbox of the same ``seed``.

        Args:
            count: How many.
            merchant: Whose they are.
            channel: Of which channel.

        Returns:
            Their ids, oldest order first.
        """
        with self._lock:
            return [
                self._store.put(merchant, channel, order_id, members)["id"]
                for order_id, members in plausible_orders(self._seeds, count, merchant=merchant, channel=channel)
            ]

    def order(self, order_id: str, *, merchant: str = "norce", channel: str = "1") -> WireOrder | Any:
        """A copy of an order as it is on the wire, numbers as int and Decimal; None if there is none.

        For type checkers that is Any, so that a test need not rule it out.
        """
        with self._lock:
            return copy.deepcopy(self._store.get(merchant, channel, order_id))

    async def delivered(self) -> None:
        """Wait until every notification that left is delivered or given up.

        Those of a server in another thread count, too; those of an event loop that does not run do not.
        """
        from norce_order_async.testing.sandbox import serving

        await serving.delivered(self)

    def client(self, *, merchant: str = "norce", channel: str = "1", **overrides: Any) -> "OrderClient":
        """A client that talks to this sandbox in process; ``overrides`` are arguments of :class:`OrderClient`."""
        # Here, because a sandbox without a client needs no event loop.
        from norce_order_async.client import OrderClient
        from norce_order_async.testing.sandbox.transport import SandboxTransport

        settings: dict[str, Any] = {"auth": self._tokens[0], "transport": SandboxTransport(self)}
        if "environment" not in overrides:
            settings["base_url"] = "http://localhost/checkout/order"
        return OrderClient(merchant=merchant, channel=channel, **settings | overrides)


def _as_read(members: JSON) -> JSON:
    """A copy of JSON as it would be after it was sent.

    Raises:
        InvalidRequestError: It is not JSON.
    """
    try:
        return decode_json(encode_json(members, limit=sys.maxsize, default=_refuse))
    except WireError as error:
        problem = str(error)
    raise InvalidRequestError(problem)


def _refuse(value: object) -> object:
    hint = " (to_dict makes JSON of it)" if isinstance(value, Model) else ""
    raise WireError(f"{kind_of(value)} is not a JSON value{hint}")
