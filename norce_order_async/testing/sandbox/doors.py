"""What every door of the sandbox does with a request: the part that may wait."""

from norce_order_async.testing.sandbox.exchange import AdapterCall, AdapterReply, Answer, Arrival
from norce_order_async.testing.sandbox.service import OrderService


async def call_adapter(call: AdapterCall) -> AdapterReply:
    """Agree in the adapter's place: the sandbox calls nobody."""
    return AdapterReply(200)


async def answer(service: OrderService, arrival: Arrival, body: bytes) -> Answer:
    """Have a request answered, with the calls to adapters that this takes."""
    exchange = service.start(arrival, body)
    while exchange.answer is None:
        service.resume(exchange, [await call_adapter(call) for call in exchange.calls])
    return exchange.answer
