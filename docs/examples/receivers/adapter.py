"""An adapter that lets no order be processed before its terms are accepted."""

import logging
import os

from norce_order_async.models import OrderStatus
from norce_order_async.receiving import HookCall, Receiver, Reply, SharedSecret, allow, refuse

logging.basicConfig()  # on stderr: which requests are refused, and which handlers fail


async def on_hook(call: HookCall) -> Reply:
    """Answer the hooks on /state."""
    state = call.order.state
    if state is None or state.current_status != OrderStatus.PROCESSING:
        return allow()
    if any(consent.id == "terms" and consent.checked for consent in call.order.consents):
        return allow()
    return refuse("terms-not-accepted", "Accept the terms first.")


receiver = Receiver(on_hook=on_hook, secret=SharedSecret(os.environ["ADAPTER_SECRET"]))
