"""Reading the results of the API's operations: what was asked for, and the ids of what was created."""

from collections.abc import Callable, Set
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import unquote, urlsplit

import attrs

from norce_order_async.core.errors import DecodeError
from norce_order_async.core.http import Response
from norce_order_async.core.wording import printable
from norce_order_async.wire import models
from norce_order_async.wire.codec import wire_members
from norce_order_async.wire.decoders import JsonAs, decode_receipt, json_body
from norce_order_async.wire.problems import NoProblems
from norce_order_async.wire.table import Row
from norce_order_async.wire.unread import find

T = TypeVar("T")


class CreatedId:
    """The id of what was created: an object's ``id``, a bare string, or else the end of the ``Location`` header."""

    members: ClassVar[Set[str]] = wire_members(models.CreateResponse)

    def __call__(self, response: Response) -> str:
        """Read an id.

        Raises:
            DecodeError: The response names none.
        """
        located = _id_in_location(response)
        try:
            body = json_body(response)
            created = body if isinstance(body, str) else JsonAs(models.CreateResponse)(response).id
        except DecodeError:
            if located is None:
                raise
            return located
        if found := created or located:
            return found
        raise DecodeError("the answer names no id", response.body)


def _id_in_location(response: Response) -> str | None:
    """The id in a ``Location`` that leads below the request's path: ``.../orders/{id}`` after a POST ``.../orders``."""
    try:
        *above, last = urlsplit(response.headers.get("location", "")).path.split("/")
    except ValueError:
        return None
    collection = urlsplit(response.request.url).path.rpartition("/")[2]
    return unquote(last) or None if above[-1:] == [collection] else None


@attrs.frozen
class Asked(JsonAs[T]):
    """Reads the very thing that was asked for. Ids are compared without case: how they are spelt is not established.

    Attributes:
        id_name: The id in the path that names it.
    """

    id_name: str

    def __call__(self, response: Response) -> T:
        """Read it.

        Raises:
            DecodeError: It is not JSON, doesn't fit, has no id, or is another one (then ``result`` has that).
        """
        found: Any = super().__call__(response)
        noun, wanted = self.id_name.removesuffix("_id"), response.request.call.ids.get(self.id_name, "")
        if not found.id:
            raise DecodeError(f"the answer is no {noun}: it has no id", response.body, found)
        if found.id.casefold() != wanted.casefold():
            raise DecodeError(f"the answer is another {noun}, {printable(found.id)}", response.body, found)
        return found  # type: ignore[no-any-return]


class PageOf(JsonAs[models.OrderPaginationSet]):
    """Reads a page of orders: an object with a list of them, or with the figures of one."""

    def __call__(self, response: Response) -> models.OrderPaginationSet:
        """Read it.

        Raises:
            DecodeError: It is not JSON, or no page.
        """
        page = super().__call__(response)
        unread = find(page.unread, "data")
        is_page = page.data is not models.NOT_SET or page.pagination is not None
        if not is_page or (unread is not None and None in unread.raws):
            raise DecodeError("the answer is no page of orders: it has no list of them", response.body)
        return page


@attrs.frozen
class MaybeEmpty(Generic[T]):
    """Reads a result that only v1 is known to give: an empty body stands for None."""

    model: JsonAs[T]

    @property
    def members(self) -> Set[str]:
        """The members of the object that it reads."""
        return self.model.members

    def __call__(self, response: Response) -> T | None:
        """Read it.

        Raises:
            DecodeError: There is something, and it is not JSON, doesn't fit, or is not what was asked for.
        """
        return self.model(response) if response.body.strip() or response.truncated else None


def type_of(schema: str) -> Any:
    """The model that a schema of the table names, or a list of it; None where it is of no model."""
    name = schema.removeprefix("list[").removesuffix("]")
    model: Any = getattr(models, name, None)
    return model if name == schema else list[model]


def decoder_of(row: Row) -> Callable[[Response], Any]:
    """What reads the result of an operation of the table; of one without a result, its receipt."""
    if row.result is None:
        return decode_receipt
    if "CreateResponse" in row.result:
        return CreatedId()
    if row.result == "list[ValidationError]":
        return NoProblems()
    kind = type_of(row.result)
    if row.result == "OrderPaginationSet":
        return PageOf(kind)
    model: JsonAs[Any] = Asked(kind, row.ids[-1]) if row.path.endswith("}") else JsonAs(kind)
    return MaybeEmpty(model) if row.changes and row.evidence == "v1_types" else model
