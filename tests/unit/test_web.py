"""What a visitor is answered: total over the errors, and nothing in it that is not the visitor's."""

import json
import math
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import norce_order_async
from norce_order_async import (
    CallError,
    ClientClosedError,
    ClientStateError,
    InvalidRequestError,
    NorceOrderError,
    NotFoundError,
    OutcomeKind,
    RateLimitedError,
    ServerError,
    StatusError,
    ValidationFailedError,
    patch_consent,
    problem_details,
)
from norce_order_async.models import ValidationError
from norce_order_async.receiving import CallbackError
from norce_order_async.testing import Fault, Sandbox

PAGE = Path(__file__).parents[2] / "docs/web.md"
CANARY = "canary-7e1d"


def all_errors() -> list[type[NorceOrderError]]:
    for module in pkgutil.walk_packages(norce_order_async.__path__, "norce_order_async."):
        if not re.search(r"__main__|__pyinstaller|conformance|dask|cluster", module.name):
            import_module(module.name)

    def below(cls: type[NorceOrderError]) -> Iterator[type[NorceOrderError]]:
        yield cls
        for each in cls.__subclasses__():
            yield from below(each)

    return sorted(
        {cls for cls in below(NorceOrderError) if cls.__module__.startswith("norce_order_async.")},
        key=lambda cls: cls.__name__,
    )


def made(cls: type[NorceOrderError]) -> Any:
    """An error with a canary in everything that the API or a proxy said."""
    if issubclass(cls, ValidationFailedError):
        problem = ValidationError(code=f"{CANARY} {CANARY}", adapter_id=CANARY, extra={"message": CANARY})
        return cls([problem, ValidationError(code="cart-empty")], headers={"a": CANARY}, body=CANARY.encode())
    if issubclass(cls, StatusError):
        return cls(400, headers={"set-cookie": CANARY}, body=CANARY.encode(), code=CANARY, message=CANARY)
    return cls("" if issubclass(cls, InvalidRequestError) else CANARY)


@pytest.mark.parametrize("cls", all_errors(), ids=lambda cls: cls.__name__)
def test_every_error_has_an_answer_that_tells_no_secret(cls: type[NorceOrderError]) -> None:
    error = made(cls)
    error.outcome = OutcomeKind.UNKNOWN
    if isinstance(error, CallError):
        error.request_id, error.retry_after, error.gave_up = "r-1", 1.2, CANARY
    status, headers, body = problem_details(error)
    assert status in (400, 404, 409, 422, 429, 500, 502, 503, 504)
    assert headers.pop("Content-Type") == "application/problem+json"
    assert headers == ({"Retry-After": "2"} if status in (429, 503) and isinstance(error, CallError) else {})
    assert (body["status"], body["outcome"]) == (status, "unknown")
    assert CANARY not in json.dumps([headers, body])
    assert body.get("problems", []) == ([{"code": "cart-empty"}] if cls is ValidationFailedError else [])
    assert body.get("request_id", "") == ("r-1" if isinstance(error, CallError) else "")


@pytest.mark.parametrize("cls", [ClientStateError, ClientClosedError])
def test_a_client_in_the_wrong_state_is_not_told_as_a_server_that_stops(cls: type[NorceOrderError]) -> None:
    """A middleware that returns no response ends so, too."""
    status, _, body = problem_details(cls("a middleware returned NoneType"))
    assert (status, body["detail"]) == (503, "This server cannot carry out the request now.")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (0, "0"),
        (-5, "0"),
        (0.2, "1"),
        (90.0, "90"),
        (math.inf, "86400"),
        (1e300, "86400"),
        (math.nan, None),
        (None, None),
    ],
)
@pytest.mark.parametrize("error", [RateLimitedError(429), ServerError(503)], ids=["429", "503"])
def test_retry_after_is_a_whole_number_of_seconds(error: StatusError, asked: float | None, told: str | None) -> None:
    error.retry_after = asked
    assert problem_details(error)[1].get("Retry-After") == told


@pytest.mark.parametrize(("status", "answered"), [(500, 502), (502, 502), (503, 503), (504, 504), (599, 502)])
def test_a_failed_server_is_a_bad_gateway_or_what_it_says_itself(status: int, answered: int) -> None:
    assert problem_details(ServerError(status))[0] == answered


@pytest.mark.parametrize("status", [302, 401, 403, 405, 408, 418, 451])
def test_what_the_api_means_for_us_is_not_meant_for_the_visitor(status: int) -> None:
    assert problem_details(StatusError.class_for(status)(status))[0] == 502


@pytest.mark.parametrize(("status", "title"), [(415, "Unsupported Media Type"), (499, "Client Error")])
def test_what_is_no_callback_is_answered_with_its_own_status(status: int, title: str) -> None:
    answered, _, body = problem_details(CallbackError("x", status=status))
    assert (answered, body["status"], body["title"]) == (status, status, title)


async def test_the_answer_of_a_call_that_failed() -> None:
    sandbox = Sandbox()
    sandbox.add_order("o_1", consents=["ci"])
    sandbox.faults.add(Fault.status(429, retry_after=3000))
    async with sandbox.client() as client:
        with pytest.raises(RateLimitedError) as caught:
            await patch_consent(client, "o_1", "ci", checked=True)
        with pytest.raises(InvalidRequestError) as bad:
            await patch_consent(client, "o/1", "ci", checked=True)
    status, headers, body = problem_details(caught.value)
    assert (status, headers["Retry-After"], body["outcome"]) == (429, "3000", "rejected")
    status, headers, body = problem_details(bad.value)
    assert (status, body["outcome"], body["detail"]) == (400, "not_sent", str(bad.value))


def test_a_long_or_unprintable_argument_makes_a_short_line() -> None:
    detail = problem_details(InvalidRequestError("bad \ud800\n" + 9999 * "x"))[2]["detail"]
    assert isinstance(detail, str)
    assert detail.isprintable()
    assert len(detail) == 300


def test_an_error_of_an_app_s_own_is_answered_as_its_base() -> None:
    class NoSuchShop(NotFoundError):
        pass

    assert problem_details(NoSuchShop(404))[0] == 404


def test_the_page_s_table_is_what_is_answered() -> None:
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+)[^|]*\| (\d{3}) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = {name: int(status) for names, status in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == {cls.__name__: problem_details(made(cls))[0] for cls in all_errors() if cls.__name__ in told}
    assert {cls.__name__ for cls in all_errors()} - told.keys() == {"EmptyJournal", "JournalBusy", "NotRecordedError"}


def test_an_error_of_others_is_refused() -> None:
    error: Any = ValueError("x")
    with pytest.raises(TypeError, match="must be a NorceOrderError, got ValueError"):
        problem_details(error)
