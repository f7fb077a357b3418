"""Errors in other hands: pickled, copied, and rebuilt from their ``args``, as queues of work do."""

import copy
import json
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import attrs
import pytest
from support import fail

from norce_order_async.batch.journal import EmptyJournal, JournalBusy
from norce_order_async.core import errors
from norce_order_async.core.errors import (
    ClientClosedError,
    ConfigurationError,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    DecodeError,
    InvalidRequestError,
    NorceOrderError,
    NotFoundError,
    NotTheApiError,
    StatusError,
    TokenError,
    TransportError,
)
from norce_order_async.core.outcome import Attempt, OutcomeKind
from norce_order_async.endpoints.consents import patch_consent
from norce_order_async.endpoints.pages import PagingError
from norce_order_async.endpoints.waiting import WaitTimeout
from norce_order_async.middleware.policy import RetryPolicy
from norce_order_async.receiving.errors import CallbackError
from norce_order_async.testing import FakeClock, Fault, NotRecordedError, Sandbox
from norce_order_async.wire.models import Order, ValidationError
from norce_order_async.wire.problems import ValidationFailedError


def account(error: Any) -> Any:
    """As a client writes it on an error."""
    error.operation, error.request_id, error.elapsed = "PatchCheckoutOrderConsent", "r-1", 0.1 + 0.2
    error.attempts = (
        Attempt(1, 0.0, 0.5, True, None, "ReadTimeout: slow", delay=0.25),
        Attempt(2, 1.0, status=503, retry_after=2),
    )
    error.outcome, error.retry_after, error.gave_up = OutcomeKind.UNKNOWN, 2.0, "the limit is 2 attempts"
    return error


PROBLEMS = [
    ValidationError(code="cart-empty", adapter_id="stock"),
    ValidationError(code="adapter", extra={"message": "å\n", "left": [1, 2.5, None]}),
]

ALL: list[NorceOrderError] = [
    account(ValidationFailedError(PROBLEMS, status=200, headers={"a": "b"}, body=b'{"errors": []}\xff')),
    ValidationFailedError([]),
    account(PagingError("3 pages in a row", b"{}")),
    account(WaitTimeout("not as wanted")),
    CallbackError("the body is too large", status=413),
    NotRecordedError("it is empty"),
    JournalBusy("the journal x cannot be written: locked"),
    EmptyJournal("the journal x is empty"),
    ConfigurationError("no token"),
    InvalidRequestError("body.a: NaN is not a JSON number"),
    errors.ClientStateError("the client is closed"),
    ClientClosedError("the client was closed"),
    TokenError("no"),
    ConnectTimeout("late", sent=False),
    account(DeadlineExceeded("out of time")),
    account(ClientClosedError("the client was closed")),
    account(DecodeError("the answer names no id", b"\xff{}")),
    account(ConnectionLost("cut", sent=None, status=200)),
    NotFoundError(404, code="order-not-found", message="Order with id:o_1 not found."),
    account(
        NotFoundError(
            404, headers={"date": "today"}, body=b'{"a":"\xc3\xa5\xff"}', code="order-not-found", message="å\n"
        )
    ),
    account(StatusError.class_for(302)(302, headers={"location": "/"})),
    NotTheApiError("HTTP 200, but it is HTML or XML: <html>", status=200, headers={"a": "b"}, body=b"\xff<html>"),
    account(NotTheApiError("HTTP 201, but its body is shaped like an error: {}", status=201, body=b"{}")),
    account(DecodeError("the answer is another one", b"[2]", [2, {"a": None}])),
    account(TokenError("no token from login.example: invalid_client")),
    account(errors.TLSError("the server's certificate is not accepted", sent=False)),
    account(errors.ProxyError("the proxy answered 407", sent=False)),
    account(errors.PoolTimeout("no free connection in time", sent=False)),
    account(errors.ReadTimeout("late", sent=True, status=200, content_type="application/json")),
    account(errors.RateLimitedError(429, headers={"retry-after": "2"}, body=b"slow down")),
    account(errors.ServerError(503)),
    account(errors.ConnectError("refused", sent=False)),
    errors.BadRequestError(400, code="bad", message="no"),
    errors.AuthenticationError(401),
    errors.PermissionDeniedError(403, text="not yours"),
    errors.ConflictError(409, body=b"{}"),
    account(errors.UnexpectedStatusError(999, body=bytes(range(256)))),
]

