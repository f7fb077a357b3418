"""The pytest plugin, in test runs of its own: under every plugin that runs async tests, and when a test fails."""

import asyncio

import pytest

# Loaded here, once, for all the runs.
from norce_order_async import AiohttpTransport, HttptoolsTransport, patch_consent
from norce_order_async.testing import Sandbox, SandboxServer

LOADED = (AiohttpTransport, HttptoolsTransport, patch_consent, Sandbox, SandboxServer)

pytest_plugins = ["pytester"]


CONFTEST = """
import pytest

pytest_plugins = ["norce_order_async.testing.plugin"]

@pytest.fixture
def anyio_backend():
    return "asyncio"
"""
COMMON = (
    "-W",
    "error",
    "-W",
    "ignore:Module already imported:pytest.PytestAssertRewriteWarning",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:hypothesispytest",
)
FUNCTION_LOOPS = ("-o", "asyncio_default_fixture_loop_scope=function")
SESSION_LOOP = ("-o", "asyncio_default_fixture_loop_scope=session", "-o", "asyncio_default_test_loop_scope=session")
STRICT = ("-o", "asyncio_mode=strict", *FUNCTION_LOOPS)
AUTO = ("-o", "asyncio_mode=auto", *FUNCTION_LOOPS)

EVERY_FIXTURE = """
import asyncio
import gc
from contextlib import closing

import pytest
from norce_order_async import AiohttpTransport, HttptoolsTransport, patch_consent

TRANSPORTS = {"aiohttp": AiohttpTransport, "httptools": HttptoolsTransport}

@pytest.fixture(params=["in process", *TRANSPORTS])
def norce_client_settings(request, norce_sandbox_server):
    if request.param == "in process":
        return {"merchant": "acme"}
    return {"merchant": "acme", "base_url": norce_sandbox_server.url, "transport": TRANSPORTS[request.param]()}

@pytest.fixture
def norce_sandbox(norce_sandbox):
    norce_sandbox.add_order("o_1", merchant="acme", consents=["ci_a"])
    return norce_sandbox

@MARK
@pytest.mark.parametrize("again", [1, 2])
async def test_each_has_a_client_of_its_own(norce_client, norce_sandbox, norce_faults, norce_clock, again):
    gc.collect()
    norce_faults.add("status:503:times=1")
    receipt = await patch_consent(norce_client, "o_1", "ci_a", checked=True)
    assert (receipt.attempts, norce_sandbox.count, len(norce_clock.slept)) == (2, 2, 1)
    assert norce_sandbox.order("o_1", merchant="acme")["consents"] == [{"id": "ci_a", "checked": True}]

@pytest.fixture
def loop_that_stands_still():
    with closing(asyncio.new_event_loop()) as loop:
        yield loop
    gc.collect()

def test_the_loop_stands_still_when_the_client_is_closed(loop_that_stands_still, norce_client):
    loop_that_stands_still.run_until_complete(patch_consent(norce_client, "o_1", "ci_a", checked=True))

def test_the_loop_was_closed_before_the_client(norce_client):
    with closing(asyncio.new_event_loop()) as loop:
        loop.run_until_complete(patch_consent(norce_client, "o_1", "ci_a", checked=True))
"""


@pytest.mark.parametrize(
    ("options", "mark"),
    [
        pytest.param(STRICT, "asyncio", id="asyncio strict"),
        pytest.param(AUTO, "filterwarnings('error')", id="asyncio auto"),
        pytest.param((*AUTO[:2], *SESSION_LOOP), "filterwarnings('error')", id="asyncio, one loop for the session"),
        pytest.param(("-p", "no:asyncio"), "anyio", id="anyio"),
        pytest.param((*STRICT, "-n", "1"), "asyncio", id="xdist"),
    ],
)
def test_it_works_with_every_runner_of_async_tests(
    pytester: pytest.Pytester, options: tuple[str, ...], mark: str
) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(EVERY_FIXTURE.replace("@MARK", f"@pytest.mark.{mark}"))
    result = pytester.runpytest(*COMMON, *options)
    result.assert_outcomes(passed=12)


