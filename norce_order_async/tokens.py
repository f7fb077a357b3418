"""Sources of bearer tokens: the two that Norce hands out, or OAuth2 client credentials.

No secret is in a repr, a message, a pickle, a log line or a local variable that a traceback of this module can show.
"""

import asyncio
import math
import os
import random
import uuid
from collections.abc import Mapping
from concurrent.futures import Future
from decimal import Decimal
from typing import Any, Never, Self
from urllib.parse import urlencode, urlsplit

import attrs

from norce_order_async.call import Call, Repeat
from norce_order_async.checks import check_token, positive_seconds
from norce_order_async.clock import Clock, SystemClock
from norce_order_async.config import Environment, Timeout, check_base_url
from norce_order_async.errors import AuthError, ClientStateError, ConfigurationError, TransportError
from norce_order_async.http import Request, Response
from norce_order_async.middleware.attempt import retry_after
from norce_order_async.middleware.log import logger
from norce_order_async.outcome import Attempt
from norce_order_async.policy import RETRYABLE_STATUSES, spread
from norce_order_async.transport import Transport
from norce_order_async.wire import WireError, decode_json

_OAUTH_ERRORS = frozenset(
    {"invalid_client", "invalid_grant", "invalid_request", "invalid_scope", "unauthorized_client",
     "unsupported_grant_type"}
)  # fmt: skip
_PAIR_PAUSE = 60.0  # seconds
_LONGEST_PAUSE = 60.0
_LONGEST_ASKED = 3600.0
_QUICK_FAILURES = 5  # further ones are as rare as the endpoint wants


class _Secretive:
    __slots__ = ()

    def __reduce__(self) -> Never:
        raise TypeError(f"{type(self).__name__} holds secrets and does not pickle")


def _check_one(instance: object, attribute: object, value: str) -> None:
    check_token(value)