REBUILD: dict[str, Callable[[NorceOrderError], NorceOrderError]] = {
    "args": lambda error: type(error)(*error.args),
    "JSON": lambda error: type(error)(*json.loads(json.dumps(error.args))),
    "twice": lambda error: type(error)(*json.loads(json.dumps(type(error)(*error.args).args))),
    "pickle": lambda error: pickle.loads(pickle.dumps(error)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("way", REBUILD)
@pytest.mark.parametrize("error", ALL, ids=lambda error: f"{type(error).__name__}-{len(error.args)}")
def test_a_rebuilt_error_is_what_it_was(error: NorceOrderError, way: str) -> None:
    rebuilt = REBUILD[way](error)
    assert type(rebuilt) is type(error)
    assert str(rebuilt) == str(error)
    assert rebuilt.__dict__ == error.__dict__
    assert rebuilt.args == error.args


class SlottedError(TransportError):
    __slots__ = ("host", "port")
    host: str
    port: int


@attrs.define
class AttrsError(errors.CallError):
    host: str
    port: int = attrs.field(init=False)


@pytest.mark.parametrize("way", ["pickle", "copy", "deepcopy"])
@pytest.mark.parametrize("kind", [SlottedError, AttrsError])
def test_a_rebuilt_error_has_what_was_in_its_slots(kind: type[SlottedError | AttrsError], way: str) -> None:
    error = account(kind("a"))
    error.host = "a"
    rebuilt: Any = REBUILD[way](error)
    assert (type(rebuilt), rebuilt.host, hasattr(rebuilt, "port")) == (kind, "a", False)
    assert (rebuilt.__dict__, str(rebuilt)) == (error.__dict__, str(error))


@pytest.mark.parametrize("way", ["pickle", "copy", "deepcopy"])
def test_the_order_that_came_in_place_of_another_goes_with_its_error(way: str) -> None:
    error = account(DecodeError("the answer is another order, o_2", b"{}", Order(id="o_2", reference="r")))
    assert REBUILD[way](error).__dict__ == error.__dict__
    # JSON has no orders: its beginning is in the body.
    rebuilt = REBUILD["JSON"](error)
    assert (str(rebuilt), {**rebuilt.__dict__, "result": error.result}) == (str(error), error.__dict__)


def test_an_error_with_a_problem_that_is_deep_has_args() -> None:
    deep: Any = "bottom"
    for _ in range(100):
        deep = [deep]
    error = ValidationFailedError([ValidationError(code="a", extra={"deep": deep}), *PROBLEMS])
    again = type(error)(*error.args)
    assert (again.problems, str(again)) == ((ValidationError(code="a"), *PROBLEMS), str(error))
    assert pickle.loads(pickle.dumps(error)).problems == error.problems


def test_these_are_all_errors() -> None:
    found = {NorceOrderError}
    for _ in range(6):
        found |= {each for cls in found for each in cls.__subclasses__()}
    ours = {cls for cls in found if cls.__module__.startswith("norce_order_async.")}
    bases = {NorceOrderError, errors.CallError, TransportError, StatusError}
    assert ours - bases <= {type(error) for error in ALL}


@pytest.mark.parametrize(
    ("faults", "permanent"),
    [
        ((400,), True),
        ((404,), True),
        ((409,), True),
        ((429, 404), True),
        ((401,), False),
        ((403,), False),
        ((408,), False),
        ((425,), False),
        ((429,), False),
        ((503,), False),
        ((503, 404), False),  # unknown: the first one may have worked
        ((429, None), False),
    ],
)
async def test_an_error_is_permanent_where_the_call_is_refused_for_what_it_asks_for(
    faults: tuple[int | None, ...], permanent: bool
) -> None:
    sandbox = Sandbox()
    sandbox.faults.add(*(Fault.refuse(times=1) if each is None else Fault.status(each, times=1) for each in faults))
    async with sandbox.client(retry=RetryPolicy(max_attempts=len(faults)), clock=FakeClock()) as client:
        with pytest.raises(errors.CallError) as caught:
            await patch_consent(client, "o_1", "ci_terms", checked=True)
    error = caught.value
    assert [attempt.status for attempt in error.attempts] == list(faults)
    assert error.permanent is permanent
    assert type(error)(*json.loads(json.dumps(error.args))).permanent is permanent


def test_an_argument_that_is_wrong_stays_wrong() -> None:
    assert InvalidRequestError("no").permanent
    assert not errors.ClientStateError("closed").permanent
    assert not DeadlineExceeded("late").permanent


def test_an_error_comes_whole_out_of_another_process() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        for error in ALL:
            with pytest.raises(NorceOrderError) as caught:
                pool.submit(fail, error).result()
            assert type(caught.value) is type(error)
            assert str(caught.value) == str(error)
            assert {**caught.value.__dict__, "__notes__": None} == {**error.__dict__, "__notes__": None}


def test_the_text_alone_makes_an_error_too() -> None:
    error = NotFoundError("HTTP 404 order-not-found: no such order")
    assert (str(error), error.status) == ("HTTP 404 order-not-found: no such order", 404)
    assert str(NotFoundError("no such order")) == "no such order"
    # What cannot be written as JSON, Celery replaces by its repr.
    assert str(ConnectionLost("cut", "{'sent': True}")) == "cut"
    assert DecodeError("no", "{}").body == ""


def test_what_others_put_on_an_error_does_not_break_its_args() -> None:
    error = TransportError("cut", sent=True)
    error.__dict__["_of_a_monitor"] = object()
    error.add_note("in line 3")
    rebuilt = TransportError(*json.loads(json.dumps(error.args)))
    assert (str(rebuilt), rebuilt.sent, rebuilt.__notes__) == ("cut", True, ["in line 3"])
    error.args = ("other",)
    assert str(error) == "other"