IN_A_LOOP = """
import asyncio
import threading
from norce_order_async import get_order

def test_a_client_that_is_not_used(norce_client):
    asyncio.get_running_loop()

def test_a_client_that_is_used_in_another_thread(norce_client, norce_sandbox):
    norce_sandbox.add_order("o_1")
    thread = threading.Thread(target=lambda: asyncio.run(get_order(norce_client, "o_1")))
    thread.start()
    thread.join()
    assert norce_sandbox.requests[-1].status == 200
"""


def test_it_works_where_an_event_loop_runs_in_the_thread_of_pytest(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(IN_A_LOOP)

    async def run() -> pytest.RunResult:
        return pytester.runpytest(*COMMON, "-p", "no:asyncio")

    asyncio.run(run()).assert_outcomes(passed=2)


FAILING = """
import pytest
from norce_order_async import get_order, list_orders, patch_attributes
from norce_order_async.testing import Sandbox

@pytest.fixture
def shop():
    return Sandbox()

@pytest.mark.asyncio
async def test_that_fails(norce_client, norce_sandbox, norce_faults, shop):
    norce_sandbox.add_order("o_1")
    for _ in range(8):
        await get_order(norce_client, "o_1")
    norce_faults.add("drop-before:times=1")
    await patch_attributes(norce_client, "o_1", {"mail": "anna@example.com"})
    await list_orders(norce_client, billing_emails=["anna@example.com"], search="Anna")
    raise LookupError("as it should")

def test_that_passes(norce_sandbox):
    pass

@pytest.fixture
def broken(norce_sandbox):
    raise LookupError("in a fixture")

def test_whose_fixture_fails(broken, norce_sandbox):
    pass

@pytest.fixture
def ended(norce_sandbox):
    yield
    raise LookupError("after the test")

def test_whose_fixture_fails_at_its_end(ended):
    pass

@pytest.fixture(scope="module")
def whole():
    return Sandbox()

@pytest.fixture
def broken_too(whole):
    raise LookupError("in a fixture")

def test_whose_fixture_has_a_sandbox_of_the_module(broken_too):
    pass
"""


def test_what_the_sandbox_saw_is_in_the_report_without_a_value(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(FAILING)
    result = pytester.runpytest(*COMMON, "--tb=line", *STRICT)
    result.assert_outcomes(failed=1, passed=2, errors=3)
    result.stdout.fnmatch_lines(
        [
            "*norce_sandbox: the last 0 of 0 requests*",
            "(none)",
            "*norce_sandbox: the last 0 of 0 requests*",
            "*whole: the last 0 of 0 requests*",
            "*norce_sandbox: the last 10 of 11 requests*",
            *["GET /api/v0/checkout/orders/o_1 [[]norce/1[]] -> 200 carried out"] * 7,
            "PATCH /api/v0/checkout/orders/o_1/attributes [[]norce/1[]] {mail} -> cut off not carried out",
            "PATCH /api/v0/checkout/orders/o_1/attributes [[]norce/1[]] {mail} -> 200 carried out",
            "GET /api/v0/checkout/orders[?]billing_emails&search [[]norce/1[]] -> 200 carried out",
            "*shop: the last 0 of 0 requests*",
        ]
    )
    assert result.stdout.str().count("norce_sandbox: the last") == 3
    assert result.stdout.str().count("whole: the last") == 1
    for secret in ("nna", "sandbox-token"):
        result.stdout.no_fnmatch_line(f"*{secret}*")


def test_a_server_that_cannot_start_is_an_error_and_hangs_nobody(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(
        """
        import pytest
        from norce_order_async.testing import SandboxServer

        @pytest.fixture(autouse=True)
        def nothing_is_free(monkeypatch):
            async def start(server):
                raise OSError("no port is free")
            monkeypatch.setattr(SandboxServer, "start", start)

        def test_over_the_wire(norce_sandbox_server):
            pass
        """
    )
    result = pytester.runpytest(*COMMON, *STRICT)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*OSError: no port is free*"])