@attrs.define(eq=False)
class TokenPair(_Secretive):
    """The primary and the secondary token that Norce hands out, so that either can be changed without an outage.

    All calls send the same one, at first the primary. A 401 on it moves all of them to the other, and the refused
    call is sent again with that. Where the other was refused within the last 60 seconds the 401 stands instead, so
    two bad tokens cost one try of the other a minute, not one a call. Nothing moves back by itself; a later 401 on
    the secondary tries the primary again. A new token needs a new pair, and so a new client.

    Attributes:
        primary: A token, without the word Bearer.
        secondary: Another one.
        clock: Where time comes from; tests replace it.

    Raises:
        ConfigurationError: One of them cannot be a token, or they are the same.
    """

    primary: str = attrs.field(repr=False, validator=_check_one)
    secondary: str = attrs.field(repr=False, validator=_check_one)
    clock: Clock = attrs.field(factory=SystemClock, kw_only=True, repr=False)
    _current: str = attrs.field(init=False, repr=False)
    _refused_at: dict[str, float] = attrs.field(factory=dict[str, float], init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if self.primary == self.secondary:
            raise ConfigurationError("primary and secondary are the same token")
        self._current = self.primary

    async def get(self, *, rejected: str | None = None) -> str:
        """The token that all calls use now; ``rejected`` moves them to the other, as the class describes."""
        current = self._current
        if rejected != current:
            return current
        now = self.clock.monotonic()
        self._refused_at[current] = now
        other = self.secondary if current == self.primary else self.primary
        if now - self._refused_at.get(other, -math.inf) >= _PAIR_PAUSE:
            self._current = other
        return self._current


@attrs.frozen(eq=False)
class _Held:
    token: str = attrs.field(repr=False)
    refresh_at: float
    expires_at: float


@attrs.define(eq=False)
class _Flight:
    """A refresh under way, for waiters in any event loop; its end is what is wrong, if anything."""

    loop: asyncio.AbstractEventLoop
    landed: Future[str | None] = attrs.field(factory=Future[str | None])
    task: asyncio.Task[str | None] | None = None

    def __attrs_post_init__(self) -> None:
        self.landed.set_running_or_notify_cancel()  # from here on no waiter can cancel it

    def land(self, task: asyncio.Task[str | None]) -> None:
        if task.cancelled():  # with its loop: nothing is wrong, and the waiters in other loops start anew
            self.landed.set_result(None)
        elif error := task.exception():
            self.landed.set_result(f"the refresh failed with {type(error).__name__}")
        else:
            self.landed.set_result(task.result())


def _check_text(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if not isinstance(value, str) or not value or value != value.strip() or not value.isprintable():
        raise ConfigurationError(f"{attribute.name} is not text, is empty, or has spaces or a line break around it")


def _check_timeout(instance: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    positive_seconds(instance, attribute, value)
    if math.isinf(value):
        raise ConfigurationError(f"{attribute.name} must be finite")


def _check_url(instance: "ClientCredentials", attribute: object, value: str) -> None:
    try:
        check_base_url(value, allow_http=instance.allow_http)
    except ConfigurationError as error:
        raise ConfigurationError(str(error).replace("base_url", "token_url")) from None


@attrs.define(kw_only=True, eq=False)
class ClientCredentials(_Secretive):
    """Tokens of an OAuth2 token endpoint (grant type client credentials, RFC 6749 section 4.4), kept while they last.

    One request serves all callers, in every event loop and thread. When 10 to 20 % of its lifetime are left, a token
    is replaced in the background, while callers go on with it. A caller waits only if there is no token, or the one
    that there is has expired or was just refused.

    There is never more than one token request at a time. After a token there is none for ``min_interval``, and as
    much again for each of up to five failures before it: a token that is refused sooner is not replaced, and its 401
    stands. A failing endpoint is asked again after 1 to 2 seconds, then 2 to 4, and so on up to a minute, and never
    earlier than its ``Retry-After`` says (of which an hour counts at most). A wait that ends within ``timeout`` is
    part of the refresh; while a longer one lasts, all who need a token get an :class:`AuthError` at once. A refusal
    such as ``invalid_client`` counts for a minute.

    Attributes:
        token_url: The endpoint.
        client_id: The client's id.
        client_secret: The client's secret.
        scope: Scopes, separated by spaces; None sends none.
        timeout: Seconds that one token request may take, and how long after its start a refresh may begin another.
        min_interval: Seconds between a token and the next token request.
        transport: What carries the requests, by default an :class:`AiohttpTransport`. :meth:`aclose` closes it.
        allow_http: Whether ``token_url`` may be http for a host other than loopback; the secret goes unencrypted then.
        clock: Where time comes from; tests replace it.

    Raises:
        ConfigurationError: A setting that cannot be one; the message says which.
    """

    token_url: str = attrs.field(validator=_check_url)
    client_id: str = attrs.field(validator=_check_text)
    client_secret: str = attrs.field(validator=_check_text, repr=False)
    scope: str | None = attrs.field(default=None, validator=attrs.validators.optional(_check_text))
    timeout: float = attrs.field(default=10.0, validator=_check_timeout)
    min_interval: float = attrs.field(default=20.0, validator=positive_seconds)
    transport: Transport | None = attrs.field(default=None, repr=False)
    allow_http: bool = attrs.field(default=False, repr=False)
    clock: Clock = attrs.field(factory=SystemClock, repr=False)
    _held: _Held | None = attrs.field(default=None, init=False, repr=False)
    _not_before: float = attrs.field(default=-math.inf, init=False, repr=False)
    _problem: str | None = attrs.field(default=None, init=False, repr=False)
    _failures: int = attrs.field(default=0, init=False, repr=False)
    _flights: dict[int, _Flight] = attrs.field(factory=dict[int, _Flight], init=False, repr=False)
    _closed: bool = attrs.field(default=False, init=False, repr=False)

    @classmethod
    def for_norce(cls, environment: Environment, slug: str, **settings: Any) -> Self:
        """With the endpoint and the scope that Norce Commerce has for this environment.

        Source: Norce's guide to authentication for Commerce. That the scope of production is ``prod`` is what one
        version of it says, another has ``production``; that the address in production lacks the environment follows
        from Norce's general pattern. Whether the order API takes these tokens is not published.

        Args:
            environment: Which of Norce's environments.
            slug: The identifier in the address that Norce assigned.
            **settings: All other attributes; ``scope`` in place of the one for the environment.

        Raises:
            ConfigurationError: A setting that cannot be one.
        """
        host = urlsplit(environment.base_url(slug)).netloc
        settings.setdefault("token_url", f"https://{host}/identity/1.0/connect/token")
        settings.setdefault("scope", "prod" if environment is Environment.PRODUCTION else environment.value)
        return cls(**settings)

    async def get(self, *, rejected: str | None = None) -> str:
        """A token that has not expired, and that is not ``rejected`` if that can be helped.

        Cancelling a caller does not cancel the request that others wait for, too.

        Raises:
            AuthError: There is no token, and the endpoint gives none.
            ClientStateError: The source is closed.
        """
        try:
            while not self._closed:
                held, now = self._held, self.clock.monotonic()
                if held is not None and now < held.expires_at:
                    if held.token != rejected:
                        if now >= max(held.refresh_at, self._not_before):
                            self._join()  # in the background
                        return held.token
                    if self._problem is None and now < self._not_before:
                        return held.token  # it is new, so another one would be refused as well
                problem = await asyncio.wrap_future(self._join().landed)
                if problem is not None and self._held is held:  # another thread may just have got one
                    raise AuthError(problem)
            raise ClientStateError("the token source is closed")
        finally:
            del rejected  # an error's traceback holds this frame

    async def aclose(self) -> None:
        """End a refresh under way and close the transport; closing twice is fine."""
        self._closed = True
        flight = self._flights.get(os.getpid())
        if flight is not None and flight.task is not None and flight.loop.is_running():
            flight.loop.call_soon_threadsafe(flight.task.cancel)
            await asyncio.wrap_future(flight.landed)
        if self.transport is not None:
            await self.transport.aclose()

    def _join(self) -> _Flight:
        """The refresh under way, or a new one on this loop.

        No lock: a dict's setdefault is atomic, and its key leaves a forked child without the parent's refresh.
        """
        process = os.getpid()
        flight = self._flights.get(process)
        if flight is not None and flight.loop.is_closed():  # and its tasks were never cancelled
            self._flights.pop(process, None)
        new = _Flight(asyncio.get_running_loop())
        flight = self._flights.setdefault(process, new)
        if flight is new:
            new.task = new.loop.create_task(self._refresh())
            new.task.add_done_callback(lambda task: self._land(process, new, task))
        return flight

    def _land(self, process: int, flight: _Flight, task: asyncio.Task[str | None]) -> None:
        if self._flights.get(process) is flight:
            del self._flights[process]
        flight.land(task)

    async def _refresh(self) -> str | None:
        """Get a token, trying more than once if time allows; what is wrong if there is none."""
        end = self.clock.monotonic() + self.timeout
        while True:
            delay = self._not_before - (now := self.clock.monotonic())
            if now + max(delay, 0.0) >= end:
                host = urlsplit(self.token_url).netloc
                problem = self._problem or "the last token is too new for another"
                return f"no token from {host}: {problem}; the next request is {delay:.0f} s away"
            if delay > 0:
                await self.clock.sleep(delay)
            await self._request()
            if self._problem is None:
                return None

    async def _request(self) -> None:
        """Make one token request and note what came of it."""
        start = self.clock.monotonic()
        status = asked = None
        problem: str | None = "the request was cut off"
        try:
            response = await self._send(start)
            status, asked = response.status, retry_after(response.headers, self.clock)
            self._held = _read(response, start)
            problem = None
        except _NoToken as refused:
            problem = str(refused)
        except TransportError as error:
            # What came back may be in the text, and the token in that.
            problem = type(error).__name__ + (f": {error.reason}" if error.sent is False else "")
        except Exception as error:
            problem = type(error).__name__  # its text may hold anything
        finally:
            self._note(problem, status, asked)

    def _note(self, problem: str | None, status: int | None, asked: float | None) -> None:
        self._problem = problem
        if problem is None:
            requests = 1 + min(self._failures, _QUICK_FAILURES)
            self._failures = 0
            self._not_before = self.clock.monotonic() + requests * self.min_interval
            logger.debug("a new token came")
            return
        self._failures += 1
        pause = random.uniform(0.5, 1.0) * min(_LONGEST_PAUSE, 2.0 ** min(self._failures, 6))
        if status is not None and not 200 <= status < 300 and status not in RETRYABLE_STATUSES:
            pause = _LONGEST_PAUSE
        if status == 429 and asked is None:
            asked = self.min_interval
        if asked is not None:
            asked = min(asked, _LONGEST_ASKED)
            pause = max(pause, asked + spread(asked))
        self._not_before = self.clock.monotonic() + pause
        logger.warning("no token: %s; asking again in %.1f s at the earliest", problem, pause)

    async def _send(self, start: float) -> Response:
        if self.transport is None:
            from norce_order_async.transport.aiohttp import AiohttpTransport  # heavy, so only when it is wanted

            self.transport = AiohttpTransport()
        form = {"grant_type": "client_credentials", "client_id": self.client_id}
        if self.scope is not None:
            form["scope"] = self.scope
        call = Call("token", Repeat.SAFE, uuid.uuid4().hex, start, Timeout(total=self.timeout), None)
        call.attempts.append(Attempt(number=1, started=0.0))
        request = Request(
            call=call,
            method="POST",
            url=self.token_url,
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
            body=urlencode(form | {"client_secret": self.client_secret}).encode(),
        )
        async with asyncio.timeout(self.timeout):
            return await self.transport.send(request, timeout=self.timeout)


class _NoToken(Exception):
    """An answer without a token."""


def _read(response: Response, now: float) -> _Held:
    """What the endpoint gave. No message holds anything of its answer but an error code of the standard's."""
    try:
        answer = decode_json(response.body)
    except WireError:
        answer = None
    members: Mapping[str, Any] = answer if isinstance(answer, Mapping) else {}
    if not response.ok:
        code = members.get("error")
        known = isinstance(code, str) and code in _OAUTH_ERRORS
        raise _NoToken(f"HTTP {response.status} {code}" if known else f"HTTP {response.status}")
    lifetime = members.get("expires_in")
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | Decimal) or lifetime <= 0:
        raise _NoToken("its answer has no expires_in above 0")
    try:
        token = check_token(members.get("access_token"))
    except ConfigurationError:
        raise _NoToken("its answer has no access_token that can be one") from None
    seconds = float(min(lifetime, 10**9))
    return _Held(token, now + random.uniform(0.8, 0.9) * seconds, now + seconds)
