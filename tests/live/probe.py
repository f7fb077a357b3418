"""Sends requests about the probe's own order, each of them once, with a pause before each, and keeps what came."""

import asyncio
import json
import uuid
from collections.abc import Mapping
from typing import Any, cast

import attrs

from norce_order_async import CallError, NorceOrderError, OrderClient
from norce_order_async.core.settings import UNSET
from norce_order_async.middleware import Handler
from norce_order_async.operations import OPERATIONS
from norce_order_async.transport import Request, Response


class NotOurs(Exception):
    """A change was meant for something that the probe did not make; nothing was sent."""


@attrs.frozen
class Answer:
    """What came for one request.

    Attributes:
        status: The HTTP status; None when there was no answer.
        headers: The headers, their names in lower case.
        body: The body's bytes.
        error: What the client says when there was no answer.
    """

    status: int | None
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str])
    body: bytes = b""
    error: str | None = None

    @property
    def ok(self) -> bool:
        """Whether it is a 2xx."""
        return self.status is not None and self.status // 100 == 2

    def json(self) -> Any:
        """The body as JSON; None when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def members(self) -> dict[str, Any]:
        """The members of the JSON object in the body; none when it holds no object."""
        return object_of(self.json())

    def __str__(self) -> str:
        if self.status is None:
            return f"no answer: {self.error}"
        code = self.members().get("code")
        shape = "no body" if not self.body else f"`{code}`" if code else f"{_shape(self)} as body"
        return f"{self.status}, {shape}"


class LastResponse:
    """A middleware that keeps the last response, whatever the client makes of it."""

    def __init__(self) -> None:
        self._response: Response | None = None

    def take(self) -> Response | None:
        """The response since this was last called; None without one."""
        response, self._response = self._response, None
        return response

    async def __call__(self, request: Request, call_next: Handler, /) -> Response:
        """Pass the request on, and keep its response."""
        self._response = await call_next(request)
        return self._response


class Probe:
    """One order of its own, and requests about it.

    Args:
        client: What to call with; it must not try again, and have ``last`` among its call middlewares.
        last: Where its responses are kept.
        pause: Seconds before each request.
    """

    def __init__(self, client: OrderClient, last: LastResponse, pause: float) -> None:
        self.client = client
        self._last = last
        self._pause = pause
        self.reference = f"probe-{uuid.uuid4().hex[:12]}"
        self.made: list[str] = []
        self._gone: set[str] = set()
        self.headers: dict[str, int] = {}
        self.requests = 0

    @property
    def order_id(self) -> str:
        """The order that it asks about."""
        return self.made[0]

    async def send(
        self, operation: str, body: Any = UNSET, *, client: OrderClient | None = None, query: Any = None, **ids: Any
    ) -> Answer:
        """Send one request; its order is the probe's own unless ``ids`` name one that is only read.

        Raises:
            NotOurs: The operation changes an order that the probe did not make.
        """
        known = OPERATIONS[operation]
        if "{order_id}" in known.path:
            ids.setdefault("order_id", self.order_id)
            if known.changes and ids["order_id"] not in self.made:
                raise NotOurs(f"{operation} of an order that was not made here")
        await asyncio.sleep(self._pause)
        self.requests += 1
        error: NorceOrderError | None = None
        try:
            await (client or self.client).execute(known, body=body, query=query, **ids)
        except CallError as refused:
            error = refused
        response = self._last.take()
        if response is None:
            return Answer(None, error=str(error))
        if operation == "DeleteCheckoutOrder" and (response.ok or response.status == 404):
            self._gone.add(ids["order_id"])
        for name in response.headers:
            self.headers[name] = self.headers.get(name, 0) + 1
        return Answer(response.status, dict(response.headers), response.body)

    async def order(self) -> dict[str, Any]:
        """The order as it is now; empty when it cannot be read."""
        return (await self.send("GetCheckoutOrder")).members()

    async def consent(self, consent_id: str) -> dict[str, Any] | None:
        """One consent of the order as it is now; None when there is none."""
        consents: list[dict[str, Any]] = (await self.order()).get("consents") or []
        return next((found for found in consents if found.get("id") == consent_id), None)

    async def make(self) -> Answer:
        """Make an order, and note that it is the probe's own; each has the same cart reference."""
        body = {
            "culture": "sv-SE", "currency": "SEK", "country": "SE",
            "cart": {
                "reference": self.reference,
                "items": [{
                    "sku": "NORCE-ORDER-PROBE", "quantity": 1, "name": "Not a real order",
                    "total": {"includingVat": 1.25, "excludingVat": 1.0},
                }],
            },
        }  # fmt: skip
        answer = await self.send("CreateCheckoutOrder", body)
        if answer.ok and (made := _id_of(answer)):
            self.made.append(made)
        return answer

    async def remove(self) -> list[str]:
        """Remove what is left of what it made; the ids of those that it could not."""
        for made in self.made:
            if made not in self._gone:
                await self.send("DeleteCheckoutOrder", order_id=made)
        return [made for made in self.made if made not in self._gone]


def object_of(value: Any) -> dict[str, Any]:
    """A JSON object; an empty one for everything else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _id_of(answer: Answer) -> str | None:
    found = answer.json()
    made = found if isinstance(found, str) else answer.members().get("id")
    return made or answer.headers.get("location", "").rstrip("/").rpartition("/")[2] or None


def _shape(answer: Answer) -> str:
    if members := answer.members():
        return f"an object of {', '.join(f'`{name}`' for name in sorted(members)[:4])}"
    found: object = answer.json()
    if isinstance(found, dict | list):
        return "an object" if isinstance(found, dict) else "an array"
    names: dict[type[object], str] = {str: "a text", bool: "a boolean", type(None): "no JSON, or null"}
    return names.get(type(found), "a number")
