"""No token, client secret or password is in anything that is shown: logs, reprs, pickles, local variables."""

import asyncio
import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sentry_sdk
import support
from command import run_code
from failing import CANARIES, CANCELLATIONS, FAILURES, TRANSPORTS
from raw_server import RawServer
from rich.traceback import Traceback
from sentry_sdk.envelope import Envelope
from sentry_sdk.scrubber import EventScrubber
from sentry_sdk.utils import event_from_exception
from support import TOKEN

from norce_order_async import (
    CallError,
    ConfigurationError,
    InvalidRequestError,
    NorceOrderError,
    OrderClient,
    RetryPolicy,
    Timeout,
    get_order,
    patch_attributes,
    validate,
)
from norce_order_async.testing.conformance.lines import forever
from norce_order_async.testing.conformance.origin import response_bytes

# Deprecated in new versions; what replaced it is not in old ones.
pytestmark = pytest.mark.filterwarnings("ignore:The send_default_pii option:DeprecationWarning")

EMAIL = "ada@canary.example"


SCRIPTS: dict[str, Any] = {
    "refused token": response_bytes(401, b'{"code": "unauthorized", "message": "no"}'),
    "server error": response_bytes(503, retry_after="0"),
    "garbage": b"\x00\xff\r\n\r\n",
    "cut": None,
    "redirect": response_bytes(302, location="https://elsewhere.example/"),
    "silence": forever,
    "not json": response_bytes(200, b"<html>"),
}


