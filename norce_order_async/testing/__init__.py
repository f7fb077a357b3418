"""For your tests: an order API to try things on, without Norce and, if you like, without a network.

Nothing here is loaded before it is used, and nothing of the package's core imports it. The conformance suite
needs pytest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from norce_order_async.testing.clock import FakeClock
    from norce_order_async.testing.conformance import TlsTransportConformance, TransportConformance
    from norce_order_async.testing.recording import NotRecordedError, RecordingTransport
    from norce_order_async.testing.sandbox import SANDBOX_TOKEN, Sandbox
    from norce_order_async.testing.sandbox.callbacks import Adapter, Callbacks
    from norce_order_async.testing.sandbox.exchange import AdapterCall, AdapterReply, Answer, Called, Received
    from norce_order_async.testing.sandbox.faults import Fault, FaultKind, Faults, Mishap
    from norce_order_async.testing.sandbox.server import SandboxServer
    from norce_order_async.testing.sandbox.transport import SandboxTransport

__all__ = [
    "SANDBOX_TOKEN",
    "Adapter",
    "AdapterCall",
    "AdapterReply",
    "Answer",
    "Callbacks",
    "Called",
    "FakeClock",
    "Fault",
    "FaultKind",
    "Faults",
    "Mishap",
    "NotRecordedError",
    "Received",
    "RecordingTransport",
    "Sandbox",
    "SandboxServer",
    "SandboxTransport",
    "TlsTransportConformance",
    "TransportConformance",
]

_EXPORTS = {
    "clock": "FakeClock",
    "conformance": "TlsTransportConformance TransportConformance",
    "recording": "NotRecordedError RecordingTransport",
    "sandbox.callbacks": "Adapter Callbacks",
    "sandbox.exchange": "AdapterCall AdapterReply Answer Called Received",
    "sandbox.faults": "Fault FaultKind Faults Mishap",
    "sandbox": "SANDBOX_TOKEN Sandbox",
    "sandbox.server": "SandboxServer",
    "sandbox.transport": "SandboxTransport",
}
_MODULES = {name: f"{__name__}.{module}" for module, names in _EXPORTS.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value
