"""All promises of a transport: in one class, and those that hold over TLS as well in another."""

from typing import ClassVar

from norce_order_async.testing.conformance.cancelling import Cancelling
from norce_order_async.testing.conformance.connecting import Connecting
from norce_order_async.testing.conformance.exchange import Exchange
from norce_order_async.testing.conformance.leftovers import Leftovers
from norce_order_async.testing.conformance.life import Life
from norce_order_async.testing.conformance.reading import Reading
from norce_order_async.testing.conformance.responses import Responses
from norce_order_async.testing.conformance.tls import Tls


class TransportConformance(Exchange, Responses, Reading, Cancelling, Connecting, Tls, Life, Leftovers):
    """What every transport promises, tested over real sockets against servers that misbehave.

    Subclass it, say how your transport is made, and let pytest collect the subclass::

        class TestMine(TransportConformance):
            def make_transport(self, **settings: Any) -> Transport:
                return MyTransport(**settings)

    Each test runs in an event loop of its own and ends with a look at what is left: no task, and no socket.
    """


class TlsTransportConformance(Exchange, Responses, Reading, Cancelling, Life):
    """The same promises against servers that speak TLS: subclass it as well, in the same way.

    What :class:`TransportConformance` has about handshakes, certificates and proxies stands there only.
    """

    tls: ClassVar[bool] = True
