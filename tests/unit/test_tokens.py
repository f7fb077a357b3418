"""Where tokens come from: when they are replaced, how rarely the endpoint is asked, and that no secret shows."""

import asyncio
import json
import logging
import os
import pickle
import threading
import traceback
from base64 import b64decode
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import given, strategies as st
from support import PACKAGE, Answer, ScriptedTransport, scripted

from norce_order_async import (
    AuthenticationError,
    ClientCredentials,
    ClientStateError,
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    Environment,
    OutcomeKind,
    TokenError,
    TokenPair,
    TokenSource,
    delete_consent,
)
from norce_order_async.testing import FakeClock
from norce_order_async.testing.conformance.base import settle
from norce_order_async.transport import Request, Response, Transport

URL = "https://acme.api-se.stage.norce.tech/identity/1.0/connect/token"
SECRET = "canary-secret-77"
CANARY = "canary-token"


def issue(lifetime: object = 3600) -> Callable[[Request], Response]:
    """An endpoint that gives ``canary-token-1``, ``canary-token-2`` ..."""
    numbers = count(1)

    def answer(request: Request) -> Response:
        members = {"access_token": f"{CANARY}-{next(numbers)}", "expires_in": lifetime, "token_type": "Bearer"}
        return Response(request, 200, {}, json.dumps(members).encode())

    return answer


def credentials(*script: Answer, **settings: Any) -> tuple[ClientCredentials, ScriptedTransport, FakeClock]:
    transport, clock = ScriptedTransport(*script), FakeClock()
    default: dict[str, Any] = {"token_url": URL, "client_id": "id", "client_secret": SECRET, "transport": transport}
    default |= {"clock": clock} | settings
    return ClientCredentials(**default), transport, clock


def accepting(*tokens: str) -> Callable[[Request], Response]:
    """An API that takes these tokens."""
    return lambda request: Response(request, 200 if request.headers["Authorization"][7:] in tokens else 401)


def sent(transport: ScriptedTransport) -> list[str]:
    return [request.headers["Authorization"].removeprefix("Bearer ") for request in transport.requests]


# The pair


async def test_fifty_refused_calls_move_to_the_secondary_once() -> None:
    pair: TokenSource = TokenPair("one", "two")
    client, transport, _ = scripted(accepting("two"), auth=pair)
    receipts = await asyncio.gather(*(delete_consent(client, f"o_{n}", "ci") for n in range(50)))
    assert {receipt.attempts for receipt in receipts} == {2}
    assert sent(transport) == ["one"] * 50 + ["two"] * 50
    assert (await delete_consent(client, "o_1", "ci")).attempts == 1


async def test_two_refused_tokens_cost_one_try_of_the_other_a_minute() -> None:
    clock = FakeClock()
    client, transport, _ = scripted(401, auth=TokenPair("one", "two", clock=clock))
    requests: list[int] = []
    for now in (0, 0, 59, 61, 62, 119, 122):
        clock.now = now
        made = len(transport.requests)
        with pytest.raises(AuthenticationError):
            await delete_consent(client, "o_1", "ci")
        requests.append(len(transport.requests) - made)
    assert requests == [2, 1, 1, 2, 1, 1, 2]


async def test_each_token_can_be_changed_while_the_other_works() -> None:
    clock = FakeClock()
    client, transport, _ = scripted(accepting("two"), auth=TokenPair("one", "two", clock=clock))
    await delete_consent(client, "o_1", "ci")
    clock.now = 3600
    transport.script = [accepting("one")]
    assert (await delete_consent(client, "o_1", "ci")).attempts == 2
    assert sent(transport)[-2:] == ["two", "one"]


@pytest.mark.parametrize("good", ["one", "two"])
async def test_a_merchant_that_no_token_is_for_moves_nobody_to_another_token(good: str) -> None:
    def api(request: Request) -> Response:
        ours = request.headers["x-merchant"] == "norce"
        return Response(request, 200 if ours and request.headers["Authorization"] == f"Bearer {good}" else 401)

    clock = FakeClock()
    client, transport, _ = scripted(api, auth=TokenPair("one", "two", clock=clock))
    other = client.scoped(merchant="other")
    await delete_consent(client, "o_1", "ci")
    for start, tries in ((1, 1 if good == "two" else 2), (30, 1), (100, 2), (101, 1)):
        clock.now = start
        made = len(transport.requests)
        with pytest.raises(AuthenticationError):
            await delete_consent(other, "o_1", "ci")
        assert len(transport.requests) - made == tries
        receipts = await asyncio.gather(*(delete_consent(client, f"o_{n}", "ci") for n in range(10)))
        assert {receipt.attempts for receipt in receipts} == {1}


