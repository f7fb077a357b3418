"""What the logging of a program raises changes nothing of a call or a batch."""

import asyncio
import logging
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from support import Hanging, scripted

from norce_order_async import (
    CallOptions,
    DeadlineExceeded,
    NorceOrderError,
    OutcomeKind,
    StatusError,
    Timeout,
    delete_consent,
)
from norce_order_async.batch import DeleteConsent, run_batch
from norce_order_async.middleware import Call
from norce_order_async.transport import Request, Response


def fail(*_: object, **__: object) -> Any:
    raise LookupError("a defect of the program")


class Failing(logging.Handler):
    emit = fail


@pytest.fixture(params=["filter", "handler", "factory", "closed stderr"])
def failing(
    request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A program whose logging raises, with lines of every level."""
    caplog.set_level(logging.DEBUG, "norce_order_async")
    logger, handler, factory = logging.getLogger("norce_order_async"), Failing(), logging.getLogRecordFactory()
    if request.param == "filter":
        logger.addFilter(fail)
    elif request.param == "factory":
        logging.setLogRecordFactory(fail)
    else:
        logger.addHandler(handler)
    if request.param == "closed stderr":
        closed = StringIO()
        closed.close()
        monkeypatch.setattr("sys.stderr", closed)
    yield
    logger.removeFilter(fail)
    logger.removeHandler(handler)
    logging.setLogRecordFactory(factory)


@pytest.mark.usefixtures("failing")
async def test_a_call_ends_as_it_does_otherwise() -> None:
    told: list[tuple[OutcomeKind, int]] = []

    def note(call: Call, error: BaseException | None) -> None:
        told.append((call.outcome, len(call.attempts)))

    client, _, _ = scripted(200, 503, on_call=[note])
    await delete_consent(client, "o_1", "ci")
    with pytest.raises(StatusError) as caught:
        await delete_consent(client, "o_1", "ci")
    assert (caught.value.outcome, caught.value.status) == (OutcomeKind.UNKNOWN, 503)
    assert told == [(OutcomeKind.APPLIED, 1), (OutcomeKind.UNKNOWN, 3)]
    assert client.stats().calls == 2


@pytest.mark.usefixtures("failing")
async def test_a_call_that_is_cut_ends_as_it_does_otherwise() -> None:
    told: list[OutcomeKind] = []

    def note(call: Call, error: BaseException | None) -> None:
        told.append(call.outcome)

    client, _, _ = scripted(transport=Hanging(), on_call=[note])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await delete_consent(client, "o_1", "ci")
    with pytest.raises(DeadlineExceeded) as caught:
        await delete_consent(client, "o_1", "ci", options=CallOptions(timeout=Timeout(total=0.01)))
    assert caught.value.outcome is OutcomeKind.UNKNOWN
    assert told == [OutcomeKind.UNKNOWN] * 2
    assert client.stats().calls == 2


@pytest.mark.usefixtures("failing")
async def test_a_batch_goes_on() -> None:
    client, _, _ = scripted(503, 200)
    changes = [DeleteConsent(f"o_{n}", "ci") for n in range(5)]
    ended = [outcome.outcome async for outcome in run_batch(client, changes, concurrency=1)]
    assert ended == [OutcomeKind.APPLIED] * 5


@pytest.mark.parametrize("shows", [True, False])
@pytest.mark.usefixtures("failing")
async def test_it_is_told_as_logging_tells_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shows: bool
) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", shows)
    client, _, _ = scripted(200)
    await delete_consent(client, "o_1", "ci")
    told = capsys.readouterr().err
    assert told.count("LookupError: a defect of the program") == told.count("--- Logging error ---") == int(shows)


@pytest.mark.usefixtures("failing")
async def test_no_text_of_a_foreign_error_is_told_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    def foreign(request: Request) -> Response:
        raise ValueError("Bearer secret")

    client, _, _ = scripted(foreign)
    with pytest.raises(NorceOrderError):
        await delete_consent(client, "o_1", "ci")
    told = capsys.readouterr().err
    assert "a defect of the program" in told
    assert "secret" not in told


async def test_a_record_names_the_function_that_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "norce_order_async")
    client, _, _ = scripted(200)
    await delete_consent(client, "o_1", "ci")
    assert [(record.filename, record.funcName) for record in caplog.records] == [("log.py", "log_attempt")]
