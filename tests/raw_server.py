"""A server on a port of this machine that answers as a script says, and may misbehave."""

from typing import Any

from support import TOKEN

from norce_order_async import OrderClient
from norce_order_async.testing.conformance.origin import Line, RawOrigin, responding, response_bytes

OK = response_bytes(200)


class RawServer(RawOrigin):
    """An origin that answers with the lines of a script, at the address of an API, and clients of it."""

    def __init__(self, *script: Line) -> None:
        super().__init__(responding(*(script or (OK,))))

    @property
    def url(self) -> str:
        return f"{super().url}/checkout/order"

    def client(self, **settings: Any) -> OrderClient:
        given: dict[str, Any] = {"base_url": self.url, "merchant": "norce", "channel": "1", "auth": TOKEN}
        return OrderClient(**(given | settings))