async def test_many_calls_that_are_refused_with_both_tokens_leave_the_others_with_theirs() -> None:
    client, transport, _ = scripted(accepting("one"), auth=TokenPair("one", "two"))
    transport.script = [401]
    calls = (delete_consent(client, f"o_{n}", "ci") for n in range(20))
    assert {type(ended) for ended in await asyncio.gather(*calls, return_exceptions=True)} == {AuthenticationError}
    assert sent(transport) == ["one"] * 20 + ["two"] * 20
    transport.script = [accepting("one")]
    assert (await delete_consent(client, "o_1", "ci")).attempts == 1


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from([None, "one", "two", "old"])), max_size=30))
def test_a_pair_never_moves_to_a_token_refused_within_a_minute(events: list[tuple[float, str | None]]) -> None:
    async def run() -> None:
        clock = FakeClock()
        pair = TokenPair("one", "two", clock=clock)
        current, refused = "one", dict[str | None, float]()
        for delay, rejected in events:
            clock.now += delay
            token = await pair.get(rejected=rejected)
            if rejected == current:
                refused[rejected] = clock.now
            if token != current:
                assert rejected == current
                assert token not in refused or clock.now - refused[token] >= 60
            current = token

    asyncio.run(run())


@pytest.mark.parametrize("pair", [("xyz", "xyz"), ("", "two"), ("xyz", "x\nyz"), ("Bearer xyz", "two"), (1, "two")])
def test_what_is_no_pair(pair: tuple[Any, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        TokenPair(*pair)
    assert "yz" not in str(caught.value)


# Client credentials: when a token is asked for


async def test_the_request_is_the_documented_form() -> None:
    source, transport, _ = credentials(issue(), scope="stage", client_secret="s&=é +")
    assert await source.get() == f"{CANARY}-1"
    (request,) = transport.requests
    assert (request.method, request.url) == ("POST", URL)
    assert request.headers == {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }
    body = b"grant_type=client_credentials&scope=stage&client_id=id&client_secret=s%26%3D%C3%A9+%2B"
    assert request.body == body
    assert transport.timeouts == [10.0]


@pytest.mark.parametrize(
    ("environment", "url", "scope"),
    [
        (Environment.PLAYGROUND, "https://acme.api-se.playground.norce.tech/identity/1.0/connect/token", "playground"),
        (Environment.STAGE, "https://acme.api-se.stage.norce.tech/identity/1.0/connect/token", "stage"),
        (Environment.PRODUCTION, "https://acme.api-se.norce.tech/identity/1.0/connect/token", "prod"),
    ],
)
def test_addresses_and_scopes_of_norce(environment: Environment, url: str, scope: str) -> None:
    source = ClientCredentials.for_norce(environment, "acme", client_id="id", client_secret=SECRET)
    assert (source.token_url, source.scope) == (url, scope)
    other = ClientCredentials.for_norce(environment, "acme", client_id="id", client_secret=SECRET, scope="a b")
    assert other.scope == "a b"
    text: Any = environment.value
    assert ClientCredentials.for_norce(text, "acme", client_id="id", client_secret=SECRET).scope == scope


def test_an_environment_that_norce_does_not_have() -> None:
    absent: Any = "test"
    with pytest.raises(ConfigurationError, match="environment 'test' is none of playground, stage, production"):
        ClientCredentials.for_norce(absent, "acme", client_id="id", client_secret=SECRET)


@pytest.mark.parametrize("place", [(None, "acme"), (Environment.STAGE, None)])
def test_the_address_of_norce_needs_an_environment_and_a_slug(place: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^for_norce needs an environment and a slug$"):
        ClientCredentials.for_norce(*place, client_id="id", client_secret=SECRET)


async def test_a_token_serves_until_it_expires() -> None:
    source, transport, clock = credentials(issue(lifetime=100))
    assert {await source.get() for _ in range(10)} == {f"{CANARY}-1"}
    clock.now = 100
    assert await source.get() == f"{CANARY}-2"
    assert len(transport.requests) == 2


async def test_callers_do_not_wait_for_an_early_refresh() -> None:
    begins: list[int] = []
    for _ in range(50):
        source, transport, clock = credentials(issue(lifetime=100))
        await source.get()
        while len(transport.requests) == 1:
            clock.now += 1
            assert await source.get() == f"{CANARY}-1"
            await settle(20)
        begins.append(int(clock.now))
        assert await source.get() == f"{CANARY}-2"
        assert len(transport.requests) == 2
    assert 80 <= min(begins) < 84
    assert 86 < max(begins) <= 90


async def test_while_an_early_refresh_fails_the_old_token_serves() -> None:
    source, transport, clock = credentials(issue(lifetime=100), 503)
    await source.get()
    for now in range(1, 100):
        clock.now = max(clock.now, now)
        assert await source.get() == f"{CANARY}-1"
        await settle(20)
        if clock.now >= 99:
            break
    assert 2 <= len(transport.requests) <= 8
    clock.now = 101
    with pytest.raises(TokenError, match="HTTP 503"):
        await source.get()


@pytest.mark.parametrize("callers", [1, 50, 1000])
async def test_one_request_for_all_who_wait(callers: int) -> None:
    source, transport, clock = credentials(issue())
    tokens = await asyncio.gather(*(source.get() for _ in range(callers)))
    assert set(tokens) == {f"{CANARY}-1"}
    assert len(transport.requests) == 1
    clock.now = 60
    tokens = await asyncio.gather(*(source.get(rejected=f"{CANARY}-1") for _ in range(callers)))
    assert set(tokens) == {f"{CANARY}-2"}
    assert len(transport.requests) == 2
    assert await source.get(rejected=f"{CANARY}-1") == f"{CANARY}-2"
    assert len(transport.requests) == 2


async def test_a_call_with_a_refused_token_gets_a_new_one() -> None:
    source, endpoint, clock = credentials(issue())
    client, api, _ = scripted(accepting(f"{CANARY}-1"), auth=source)
    await delete_consent(client, "o_1", "ci")
    api.script = [accepting(f"{CANARY}-2")]
    clock.now = 60
    done = await asyncio.gather(*(delete_consent(client, f"o_{n}", "ci") for n in range(1000)))
    assert {receipt.outcome for receipt in done} == {OutcomeKind.APPLIED}
    assert len(endpoint.requests) == 2


async def test_a_new_token_that_is_refused_stands_and_others_go_on_with_it() -> None:
    source, endpoint, clock = credentials(issue())
    client, api, _ = scripted(401, auth=source)
    for now in (0, 0, 10, 19.9):
        clock.now = now
        with pytest.raises(AuthenticationError):
            await delete_consent(client, "o_1", "ci")
    assert (len(endpoint.requests), len(api.requests)) == (1, 4)
    assert await source.get() == f"{CANARY}-1"
    clock.now = 20
    with pytest.raises(AuthenticationError):
        await delete_consent(client, "o_1", "ci")
    assert (len(endpoint.requests), len(api.requests)) == (2, 6)


async def test_an_endpoint_that_gives_the_same_token_again_ends_it() -> None:
    source, transport, clock = credentials((200, {}, b'{"access_token": "same", "expires_in": 3600}'))
    await source.get()
    clock.now = 60
    assert await source.get(rejected="same") == "same"
    assert len(transport.requests) == 2


async def test_a_lifetime_below_the_interval() -> None:
    source, transport, clock = credentials(issue(lifetime=5))
    await source.get()
    clock.now = 6
    with pytest.raises(TokenError, match="too new for another; the next request is 14 s away"):
        await source.get()
    clock.now = 11
    assert await source.get() == f"{CANARY}-2"
    assert [round(delay) for delay in clock.slept] == [9]
    assert len(transport.requests) == 2


# Client credentials: what RFC 6749 lets an endpoint look like


async def test_the_secret_by_http_basic() -> None:
    """RFC 6749 section 2.3.1: id and secret are encoded as in a form before they are put together."""
    source, transport, _ = credentials(
        issue(), client_id="a:b c", client_secret="s&=é +", scope="stage", auth_method="client_secret_basic"
    )
    await source.get()
    (request,) = transport.requests
    assert request.body == b"grant_type=client_credentials&scope=stage"
    scheme, _, encoded = request.headers["Authorization"].partition(" ")
    assert (scheme, b64decode(encoded)) == ("Basic", b"a%3Ab+c:s%26%3D%C3%A9+%2B")
    assert encoded not in repr(request)


async def test_further_parameters_and_a_query_are_sent() -> None:
    parameters = {"audience": "https://api.example/", "resource": ["urn:a", "urn:b&c"]}
    source, transport, _ = credentials(issue(), token_url=f"{URL}?p=canary", parameters=parameters)
    await source.get()
    (request,) = transport.requests
    assert request.url == f"{URL}?p=canary"
    assert request.body == (
        b"grant_type=client_credentials&audience=https%3A%2F%2Fapi.example%2F"
        b"&resource=urn%3Aa&resource=urn%3Ab%26c&client_id=id&client_secret=canary-secret-77"
    )
    assert "canary" not in repr(source)


@pytest.mark.parametrize(
    ("members", "lifetime"),
    [
        ('"expires_in": 100', 100),
        ('"expires_in": "100"', 100),
        ('"expires_in": " 100 "', 100),
        ('"expires_in": "99.5"', 99.5),
        ('"expires_in": 99.5', 99.5),
        ('"expires_in": 1E2', 100),
        ('"expires_in": null', 3600),
        ('"scope": "other"', 3600),
        (f'"expires_in": "{"9" * 5000}"', 1e9),
        (f'"expires_in": 1E{"9" * 3}', 1e9),
        ('"expires_in": 100, "token_type": "bEaReR", "refresh_token": "r", "scope": "a b", "error": null', 100),
    ],
)
@pytest.mark.parametrize("head", ["", "\ufeff"])
async def test_how_long_a_token_serves(members: str, lifetime: float, head: str) -> None:
    body = f'{head}{{"access_token": "{CANARY}", {members}}}'.encode()
    source, transport, clock = credentials((200, {}, body))
    await source.get()
    clock.now = lifetime * 0.79
    await source.get()
    await settle(20)
    assert len(transport.requests) == 1
    clock.now = lifetime * 0.999
    await source.get()
    await settle(20)
    assert len(transport.requests) == 2


async def test_a_token_without_a_lifetime_serves_until_it_is_refused() -> None:
    source, _, clock = credentials(
        (200, {}, f'{{"access_token": "{CANARY}-1"}}'.encode()), (200, {}, f'{{"access_token": "{CANARY}-2"}}'.encode())
    )
    client, _, _ = scripted(accepting(f"{CANARY}-2"), auth=source)
    await source.get()
    clock.now = 60
    assert (await delete_consent(client, "o_1", "ci")).attempts == 2


@pytest.mark.parametrize(("code", "pause"), [("temporarily_unavailable", 2), ("access_denied", 60)])
@pytest.mark.parametrize("status", [200, 400])
async def test_an_error_code_says_whether_it_passes(code: str, pause: float, status: int) -> None:
    source, transport, clock = credentials((status, {}, json.dumps({"error": code}).encode()), timeout=0.5)
    for now in (0, pause - 1.1, pause + 0.1):
        clock.now = now
        with pytest.raises(TokenError, match=f"HTTP {status} {code}"):
            await source.get()
    assert len(transport.requests) == 2


async def test_a_hostile_answer_costs_no_time() -> None:
    answer = {"error_description": "ab" * 10**5, "access_token": "ba" * 10**5, "id_token": ""}
    source, _, _ = credentials((400, {}, json.dumps(answer).encode()))
    with pytest.raises(TokenError, match=r"HTTP 400; the next"):
        await source.get()


# Client credentials: an endpoint that fails

FAILURES: list[tuple[Any, str]] = [
    (ConnectError("acme:443 refused", sent=False), "ConnectError: acme:443 refused"),
    (ConnectionLost(f"bad chunk {CANARY}", sent=True), "ConnectionLost"),
    (500, "HTTP 500"),
    (429, "HTTP 429"),
    (302, "HTTP 302"),
    ((400, {}, b'{"error": "invalid_client"}'), "HTTP 400 invalid_client"),
    ((401, {}, b'{"error": "canary-secret-77"}'), "HTTP 401"),
    ((400, {}, b'{"error": ["invalid_client"]}'), "HTTP 400"),
    ((200, {}, b"<html>canary-token</html>"), "its answer is not a JSON object"),
    ((200, {}, b'["canary-token"]'), "its answer is not a JSON object"),
    ((200, {}, b'{"expires_in": 3600}'), "its answer has no access_token that can be one"),
    ((200, {}, b'{"access_token": "canary-token", "expires_in": 0}'), "its answer has no expires_in above 0"),
    ((200, {}, b'{"access_token": "canary-token", "expires_in": true}'), "its answer has no expires_in above 0"),
    ((200, {}, b'{"access_token": "canary-token", "expires_in": -1}'), "its answer has no expires_in above 0"),
    ((200, {}, b'{"access_token": "canary-token", "expires_in": "0"}'), "its answer has no expires_in above 0"),
    ((200, {}, b'{"access_token": "canary-token", "expires_in": "-5"}'), "its answer has no expires_in above 0"),
    ((200, {}, b'{"access_token": "canary-token", "expires_in": "soon"}'), "its answer has no expires_in above 0"),
    ((200, {}, b'{"access_token": "canary-token", "expires_in": [3600]}'), "its answer has no expires_in above 0"),
    ((200, {}, b'{"access_token": "canary-token", "token_type": "mac"}'), "its token_type is mac, not Bearer"),
    ((200, {}, b'{"access_token": "canary-token", "token_type": 7}'), "its token_type is something else, not Bearer"),
    ((200, {}, b'{"access_token": "canary-token", "token_type": "canary-token"}'),
     "its token_type is something else, not Bearer"),
    ((200, {}, b'{"error": "invalid_client"}'), "HTTP 200 invalid_client"),
    ((200, {}, b'{"error": "invalid_scope", "access_token": "canary-token"}'), "HTTP 200 invalid_scope"),
    ((200, {}, b'{"error": "what is canary-secret-77?"}'), "HTTP 200 with an error"),
    ((200, {}, b'{"error": {"code": 7}}'), "its answer has no access_token that can be one"),
    ((400, {}, b'{"error": "invalid_target", "error_description": "no such\\r\\n resource\\u202e\\u001b[31m"}'),
     "HTTP 400 invalid_target: no such resource\\u202e\\x1b[31m"),
    ((401, {}, b'{"error": "invalid_client", "error_description": "not canary-secret-77",'
               b' "error_uri": "https://login.example.com/e/7"}'),
     "HTTP 401 invalid_client (see https://login.example.com/e/7)"),
    ((401, {}, b'{"error": "invalid_client", "error_description": "it begins with canary-secr"}'),
     "HTTP 401 invalid_client"),
    ((401, {}, b'{"error": "invalid_client", "error_uri": "https://x.example/?s=canary-secret-77"}'),
     "HTTP 401 invalid_client"),
    ((401, {}, b'{"error": "invalid_client", "error_uri": "javascript:alert(1)"}'), "HTTP 401 invalid_client"),
    ((400, {"content-type": "application/json; charset=utf-16"},
      '{"error": "invalid_scope", "error_description": "är fel"}'.encode("utf-16")),
     "HTTP 400 invalid_scope: är fel"),
    ((400, {"content-type": 'application/json;charset="latin-1"'},
      '{"error": "invalid_scope", "error_description": "är fel"}'.encode("latin-1")),
     "HTTP 400 invalid_scope: är fel"),
    ((400, {"content-type": "application/json; charset=hex"}, b'{"error": "invalid_scope"}'), "HTTP 400 invalid_scope"),
    ((200, {}, b'{"access_token": "canary token", "expires_in": 9}'), "its answer has no access_token that can be one"),
    ((200, {}, b'{"access_token": null, "expires_in": 9}'), "its answer has no access_token that can be one"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "problem"), FAILURES)
async def test_what_is_wrong_is_told_to_all_without_a_secret(
    answer: Any, problem: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source, transport, _ = credentials(answer)
    client, api, _ = scripted(auth=source)
    calls = [delete_consent(client, f"o_{n}", "ci") for n in range(20)]
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert len({id(error) for error in errors}) == 20
    for error in errors:
        assert isinstance(error, TokenError)
        assert error.reason.startswith(f"no token from acme.api-se.stage.norce.tech: {problem}; the next request is ")
        assert error.outcome is OutcomeKind.NOT_SENT
        assert error.__cause__ is error.__context__ is None
        assert "canary" not in repr(error) + str(pickle.dumps(error)) + shown(error)
    assert len({getattr(error, "request_id", None) for error in errors}) == 20
    assert api.requests == []
    assert 1 <= len(transport.requests) <= 4
    assert problem in caplog.text
    assert "canary" not in caplog.text


def shown(error: BaseException) -> str:
    """Everything that a traceback with the values of local variables shows of this package."""
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    lines: list[str] = []
    pending: list[traceback.TracebackException | None] = [found]
    while pending:
        if (each := pending.pop()) is None:
            continue
        lines += each.format_exception_only()
        lines += [str(frame.locals) for frame in each.stack if frame.filename.startswith(PACKAGE)]
        pending += [each.__cause__, each.__context__]
    return "\n".join(lines)


async def test_no_token_is_in_a_traceback_of_a_call() -> None:
    class Broken:
        async def get(self, *, rejected: str | None = None) -> str:
            return f"{CANARY}\n"

    source, _, clock = credentials(issue(), 400)
    client, api, _ = scripted(ConnectError("refused", sent=False), auth=source)
    with pytest.raises(ConnectError) as lost:
        await delete_consent(client, "o_1", "ci")
    api.script = [401]
    with pytest.raises(AuthenticationError) as refused:
        await delete_consent(client, "o_1", "ci")
    clock.now = 60
    with pytest.raises(TokenError) as failed:
        await delete_consent(client, "o_1", "ci")
    client, _, _ = scripted(auth=Broken())
    with pytest.raises(TokenError, match="gave no token") as broken:
        await delete_consent(client, "o_1", "ci")
    for caught in (lost, refused, failed, broken):
        assert "canary" not in shown(caught.value)
        assert "canary" not in str(pickle.dumps(caught.value))
    assert [attempt.status for attempt in failed.value.attempts] == [401]
    assert failed.value.outcome is OutcomeKind.REJECTED


async def test_sources_show_and_pickle_no_secret() -> None:
    source, _, _ = credentials(issue())
    await source.get()
    pair = TokenPair(f"{CANARY}-1", f"{CANARY}-2")
    await pair.get(rejected=f"{CANARY}-1")
    for each in (source, pair):
        assert "canary" not in repr(each) + str(each)
        with pytest.raises(TypeError, match="holds secrets"):
            pickle.dumps(each)


async def test_a_short_failure_is_bridged() -> None:
    source, transport, clock = credentials(503, ConnectError("refused", sent=False), issue())
    assert set(await asyncio.gather(*(source.get() for _ in range(100)))) == {f"{CANARY}-1"}
    assert len(transport.requests) == 3
    assert 1 <= clock.slept[0] <= 2 <= clock.slept[1] <= 4


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_never_undercut(status: int) -> None:
    source, transport, clock = credentials((status, {"retry-after": "5"}, b""), issue())
    await source.get()
    assert 5 <= clock.slept[0] <= 5.6
    source, transport, clock = credentials((status, {"retry-after": "30"}, b""), issue())
    for now in (0, 10, 19):
        clock.now = now
        with pytest.raises(TokenError, match=f"HTTP {status}"):
            await source.get()
    assert len(transport.requests) == 1
    clock.now = 22
    assert await source.get() == f"{CANARY}-1"
    assert clock.now >= 30
    assert len(transport.requests) == 2


@pytest.mark.parametrize(("headers", "pause"), [({}, 20), ({"retry-after": "9" * 400}, 3600)])
async def test_throttled_without_or_with_an_absurd_retry_after(headers: dict[str, str], pause: float) -> None:
    source, transport, clock = credentials((429, headers, b""), issue())
    with pytest.raises(TokenError):
        await source.get()
    clock.now = pause - 10.1
    with pytest.raises(TokenError):
        await source.get()
    assert len(transport.requests) == 1
    clock.now = pause + 2
    await source.get()
    assert len(transport.requests) == 2


async def test_a_refusal_counts_for_a_minute() -> None:
    source, transport, clock = credentials((400, {}, b'{"error": "invalid_client"}'))
    for now in (0, 1, 49):
        clock.now = now
        with pytest.raises(TokenError, match="invalid_client"):
            await source.get()
    assert len(transport.requests) == 1


ANSWERS: list[Any] = [issue(5), issue(3600), 429, 500, 400, ConnectError("refused", sent=False), (200, {}, b"?")]
EVENTS = st.tuples(st.floats(0, 30), st.booleans(), st.integers(0, len(ANSWERS) - 1))


@given(st.lists(EVENTS, min_size=1, max_size=60), st.booleans())
def test_a_storm_of_token_requests_is_impossible(events: list[tuple[float, bool, int]], eager: bool) -> None:
    """Whatever the endpoint answers, and however often tokens are refused: 3 a minute and a few, the burst is 20."""

    async def run() -> None:
        source, transport, clock = credentials()
        at: list[float] = []
        answer = 0

        def answering(request: Request) -> Response:
            at.append(clock.now)
            match ANSWERS[answer]:
                case int(status):
                    return Response(request, status)
                case ConnectError() as error:
                    raise error
                case (status, headers, body):
                    return Response(request, status, headers, body)
                case function:
                    made: Response = function(request)
                    return made

        transport.script = [answering]
        token: str | None = None
        for delay, refuse, answer in events:  # noqa: B007
            clock.now += 0 if eager else delay
            got = await asyncio.gather(
                *(source.get(rejected=token if refuse else None) for _ in range(5)), return_exceptions=True
            )
            assert all(isinstance(each, str | TokenError) for each in got)
            token = got[0] if isinstance(got[0], str) else token
        for first, start in enumerate(at):
            for last in range(first, len(at)):
                assert last - first + 1 <= 8 + 3 * (at[last] - start) / 60

    asyncio.run(run())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["access_token", "expires_in", "error"]), inner),
)


@given(st.integers(100, 599), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_answer_is_a_token_or_an_auth_error(status: int, body: bytes) -> None:
    async def run() -> None:
        source, _, _ = credentials((status, {}, body))
        try:
            token = await source.get()
        except TokenError:
            return
        assert 200 <= status < 300
        assert token == json.loads(body)["access_token"]

    asyncio.run(run())


async def test_a_transport_that_ignores_its_timeout_is_cut() -> None:
    class Endless(ScriptedTransport):
        async def send(self, request: Request, /, *, timeout: float | None) -> Response:
            return await asyncio.Event().wait()  # type: ignore[return-value]  # pyright: ignore

    source, _, _ = credentials(transport=Endless(), timeout=0.02)
    with pytest.raises(TokenError, match="TimeoutError"):
        await source.get()


async def test_a_transport_that_was_closed_by_others_is_no_failure_of_the_endpoint() -> None:
    class Closed(ScriptedTransport):
        async def send(self, request: Request, /, *, timeout: float | None) -> Response:
            raise ClientStateError("the transport is closed")

    source, _, clock = credentials(transport=Closed())
    for _ in range(3):
        with pytest.raises(TokenError, match=r"no token from acme\S+: the transport is closed"):
            await source.get()
    source.transport = ScriptedTransport(issue())
    assert await source.get() == f"{CANARY}-1"
    assert clock.slept == []


async def test_a_refresh_that_breaks_blocks_nobody() -> None:
    class Broken(FakeClock):
        async def sleep(self, delay: float, /) -> None:
            raise ZeroDivisionError(CANARY)

    source, _, _ = credentials(503, issue(), clock=Broken())
    ends = await asyncio.gather(*(source.get() for _ in range(10)), return_exceptions=True)
    assert {str(end) for end in ends} == {"the refresh failed with ZeroDivisionError"}


# Client credentials: tasks, loops, threads, processes


class Held(Transport):
    """Answers when it is let."""

    def __init__(self) -> None:
        self.requests = 0
        self.answers = issue()
        self.go = threading.Event()
        self.arrived = threading.Event()
        self.closed = 0

    async def send(self, request: Request, /, *, timeout: float | None) -> Response:
        self.requests += 1
        self.arrived.set()
        while not self.go.is_set():  # noqa: ASYNC110 (of several loops)
            await asyncio.sleep(0.001)
        return self.answers(request)

    async def aclose(self) -> None:
        self.closed += 1


def held() -> tuple[ClientCredentials, Held]:
    transport = Held()
    return ClientCredentials(token_url=URL, client_id="id", client_secret=SECRET, transport=transport), transport


async def test_cancelling_the_first_caller_leaves_the_others_alone() -> None:
    source, transport = held()
    first, *rest = [asyncio.create_task(source.get()) for _ in range(10)]
    await settle(20)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    transport.go.set()
    assert set(await asyncio.gather(*rest)) == {f"{CANARY}-1"}
    assert transport.requests == 1


async def test_closing_ends_those_who_wait_and_leaves_no_task() -> None:
    source, transport = held()
    waiting = [asyncio.create_task(source.get()) for _ in range(10)]
    await settle(20)
    await source.aclose()
    ends = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(end) for end in ends} == {ClientStateError}
    assert asyncio.all_tasks() == {asyncio.current_task()}
    await source.aclose()
    assert transport.closed == 2
    with pytest.raises(ClientStateError, match="token source is closed"):
        await source.get()
    await ClientCredentials(token_url=URL, client_id="id", client_secret=SECRET).aclose()


async def test_a_call_on_a_closed_source_tells_so() -> None:
    source, _, _ = credentials(issue())
    client, api, _ = scripted(auth=source)
    await source.aclose()
    with pytest.raises(TokenError, match="ClientStateError: the token source is closed") as caught:
        await delete_consent(client, "o_1", "ci")
    assert not isinstance(caught.value, ClientStateError)  # the client is open
    assert caught.value.outcome is OutcomeKind.NOT_SENT
    assert api.requests == []


def test_one_request_for_event_loops_in_two_threads() -> None:
    source, transport = held()
    tokens: list[str] = []

    async def several() -> list[str]:
        return await asyncio.gather(*(source.get() for _ in range(100)))

    threads = [threading.Thread(target=lambda: tokens.extend(asyncio.run(several()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    transport.arrived.wait(5)
    threading.Timer(0.05, transport.go.set).start()
    for thread in threads:
        thread.join(5)
    assert tokens == [f"{CANARY}-1"] * 400
    assert transport.requests == 1


def test_a_loop_that_ends_during_its_refresh_leaves_it_to_the_others() -> None:
    source, transport = held()
    tokens: list[str] = []
    waits = threading.Event()

    async def waiting() -> None:
        task = asyncio.create_task(source.get())
        await settle(20)
        waits.set()
        tokens.append(await task)

    async def leaving() -> None:
        asyncio.get_running_loop().call_soon(asyncio.ensure_future, source.get())
        await asyncio.to_thread(transport.arrived.wait, 5)
        other.start()
        await asyncio.to_thread(waits.wait, 5)

    other = threading.Thread(target=lambda: asyncio.run(waiting()))
    asyncio.run(leaving())
    transport.go.set()
    other.join(5)
    assert tokens == [f"{CANARY}-1"]
    assert transport.requests == 2


def test_a_loop_closed_without_cancelling_its_refresh_blocks_nobody() -> None:
    source, transport = held()
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(source.get())
    loop.run_until_complete(settle(20))
    loop.close()
    transport.go.set()
    assert asyncio.run(source.get()) == f"{CANARY}-1"
    for task in (waiting, *asyncio.all_tasks(loop)):  # nobody does this; here it keeps the log clean
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # pyright: ignore
        task.get_coro().close()  # pyright: ignore


async def test_a_forked_child_does_not_wait_for_its_parent_s_request(monkeypatch: pytest.MonkeyPatch) -> None:
    source, transport = held()
    parent = asyncio.create_task(source.get())
    await settle(20)
    with monkeypatch.context() as forked:
        forked.setattr(os, "getpid", lambda: -1)
        child = asyncio.create_task(source.get())
        await settle(20)
        assert transport.requests == 2
        transport.go.set()
        assert await child in (f"{CANARY}-1", f"{CANARY}-2")
    await parent


def test_three_event_loops_one_after_another_share_a_token() -> None:
    source, transport, _ = credentials(issue())
    assert [asyncio.run(source.get()) for _ in range(3)] == [f"{CANARY}-1"] * 3
    assert len(transport.requests) == 1


# Client credentials: settings


@pytest.mark.parametrize(
    "settings",
    [
        {"token_url": "http://login.example.com/token"},
        {"token_url": "https://login.example.com/token#a"},
        {"token_url": "https://login.example.com/token?canary=a#b"},
        {"token_url": "https://login.example.com/token?canary=a b"},
        {"token_url": "https://user:pass@login.example.com/token"},
        {"token_url": "login"},
        {"token_url": None},
        {"client_id": ""},
        {"client_id": 7},
        {"client_secret": "canary-secret\n"},
        {"client_secret": "canary-\ud800"},
        {"client_secret": " canary"},
        {"scope": ""},
        {"timeout": 0},
        {"timeout": float("inf")},
        {"timeout": True},
        {"min_interval": -1},
        {"auth_method": "none"},
        {"parameters": ["audience"]},
        {"parameters": {"audience": ""}},
        {"parameters": {"audience": ["canary", 7]}},
        {"parameters": {"audience": []}},
        {"parameters": {"client_secret": "canary"}},
        {"parameters": {7: "canary"}},
    ],
)
def test_bad_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        credentials(**settings)
    (name,) = settings
    assert name in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://base_url.example/token", "'http://base_url.example/token' would send the client secret unencrypted"),
        ("https://user:canary@login.example.com/token", "the client secret goes into client_secret="),
    ],
)
def test_a_message_about_an_endpoint_says_what_is_sent_there(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        credentials(token_url=url)
    assert message in str(caught.value)


@pytest.mark.parametrize("path", ["/api/v1/oauth/token", "/api/v2/token?tenant=a"])
def test_an_endpoint_may_be_below_a_version_of_an_api(path: str) -> None:
    assert credentials(token_url=f"https://login.example.com{path}")[0].token_url.endswith(path)


def test_http_where_it_is_meant() -> None:
    credentials(token_url="http://127.0.0.1:8787/token")
    credentials(token_url="http://login.internal/token", allow_http=True)
    with pytest.raises(ConfigurationError, match="slug"):
        ClientCredentials.for_norce(Environment.STAGE, "a.b", client_id="id", client_secret=SECRET)
