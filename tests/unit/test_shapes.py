"""A setting that would fail at its first use is refused when the client or the options are made."""

import math
import random
import ssl
import time
from fractions import Fraction
from functools import partial
from typing import Any

import pytest
from support import ScriptedTransport, scripted
from tenacity import (
    retry_all,
    retry_always,
    retry_any,
    retry_if_exception_type,
    retry_if_not_result,
    retry_if_result,
    retry_never,
    wait_fixed,
)
from tenacity.asyncio.retry import retry_if_exception

from norce_order_async import (
    AiohttpTransport,
    CallOptions,
    ConfigurationError,
    HttptoolsTransport,
    RetryBudget,
    RetryPolicy,
    Telemetry,
    TokenFile,
    delete_consent,
)
from norce_order_async.middleware import SystemClock
from norce_order_async.testing.clock import FakeClock
from norce_order_async.transport import HostResolver


async def later(*args: Any) -> None:
    """A hook that nobody would await."""


async def false(error: BaseException) -> bool:
    """What tenacity's asyncio strategies take."""
    return False


class Later:
    async def __call__(self, *args: Any) -> None:
        """The same as an object."""


_LATER: Any = later
_LATER_OBJECT: Any = Later()


class Watching:
    """An observer."""

    def call_started(self, *args: Any) -> None: ...

    attempt_started = attempt_ended = call_ended = call_started


class WatchingLater(Watching):
    async def attempt_started(self, *args: Any) -> None: ...  # type: ignore[override]


class Once:
    async def __call__(self, request: Any, call_next: Any) -> Any: ...


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("budget", 500, "must be a RetryBudget or None, got int"),
        ("budget", RetryBudget, "got the class RetryBudget"),
        ("retry", RetryPolicy, "got the class RetryPolicy"),
        ("transport", HttptoolsTransport, "got the class HttptoolsTransport"),
        ("transport", "aiohttp", r"send\(\) and aclose\(\), got str"),
        ("auth", TokenFile, "got the class TokenFile"),
        ("auth", {"get": "x"}, "got dict"),
        ("clock", time, "got module"),
        ("clock", 0, "got int"),
        ("random", 0, "got int"),
        ("random", random.Random, "got the class Random"),
        ("telemetry", Telemetry, "got the class Telemetry"),
        ("on_call", later, "must be a sequence, got an async function"),
        ("on_call", [later], "not async, got an async function"),
        ("on_call", [partial(later, 1)], "not async"),
        ("on_attempt", [print, Later()], "not async, got Later"),
        ("on_attempt", [3], "got int"),
        ("on_attempt", print, "must be a sequence"),
        ("call_middlewares", later, "must be a sequence"),
        ("call_middlewares", [Once], "got the class Once"),
        ("attempt_middlewares", [Once(), Once], "got the class Once"),
        ("observers", Watching(), "must be a sequence, got Watching"),
        ("observers", [Watching], "got the class Watching"),
        ("observers", [WatchingLater()], "none of them async, got WatchingLater"),
        ("observers", [Once()], r"call_started\(\), .*, got Once"),
    ],
)
def test_a_setting_that_would_fail_at_its_first_use_is_named(name: str, value: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} .*{says}"):
        scripted(**{name: value})


@pytest.mark.parametrize("kind", [AiohttpTransport, HttptoolsTransport])
@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("ssl_context", False, "got bool"),
        ("ssl_context", "ca.pem", "got str"),
        ("ssl_context", ssl.create_default_context, "got function"),
        ("resolver", None, "got NoneType"),
        ("resolver", print, r"HostResolver\(function\), got builtin_function_or_method"),
        ("resolver", HostResolver, "got the class HostResolver"),
    ],
)
def test_a_setting_of_a_transport_that_would_fail_at_its_first_use_is_named(
    kind: Any, name: str, value: Any, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be .*{says}"):
        kind(**{name: value})


@pytest.mark.parametrize("name", ["wait", "retry"])
@pytest.mark.parametrize(
    ("strategy", "says"),
    [
        (later, "got an async function"),
        (Later(), "got Later"),
        (retry_if_exception(false), "got retry_if_exception"),
        (wait_fixed, "got the class wait_fixed"),
        (retry_if_exception_type, "got the class retry_if_exception_type"),
        (3, "got int"),
    ],
)
def test_a_strategy_that_cannot_judge_is_refused(name: str, strategy: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be a tenacity strategy that is not async, {says}"):
        RetryPolicy(**{name: strategy})


@pytest.mark.parametrize(
    ("strategy", "says"),
    [
        (retry_any(retry_never, retry_if_exception(false)), "not async, got retry_if_exception"),
        (retry_all(retry_always, retry_any(retry_never, _LATER)), "not async, got an async function"),
        (retry_if_result(_LATER), "a predicate of retry must be a function that is not async, got an async function"),
        (retry_if_not_result(_LATER_OBJECT), "a predicate of retry must be a function that is not async, got Later"),
        (retry_if_result(_LATER) | retry_never, "a predicate of retry must be"),
    ],
)
def test_a_part_of_a_strategy_that_cannot_judge_is_refused(strategy: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        RetryPolicy(retry=strategy)


def test_what_can_be_called_is_a_setting() -> None:
    RetryPolicy(retry=retry_if_exception_type(ValueError) | retry_all(retry_if_result(callable), callable))
    scripted(
        transport=HttptoolsTransport(), clock=SystemClock, random=random, observers=[Watching()],
        on_call=[print, partial(print, 1)], on_attempt=(), call_middlewares=[Once(), later],
    )  # fmt: skip


async def test_what_has_a_length_of_0_is_a_setting_too() -> None:
    class Recorded(ScriptedTransport):
        def __len__(self) -> int:
            return len(self.requests)

    class Slept(FakeClock):
        def __len__(self) -> int:
            return len(self.slept)

    class Drawn(random.Random):
        def __len__(self) -> int:
            return 0

    transport, clock, drawn = Recorded(), Slept(), Drawn()
    client, _, _ = scripted(transport=transport, clock=clock, random=drawn)
    await delete_consent(client, "o_1", "ci")
    assert len(transport) == 1
    assert (client.clock, client.random) == (clock, drawn)


@pytest.mark.parametrize("name", ["on_attempt", "on_call", "on_response"])
@pytest.mark.parametrize("hook", [later, Later(), [print], 3, Later])
def test_a_hook_of_one_call_is_a_function_that_is_not_async(name: str, hook: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} must be a function that is not async"):
        CallOptions(**{name: hook})


def test_a_view_takes_no_class_for_a_source_of_tokens() -> None:
    with pytest.raises(ConfigurationError, match=r"auth .* got the class TokenFile"):
        scripted()[0].scoped(auth=TokenFile)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("grace", [None, "5", math.nan, True, Fraction(5), 10**400, 1e18])
async def test_a_grace_that_is_no_number_leaves_the_client_open(grace: Any) -> None:
    client, transport, _ = scripted()
    with pytest.raises(ConfigurationError, match="grace must be a number of seconds"):
        await client.aclose(grace=grace)
    await delete_consent(client, "o_1", "ci")
    await client.aclose(grace=-1)  # what is left of a time that is over
    assert transport.closed == 1
