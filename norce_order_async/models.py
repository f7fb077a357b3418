"""What the API sends and takes, as frozen values; one class for each schema of its contract.

Nothing here is loaded before it is used. :mod:`norce_order_async.wire.models` says how they read and write.
"""

from typing import TYPE_CHECKING

from norce_order_async.core.lazy_names import LazyNames

if TYPE_CHECKING:
    from norce_order_async.wire.json import JSON as JSON
    from norce_order_async.wire.json_text import (
        from_dict as from_dict,
        from_json as from_json,
        to_dict as to_dict,
        to_json as to_json,
    )
    from norce_order_async.wire.models import *  # noqa: F403

_NAMES = LazyNames(
    __name__,
    {
        "wire.json": "JSON",
        "wire.json_text": "from_dict from_json to_dict to_json",
        "wire.models": (
            "Addon Address BaseError Callback Cart Consent CreateResponse Customer CustomerType DeliveryDetails "
            "Discount DiscountType Hook Item Logistics Model NOT_SET Notification Order OrderListOrderBy "
            "OrderListOrderByDirection OrderPaginationSet OrderStatus OrderVersion Pagination Payment "
            "PaymentAction PaymentEvent PaymentState PaymentTransaction PaymentType PickupLocation "
            "PickupLocationAddress Price Product ProductType Recurring Shipping ShippingState State Transition "
            "Upsell UpsellState UpsellTransaction ValidationError"
        ),
    },
)

if not TYPE_CHECKING:  # else every name would be taken for one of the module, and `import *` would bring none
    __all__ = _NAMES.names
    __getattr__, __dir__ = _NAMES.load, _NAMES.listed
