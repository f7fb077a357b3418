"""The public suite itself: it sees what is wrong with a transport."""

import asyncio
import re
from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest

from norce_order_async import AiohttpTransport, ConnectionLost
from norce_order_async.testing import TransportConformance, conformance
from norce_order_async.transport import Request, Response, Transport

pytest_plugins = ["pytester"]


class Wrapped(Transport):
    """As the one that we ship, but ..."""

    def __init__(self) -> None:
        self.inner = AiohttpTransport()

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        return await self.inner.send(request, timeout=timeout)

    async def aclose(self) -> None:
        await self.inner.aclose()


class SendsAgain(Wrapped):
    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        try:
            return await super().send(request, timeout=timeout)
        except ConnectionLost:
            return await super().send(request, timeout=timeout)


class SaysNotSent(Wrapped):
    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        try:
            return await super().send(request, timeout=timeout)
        except ConnectionLost as error:
            error.sent = False
            raise


class LetsOthersThrough(Wrapped):
    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        try:
            return await super().send(request, timeout=timeout)
        except ConnectionLost:
            raise ConnectionResetError from None


class ShowsTheToken(Wrapped):
    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        try:
            return await super().send(request, timeout=timeout)
        except ConnectionLost as error:
            raise error from ValueError(dict(request.headers))


class LeavesATask(Wrapped):
    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        self.task = asyncio.create_task(asyncio.Event().wait())
        return await super().send(request, timeout=timeout)


class DropsAHeader(Wrapped):
    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        response = await super().send(request, timeout=timeout)
        headers = {name: value for name, value in response.headers.items() if name != "location"}
        return Response(request, response.status, headers, response.body)


class KeepsCapitals(Wrapped):
    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        response = await super().send(request, timeout=timeout)
        headers = {name.title(): value for name, value in response.headers.items()}
        return Response(request, response.status, headers, response.body)


class ListensToNobody(Wrapped):
    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        try:
            return await super().send(request, timeout=timeout)
        except asyncio.CancelledError as error:
            raise ConnectionLost("cancelled", sent=True) from error


def suite_of(flawed: Callable[[], Transport]) -> TransportConformance:
    class Suite(TransportConformance):
        def make_transport(self, **settings: Any) -> Transport:
            return flawed()

    return Suite()


@pytest.mark.parametrize(
    ("flawed", "complaint"),
    [
        (SendsAgain, "one send was 2 requests|a TransportError was expected"),
        (SaysNotSent, "said to be not sent, but the server has it"),
        (LetsOthersThrough, "ConnectionResetError"),
        (ShowsTheToken, "the token stands in"),
        (LeavesATask, "tasks are left"),
    ],
)
def test_it_sees_what_is_wrong(flawed: Callable[[], Transport], complaint: str) -> None:
    suite = suite_of(flawed)
    with pytest.raises((AssertionError, OSError)) as caught:
        suite.test_one_send_is_one_request("PATCH", "closed", False)
    assert re.search(complaint, repr(caught.value))


def test_it_sees_a_cancellation_that_was_swallowed() -> None:
    with pytest.raises(AssertionError, match="a cancelled send ended otherwise"):
        suite_of(ListensToNobody).test_cancelling_ends_at_once_and_sends_nothing_more()


@pytest.mark.parametrize(
    ("flawed", "complaint"), [(DropsAHeader, "location"), (KeepsCapitals, "in lower case, and not .*'Location'")]
)
def test_it_sees_a_header_that_is_lost_or_has_another_name(flawed: Callable[[], Transport], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        suite_of(flawed).test_every_status_is_an_answer(201)


def test_a_promise_that_cannot_be_kept_is_an_expected_failure_with_its_reason(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from norce_order_async import AiohttpTransport, ReadTimeout
        from norce_order_async.testing import TransportConformance

        class Silent(AiohttpTransport):
            async def send(self, request, /, *, timeout):
                raise ReadTimeout("nothing", sent=False)

        class TestCannot(TransportConformance):
            cannot = {"test_silence_is_a_read_timeout": "it has no ears"}

            def make_transport(self, **settings):
                return Silent(**settings)

        class TestWrong(TestCannot):
            cannot = {"test_of_something_else": "no such test"}
        """
    )
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    result = pytester.runpytest("-rxE", "-k", "silence", "-p", "no:cacheprovider")
    result.assert_outcomes(xfailed=1, errors=1)
    result.stdout.fnmatch_lines(["*it has no ears*"])
    result.stdout.fnmatch_lines(["*names tests that do not exist*test_of_something_else*"])


def test_pytest_shows_both_sides_of_every_assert() -> None:
    loaded = [import_module(module.name) for module in iter_modules(conformance.__path__, f"{conformance.__name__}.")]
    assert [module.__name__ for module in loaded if "@pytest_ar" not in vars(module)] == []
