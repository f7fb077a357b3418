"""The structure of the package: who may import whom, what is exported, what an import loads."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from structure.imports import Graph, circles, climbing, modules

import norce_order_async

PACKAGE = Path(norce_order_async.__file__).parent

FLOORS = {
    0: {"core"},
    1: {"loops", "telemetry", "wire"},
    2: {"receiving", "transport"},
    3: {"auth", "sending"},
    4: {"middleware", "environ"},
    5: {"client"},
    6: {"endpoints"},
    7: {"batch", "testing", "web"},
    8: {"cli"},
    9: {"__main__", "__pyinstaller"},
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}


def imports() -> Graph:
    """What our modules import of each other; the face imports everything, and nothing imports the face."""
    return {name: targets for name, targets in modules(PACKAGE).items() if name != "__init__"}


def test_a_floor_imports_only_the_floors_below() -> None:
    assert not climbing(imports(), FLOOR_OF)


def test_no_import_closes_a_circle() -> None:
    assert not circles(imports())


def test_every_module_stands_on_a_floor() -> None:
    rooms = {path.name.removesuffix(".py") for path in PACKAGE.iterdir() if not path.name.startswith("__pycache__")}
    assert rooms - {"__init__", "__init__.pyi", "py.typed"} == FLOOR_OF.keys()


def test_every_export_exists_and_stands_once() -> None:
    exported = norce_order_async.__all__
    assert len(exported) == len(set(exported))
    for name in exported:
        assert getattr(norce_order_async, name) is not None
    assert set(exported) <= set(dir(norce_order_async))


def test_type_checkers_and_python_see_the_same_exports() -> None:
    tree = ast.parse((PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    typed = [
        (alias.name, node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    ]
    assert sorted(name for name, _ in typed) == sorted([*norce_order_async.__all__, "__version__"])
    for name, module in typed:
        assert getattr(import_module(module or ""), name) is getattr(norce_order_async, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="OrderCleint"):
        norce_order_async.OrderCleint  # type: ignore[attr-defined]  # noqa: B018  # pyright: ignore


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import norce_order_async", ["aiohttp", "attrs", "cattrs", "tenacity", "asyncio", "rich", "argparse"]),
        (
            "from norce_order_async.wire.table import ROWS",
            ["attrs", "cattrs", "asyncio", "norce_order_async.wire.models"],
        ),
        (
            "from norce_order_async import OPERATIONS; [operation.evidence for operation in OPERATIONS.values()]",
            ["aiohttp", "cattrs", "norce_order_async.wire.models"],
        ),
        ("from norce_order_async import OrderClient, delete_consent", ["aiohttp", "rich", "argparse"]),
        ("from norce_order_async.receiving import Receiver, parse_hook", ["aiohttp", "norce_order_async.client"]),
        (
            "from norce_order_async import OrderClient, run_batch",
            ["norce_order_async.testing", "norce_order_async.cli"],
        ),
        *(
            (
                f"from norce_order_async.cli.parser import build_parser; build_parser({words!r}).format_help()",
                ["aiohttp", "attrs", "cattrs", "asyncio", "tomllib", "norce_order_async.wire.models"],
            )
            for words in ([], ["order"], ["order", "list"], ["payment", "create"], ["batch", "run"])
        ),
    ],
)
def test_an_import_loads_nothing_that_it_does_not_need(statement: str, absent: list[str]) -> None:
    code = f"{statement}; import sys; print([name for name in {absent!r} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_testing_package_exports_what_it_says() -> None:
    from norce_order_async import testing

    for name in testing.__all__:
        assert getattr(testing, name) is not None


BEFORE = """
JSON NOT_SET UNSET Addon Address AiohttpTransport Attempt AttemptHook AuthError AuthenticationError BackOff
BadRequestError BaseError Batch Call CallError CallOptions Callback Cart Change ClientClosedError ClientCredentials
ClientStateError Clock ConfigurationError ConflictError ConnectError ConnectTimeout ConnectionLost Consent
CreateResponse Customer CustomerType DeadlineExceeded DecodeError DeleteConsent DeliveryDetails Discount
DiscountType Entry Environment Handler Hook HttptoolsTransport Input InputFile InvalidRequestError Item Journal
JournalReader Logistics Middleware Model NorceOrderError NotFoundError Notification Operation Order OrderClient
OrderListOrderBy OrderListOrderByDirection OrderPaginationSet OrderStatus OrderVersion Outcome OutcomeKind
Pagination PatchAttributes PatchConsent Payment PaymentAction PaymentEvent PaymentState PaymentTransaction
PaymentType PermissionDeniedError PickupLocation PickupLocationAddress PoolTimeout Price Problem Product ProductType
Progress ProxyError QueryValue RateLimitedError ReadTimeout Receipt Recurring Repeat Request Response RetryBudget
RetryPolicy Row Run Sample ServerError Shipping ShippingState State Stats StatusError Summary SystemClock TLSError
Timeout TokenPair TokenSource Tracing Transition Transport TransportError UnexpectedStatusError Unset Upsell
UpsellState UpsellTransaction ValidationError create_consent create_order delete_consent get_order json_as
passing_failure patch_attributes patch_consent read_changes receipt run_batch save_report write_html write_report
"""
TESTING_BEFORE = """
SANDBOX_TOKEN Answer FakeClock Fault FaultKind Faults Mishap Received Sandbox SandboxServer SandboxTransport
TransportConformance
"""


def test_no_public_name_of_before_is_missing() -> None:
    """Before the package was laid out in floors: a name may come to it, and none may go without a deprecation."""
    from norce_order_async import testing

    assert set(BEFORE.split()) <= set(norce_order_async.__all__)
    assert set(TESTING_BEFORE.split()) <= set(testing.__all__)
