"""Only type-checked, never run: `import *` brings the names of the package and of its faces."""
# ruff: noqa: F403, F405

from typing import assert_type

from norce_order_async import *
from norce_order_async.batch import *
from norce_order_async.models import *
from norce_order_async.operations import *
from norce_order_async.receiving import *
from norce_order_async.testing import *


def stars(client: OrderClient, change: PatchConsent, order: Order, call: HookCall, sandbox: Sandbox) -> None:
    """A name of each."""
    assert_type(client.timeout, Timeout)
    assert_type(change.checked, bool)
    assert_type(order.id, str | None)
    assert_type(call.order, Order)
    assert_type(sandbox.client(), OrderClient)
    assert_type(Repeat("safe"), Repeat)
