"""For your tests: an order API to try things on, without Norce and, if you like, without a network.

Nothing here is loaded before it is used, and nothing of the package's core imports it. The conformance suite
needs pytest; without it, its names are not listed.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from norce_order_async.core.lazy_names import LazyNames

if TYPE_CHECKING:
    from norce_order_async.testing.clock import FakeClock as FakeClock
    from norce_order_async.testing.conformance import (
        TlsTransportConformance as TlsTransportConformance,
        TransportConformance as TransportConformance,
    )
    from norce_order_async.testing.recording import (
        NotRecordedError as NotRecordedError,
        RecordingTransport as RecordingTransport,
    )
    from norce_order_async.testing.sandbox import SANDBOX_TOKEN as SANDBOX_TOKEN, Sandbox as Sandbox
    from norce_order_async.testing.sandbox.callbacks import Adapter as Adapter, Callbacks as Callbacks
    from norce_order_async.testing.sandbox.exchange import (
        AdapterCall as AdapterCall,
        AdapterExchange as AdapterExchange,
        AdapterReply as AdapterReply,
        ReceivedRequest as ReceivedRequest,
        SandboxResponse as SandboxResponse,
    )
    from norce_order_async.testing.sandbox.faults import Fault as Fault, FaultKind as FaultKind
    from norce_order_async.testing.sandbox.mishaps import Faults as Faults, Mishap as Mishap
    from norce_order_async.testing.sandbox.server import SandboxServer as SandboxServer
    from norce_order_async.testing.sandbox.transport import SandboxTransport as SandboxTransport

_NAMES = LazyNames(
    __name__,
    {
        "testing.clock": "FakeClock",
        "testing.conformance": "TlsTransportConformance TransportConformance",
        "testing.recording": "NotRecordedError RecordingTransport",
        "testing.sandbox": "SANDBOX_TOKEN Sandbox",
        "testing.sandbox.callbacks": "Adapter Callbacks",
        "testing.sandbox.exchange": "AdapterCall AdapterExchange AdapterReply ReceivedRequest SandboxResponse",
        "testing.sandbox.faults": "Fault FaultKind",
        "testing.sandbox.mishaps": "Faults Mishap",
        "testing.sandbox.server": "SandboxServer",
        "testing.sandbox.transport": "SandboxTransport",
    },
)
if find_spec("pytest") is None:  # `import *` and help() load all that is listed
    _NAMES.names = [name for name in _NAMES.names if not name.endswith("Conformance")]

if not TYPE_CHECKING:  # else every name would be taken for one of the module, and `import *` would bring none
    __all__ = _NAMES.names
    __getattr__, __dir__ = _NAMES.load, _NAMES.listed
