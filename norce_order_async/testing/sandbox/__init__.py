"""The sandbox: the order API, emulated.

What a request does is in :mod:`~norce_order_async.testing.sandbox.handlers`, how it comes in is in ``transport`` (in
process) and ``server`` (sockets), and :class:`Sandbox` is what tests use.
"""

from norce_order_async.testing.sandbox.sandbox import Sandbox
from norce_order_async.testing.sandbox.service import SANDBOX_TOKEN

__all__ = ["SANDBOX_TOKEN", "Sandbox"]