@pytest.mark.parametrize("name", SCRIPTS)
async def test_the_token_and_bodies_are_in_nothing_that_is_shown(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    async with RawServer(SCRIPTS[name]) as server:
        retry = RetryPolicy(max_attempts=2, wait=lambda state: 0)
        async with server.client(retry=retry, timeout=Timeout(attempt=0.5)) as client:
            shown.append(repr(client))
            for call in (
                get_order(client, "o_123"),
                patch_attributes(client, "o_123", {"email": EMAIL}),
            ):
                try:
                    await call
                except CallError as error:
                    shown += [repr(error), str(error), repr(error.__dict__), repr(error.__cause__)]
                    shown += traceback.format_exception(error)
                    shown.append(pickle.dumps(error).decode("latin-1"))
            shown.append(repr(client.stats()))
    assert any(TOKEN.encode() in request for request in server.requests)
    assert any(EMAIL.encode() in request for request in server.requests)
    for text in [*shown, caplog.text, *(repr(vars(record)) for record in caplog.records)]:
        assert TOKEN not in text
        assert EMAIL not in text


LONG = "canary-token/of+32=characters-77"


@pytest.mark.parametrize("escaped", ["", "/", "+="])
@pytest.mark.parametrize(
    ("status", "charset", "body"),
    [
        (401, "utf-8", '{"code": "unauthorized", "message": "Bearer %s is not known"}'),
        (401, "utf-16", '{"code": "unauthorized", "message": "Bearer %s is not known"}'),
        (400, "utf-8", '[{"code": "x", "message": "Bearer %s is not known"}]'),
        (404, "utf-8", "<p>Bearer %s is not known"),
        (200, "utf-8", "<p>Bearer %s is not known"),
    ],
)
async def test_a_token_that_the_answer_repeats_is_in_no_text_of_an_error(
    status: int, charset: str, body: str, escaped: str
) -> None:
    for token, told in ((LONG, "***"), ("is", "is")):  # a short one may be any word
        sent = token.replace("/", r"\/") if escaped == "/" else token
        for each in escaped.strip("/"):
            sent = sent.replace(each, rf"\u{ord(each):04X}")
        headers = {"content-type": f"text/plain; charset={charset}"}
        client, _, _ = support.scripted((status, headers, (body % sent).encode(charset)), auth=token)
        with pytest.raises(CallError) as caught:
            await validate(client, "o_123")
        assert f"Bearer {told} is not known" in str(caught.value)
        assert "canary" not in f"{caught.value!r} {getattr(caught.value, 'message', '')}"


# Local variables, as whatever renders them shows them


def chain(error: BaseException) -> Iterator[BaseException]:
    """An error with all that is reachable from it, also what a traceback would not show."""
    pending, seen = [error], list[BaseException]()
    while pending:
        each = pending.pop()
        if any(each is other for other in seen):
            continue
        seen.append(each)
        yield each
        pending += [other for other in (each.__cause__, each.__context__) if other is not None]
        if isinstance(each, BaseExceptionGroup):
            pending += each.exceptions  # pyright: ignore[reportUnknownMemberType]


def by_the_standard_library(error: BaseException) -> str:
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


def by_rich(error: BaseException) -> str:
    """The variables of its tracebacks as rich takes them apart and writes them, without the boxes around them."""
    trace = Traceback.extract(
        type(error), error, error.__traceback__, show_locals=True, locals_max_string=10**6, locals_max_length=1000
    )
    return "\n".join(
        f"{stack.exc_value} {name} = {node.render(max_width=10**6)}"
        for stack in trace.stacks
        for frame in stack.frames
        for name, node in (frame.locals or {}).items()
    )


def by_a_debugger(error: BaseException) -> str:
    """Each frame's variables with their reprs, and what the error and its attributes are."""
    shown = [repr(error), str(error), repr(error.args), repr(error.__dict__), repr(getattr(error, "__notes__", None))]
    for frame, _ in traceback.walk_tb(error.__traceback__):
        shown += [f"{name} = {value!r}" for name, value in frame.f_locals.items()]
    return "\n".join(shown)


class Captured(sentry_sdk.Transport):
    """Keeps what would be sent."""

    def __init__(self, options: dict[str, Any] | None = None) -> None:
        super().__init__(options)
        self.sent: list[bytes] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent.append(envelope.serialize())


def sentry_options(captured: Captured) -> dict[str, Any]:
    """All that Sentry can be told to show, with nothing taken out again by the names of variables."""
    return {
        "dsn": "https://key@sentry.example/1",
        "transport": captured,
        "include_local_variables": True,
        "send_default_pii": True,
        "max_value_length": 10**6,
        "event_scrubber": EventScrubber(denylist=[], pii_denylist=[]),
    }


def by_sentry(error: BaseException) -> str:
    client, captured = sentry()
    event, hint = event_from_exception(error, client_options=client.options)
    client.capture_event(event, hint)
    return captured.sent.pop().decode()


@cache
def sentry() -> tuple[sentry_sdk.Client, Captured]:
    captured = Captured()
    return sentry_sdk.Client(**sentry_options(captured), default_integrations=False), captured


RENDERERS = (by_the_standard_library, by_rich, by_a_debugger, by_sentry)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", FAILURES)
async def test_no_local_variable_of_an_error_shows_a_secret(
    kind: str, transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    error = await FAILURES[kind](TRANSPORTS[transport])
    assert isinstance(error, NorceOrderError)
    assert_no_error_shows(error)
    assert_no_canary(pickle.dumps(error).decode("latin-1"), "pickle")
    assert_no_canary(caplog.text + "".join(repr(vars(record)) for record in caplog.records), "log")


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", CANCELLATIONS)
async def test_no_local_variable_of_a_cancellation_shows_a_secret(kind: str, transport: str) -> None:
    assert_no_error_shows(await CANCELLATIONS[kind](TRANSPORTS[transport]))


GIVEN: dict[str, Any] = {"base_url": support.BASE_URL, "merchant": "norce", "channel": "1", "auth": TOKEN}
ENVIRON = {"NORCE_BASE_URL": support.BASE_URL, "NORCE_MERCHANT": "norce", "NORCE_CHANNEL": "1", "NORCE_TOKEN": TOKEN}
WRONG: dict[str, Callable[[], object]] = {
    "a number": lambda: OrderClient(**GIVEN, limit=0),
    "a header": lambda: OrderClient(**GIVEN, headers={"x-a": ""}),
    "a hook": lambda: OrderClient(**GIVEN, on_call=[3]),  # type: ignore[list-item]
    "the address": lambda: OrderClient(**dict(GIVEN, base_url="ftp://x")),
    "the token": lambda: OrderClient(**dict(GIVEN, auth=f"{TOKEN} ")),
    "no source": lambda: OrderClient(**dict(GIVEN, auth={"token": TOKEN})),
    "a view's token": lambda: OrderClient(**GIVEN).scoped(auth=f"Bearer {TOKEN}"),
    "a view's channel": lambda: OrderClient(**GIVEN).scoped(auth=TOKEN, channel=""),
    "a variable that is missing": lambda: OrderClient.from_env(ENVIRON | {"NORCE_CHANNEL": ""}),
    "a variable": lambda: OrderClient.from_env(ENVIRON | {"NORCE_BASE_URL": "x"}),
    "a file of authorities": lambda: OrderClient.from_env(ENVIRON | {"NORCE_CA_FILE": "/absent"}),
    "a proxy": lambda: OrderClient.from_env(ENVIRON | {"NORCE_BASE_URL": "https://x", "NORCE_PROXY": "ftp://x"}),
    "the token of a variable": lambda: OrderClient.from_env(ENVIRON | {"NORCE_TOKEN": f"{TOKEN} "}),
    "an override": lambda: OrderClient.from_env({}, **GIVEN, limit=0),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_no_local_variable_of_an_error_of_settings_shows_a_secret(wrong: str) -> None:
    with pytest.raises((ConfigurationError, InvalidRequestError)) as caught:
        WRONG[wrong]()
    assert_no_error_shows(caught.value)


def assert_no_error_shows(error: BaseException) -> None:
    """See that no renderer finds a secret in an error, or in what can be reached from it."""
    for each in chain(error):
        for render in RENDERERS:
            assert_no_canary(render(each), f"{render.__name__} of {type(each).__name__}")


def assert_no_canary(shown: str, where: str) -> None:
    for canary in CANARIES:
        at = shown.find(canary)
        assert at < 0, f"{where}: ...{shown[max(0, at - 200) : at + len(canary)]}"


def test_the_renderers_would_show_a_secret() -> None:
    def fail() -> None:
        token = TOKEN
        raise ValueError(len(token))

    with pytest.raises(ValueError, match="17") as caught:
        fail()
    for render in RENDERERS:
        assert TOKEN in render(caught.value)


# A program with Sentry in it, set up by nothing but its defaults and the wish for all that it can show


def test_no_event_of_a_program_with_sentry_holds_a_secret() -> None:
    """In a process of its own, because Sentry changes what other libraries do."""
    path = [str(Path(support.__file__).parent), str(Path(__file__).parent)]
    code = f"import sys; sys.path[:0] = {path!r}; import test_secrets; test_secrets.main()"
    run = run_code(code)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {"failures": len(FAILURES) * len(TRANSPORTS), "leaks": []}


def main() -> None:
    """Fail in every way, tell Sentry, and print which of the ways leaked."""
    logging.basicConfig(level=logging.DEBUG, stream=io.StringIO())
    captured = Captured()
    sentry_sdk.init(**sentry_options(captured), traces_sample_rate=1.0)
    failures = 0
    leaks: list[str] = []

    async def fail_in_every_way() -> None:
        nonlocal failures
        for name, transport in TRANSPORTS.items():
            for kind, fail in FAILURES.items():
                captured.sent.clear()
                with sentry_sdk.start_transaction(name=kind):
                    assert sentry_sdk.capture_exception(await fail(transport))
                failures += 1
                if any(canary.encode() in sent for canary in CANARIES for sent in captured.sent):
                    leaks.append(f"{kind}, {name}")

    asyncio.run(fail_in_every_way())
    print(json.dumps({"failures": failures, "leaks": leaks}))
