"""Drive the sandbox through all operations with what openapi-python-client makes of the contract.

    python -m contract_clients.generated

The generated client reads each answer by its schema. What was created is read back through it.
"""

import asyncio
import sys
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from subprocess import run
from typing import Any

from command import CLI
from contract_clients.openapi import document, write
from soak_injectors.programs import running

from norce_order_async.testing import SANDBOX_TOKEN

PACKAGE = "generated_order_client"


def generate(folder: Path) -> None:
    """Make the client's package in a folder."""
    contract = str(write(folder))
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--path", contract]
    run([*command, "--output-path", str(folder / PACKAGE)], check=True, capture_output=True)


class Client:
    """Calls operations of the generated client by operationId."""

    def __init__(self, url: str) -> None:
        module: Any = import_module(PACKAGE)
        self._client = module.AuthenticatedClient(base_url=url, token=SANDBOX_TOKEN)
        self.models: Any = import_module(f"{PACKAGE}.models")
        self.done: list[str] = []

    def __call__(self, operation: str, *ids: str, **arguments: Any) -> Any:
        """Make one call; the parsed body of its success."""
        name = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation)[1:]
        module: Any = import_module(f"{PACKAGE}.api.default.{name}")
        response = module.sync_detailed(*ids, client=self._client, x_merchant="norce", x_channel="1", **arguments)
        assert response.status_code < 300, (operation, response.status_code, response.content)
        self.done.append(operation)
        return response.parsed


def drive(call: Client) -> None:
    """Go through the life of an order."""
    models = call.models
    price = models.Price(including_vat=125.0, excluding_vat=100.0)
    cart = models.Cart(reference="cart-1", items=[models.Item(sku="A1", name="Shirt", quantity=1, price=price)])
    order = call("CreateCheckoutOrder", body=models.Order(merchant="", channel="", currency="SEK")).id
    call("UpdateCheckoutOrderCart", order, body=cart)
    address = models.Address(given_name="Ada", country="SE", email="ada@example.com")
    call("UpdateCheckoutOrderCustomerBilling", order, body=address)
    call("UpdateCheckoutOrderCustomerShipping", order, body=address)
    call("UpdateCheckoutOrderReference", order, body="R-1")
    attributes = models.Attributes.from_dict({"gift": True})
    call("PatchCheckoutOrderAttributes", order, body=attributes)
    consents(call, order)
    registrations(call, order)
    shippings(call, order, price)
    payments(call, order)
    status = models.OrderStatus.COMPLETED
    call("UpdateCheckoutOrderState", order, body=models.State(current_status=status))
    page = call("GetCheckoutOrders", status=[status], search="ada", order_by=models.OrderListOrderBy.CARTTOTAL)
    assert [found.id for found in page.data] == [order]
    assert (page.pagination.size, page.pagination.value_sum) == (1, 250.0)
    read = call("GetCheckoutOrder", order)
    assert read.to_dict() == page.data[0].to_dict()
    assert (read.reference, read.customer.billing, read.attributes) == ("R-1", address, attributes)
    assert [one.status for one in read.state.transitions] == [models.OrderStatus.CHECKOUT, status]
    call("DeleteCheckoutOrder", order)
    assert call("GetCheckoutOrders", search="ada").data == []


def consents(call: Client, order: str) -> None:
    consent = call.models.Consent
    for name in ("ci_a", "ci_b"):
        call("CreateCheckoutOrderConsent", order, body=consent(id=name, checked=False))
    call("PatchCheckoutOrderConsents", order, body=[consent(id="ci_a", checked=True)])
    call("PatchCheckoutOrderConsent", order, "ci_b", body=consent(checked=True))
    call("RemoveCheckoutOrderConsent", order, "ci_b")
    assert call("GetCheckoutOrder", order).consents == [consent(id="ci_a", checked=True)]


def registrations(call: Client, order: str) -> None:
    models = call.models
    url = "https://a.example/{order_id}"
    call("CreateCheckoutOrderValidation", order, body=models.Callback(adapter_id="a", url=url))
    call("CreateCheckoutOrderHook", order, body=models.Hook(adapter_id="a", subscribe_to="/cart", invoke=url))
    call("CreateCheckoutOrderNotification", order, body=models.Notification(adapter_id="a", scope="/state"))
    read = call("GetCheckoutOrder", order)
    validation = read.validations[0].id
    call("UpdateCheckoutOrderValidation", order, validation, body=models.Callback(adapter_id="b", url=url))
    assert call("GetCheckoutOrder", order).validations[0].adapter_id == "b"
    call("RemoveCheckoutOrderValidation", order, validation)
    call("DeleteCheckoutOrderHook", order, read.hooks[0].id)
    call("DeleteCheckoutOrderNotification", order, read.notifications[0].id)
    read = call("GetCheckoutOrder", order)
    assert (read.validations, read.hooks, read.notifications) == ([], [], [])


def shippings(call: Client, order: str, price: Any) -> None:
    shipping = call.models.Shipping(total=price, vat_rate=0.25, name="Home")
    made = call("CreateOrderShipping", order, body=shipping).id
    read = call("GetOrderShipping", order, made)
    read.state = call.models.ShippingState.CONFIRMED
    assert call("UpdateOrderShipping", order, made, body=read) == read
    assert call("GetOrderShippings", order) == [read]


def payments(call: Client, order: str) -> None:
    models = call.models
    made = call("CreateOrderPayment", order, body=models.Payment(amount=250.0, reference="psp-1")).id
    action = models.PaymentAction(adapter_id="psp", type_="capture", url="https://psp.example/capture")
    call("AddPaymentAction", order, made, body=[action])
    assert call("Validate", order) == []
    read = call("GetOrderPayment", order, made)
    call("ExecutePaymentAction", order, made, read.actions[0].id)
    posted = call(
        "AddTransactionForOrderPayment", order, made, body=models.PaymentTransaction(event=models.PaymentEvent.REFUND)
    )
    transactions = call("GetTransactionsForOrderPayment", order, made)
    assert [one.event for one in transactions] == [models.PaymentEvent.CAPTURE, models.PaymentEvent.REFUND]
    assert transactions[1] == posted
    read = call("GetOrderPayments", order)[0]
    assert read.state == models.PaymentState.CAPTURED
    assert call("UpdateOrderPayment", order, made, body=read) == read


async def main() -> int:
    if find_spec("openapi_python_client") is None:
        print("openapi-python-client is not installed: skipped")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        sys.path.insert(0, folder)
        async with running(*CLI, "sandbox", "--strict", "--port", "0", port=r"serves http://\S+:(\d+)/") as sandbox:
            client = Client(f"http://127.0.0.1:{sandbox.port}/checkout/order")
            await asyncio.to_thread(drive, client)
    operations = {row["operationId"] for path in document()["paths"].values() for row in path.values()}
    print(f"{len(client.done)} calls; {len(set(client.done))} of {len(operations)} operations succeeded")
    return 0 if set(client.done) == operations else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
