"""Only type-checked, never run: a name that a face does not have is an error, although names are loaded when used."""

from typing import assert_type

import norce_order_async as norce
from norce_order_async.batch import Nothing1  # type: ignore[attr-defined]  # noqa: F401  # pyright: ignore
from norce_order_async.models import Nothing2  # type: ignore[attr-defined]  # noqa: F401  # pyright: ignore
from norce_order_async.operations import Nothing3  # type: ignore[attr-defined]  # noqa: F401  # pyright: ignore
from norce_order_async.receiving import Nothing4  # type: ignore[attr-defined]  # noqa: F401  # pyright: ignore
from norce_order_async.testing import Nothing5  # type: ignore[attr-defined]  # noqa: F401  # pyright: ignore
from norce_order_async.transport import Nothing6  # type: ignore[attr-defined]  # noqa: F401  # pyright: ignore


def faces(order: norce.models.Order, change: norce.batch.Change) -> None:
    """Faces are attributes of the package."""
    assert_type(order.id, str | None)
    assert_type(change.order_id, str)
