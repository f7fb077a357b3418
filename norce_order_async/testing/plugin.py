"""A pytest plugin: a sandbox, a client of it, and what the sandbox saw when a test fails.

Switch it on in the ``conftest.py`` at the top, or in a test file::

    pytest_plugins = ["norce_order_async.testing.plugin"]

Every fixture is synchronous and made anew for each test, so that they work with every plugin that runs async tests, on
event loops of any scope, and with xdist.
"""

import asyncio
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import pytest

from norce_order_async.client import OrderClient
from norce_order_async.testing.clock import FakeClock
from norce_order_async.testing.listening import in_a_thread
from norce_order_async.testing.request_log import request_log
from norce_order_async.testing.sandbox import Sandbox
from norce_order_async.testing.sandbox.mishaps import Faults
from norce_order_async.testing.sandbox.server import SandboxServer

_Setup: TypeAlias = Generator[None, Any, Any]
_SANDBOXES = pytest.StashKey[dict[str, Sandbox]]()


@pytest.fixture
def norce_clock() -> FakeClock:
    """The clock of the client and of the sandbox: waits between attempts take no time."""
    return FakeClock()


@pytest.fixture
def norce_sandbox(norce_clock: FakeClock) -> Sandbox:
    """An empty sandbox, whose time stamps come from ``norce_clock``."""
    return Sandbox(wall=norce_clock.wall)


@pytest.fixture
def norce_faults(norce_sandbox: Sandbox) -> Faults:
    """What goes wrong in ``norce_sandbox``; nothing at first."""
    return norce_sandbox.faults


@pytest.fixture
def norce_sandbox_server(norce_sandbox: Sandbox) -> Iterator[SandboxServer]:
    """``norce_sandbox`` on a free port of this machine, served by a thread of its own; ``url`` is its address."""
    with in_a_thread(SandboxServer(norce_sandbox)) as server:
        yield server


@pytest.fixture
def norce_client_settings() -> dict[str, Any]:
    """Arguments of :class:`OrderClient` that ``norce_client`` is made with; none, unless you override this fixture."""
    return {}


@pytest.fixture
def norce_client(
    norce_sandbox: Sandbox, norce_clock: FakeClock, norce_client_settings: dict[str, Any]
) -> Iterator[OrderClient]:
    """A client of ``norce_sandbox``, in process, on ``norce_clock``. It is closed after the test."""
    settings: dict[str, Any] = {"clock": norce_clock, **norce_client_settings}
    client = norce_sandbox.client(**settings)
    yield client
    if not _is_loop_here():
        # In this thread, so that connections of event loops that do not run now are closed as well.
        _close(client)
    else:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(_close, client).result()


def _is_loop_here() -> bool:
    """Whether an event loop runs in this thread: that of a program that calls pytest."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _close(client: OrderClient) -> None:
    # With a factory, because the runner leaves the current event loop alone then: further tests may go on with it.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(client.aclose(grace=0))


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> _Setup:
    """Keep each sandbox that a fixture makes with the test, the module ... whose fixture it is."""
    value = yield
    if isinstance(value, Sandbox):
        request.node.stash.setdefault(_SANDBOXES, {})[fixturedef.argname] = value
    return value


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the last requests of every sandbox among the fixtures of a test that failed to its report."""
    report = yield
    if report.failed:
        report.sections += [request_log(name, sandbox) for name, sandbox in _sandboxes_of(item).items()]
    if report.when == "teardown":
        item.stash.setdefault(_SANDBOXES, {}).clear()
    return report


def _sandboxes_of(item: pytest.Item) -> dict[str, Sandbox]:
    """Those of its fixtures, also of fixtures that other fixtures asked for."""
    used: list[str] = getattr(item, "fixturenames", [])
    kept = [(node, node.stash.get(_SANDBOXES, dict[str, Sandbox]())) for node in item.listchain()]
    return {name: sandbox for node, each in kept for name, sandbox in each.items() if node is item or name in used}
