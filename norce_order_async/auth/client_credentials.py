"""Tokens from an OAuth2 token endpoint.

No secret is in a repr, a message, a pickle, a log line or a local variable that a traceback of this module can show.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any, Self, cast, get_args
from urllib.parse import urlsplit

import attrs

from norce_order_async.auth.refreshing import Refreshing
from norce_order_async.auth.shared import SharedTask
from norce_order_async.auth.token_endpoint import AuthMethod, Form, NoToken, read_grant
from norce_order_async.core.back_off import back_off, not_before
from norce_order_async.core.call import Call, Repeat
from norce_order_async.core.checks import a_switch, positive_seconds
from norce_order_async.core.clock import Clock, SystemClock
from norce_order_async.core.errors import ClientStateError, ConfigurationError, TokenError, TransportError
from norce_order_async.core.http import Request, Response
from norce_order_async.core.logger import logger
from norce_order_async.core.outcome import Attempt
from norce_order_async.core.random_source import SYSTEM_RANDOM, RandomSource
from norce_order_async.core.retry_after import retry_after
from norce_order_async.core.settings import Address, Environment, Timeout, check_address
from norce_order_async.core.urls import without_secrets
from norce_order_async.transport import Transport
from norce_order_async.transport.default import default_transport

_LONGEST_PAUSE = 60.0  # seconds
_LONGEST_ASKED = 3600.0
_QUICK_FAILURES = 5  # further ones are as rare as the endpoint wants
_LATE = 1.5
"""A request that failed after so many times its limit stood still with its event loop: that tells nothing."""
_KEEPALIVE = 1.0  # seconds; the endpoint is asked once an hour or so, and each of many sources has a connection
_OWN_PARAMETERS = frozenset({"grant_type", "client_id", "client_secret", "scope"})


@attrs.frozen(eq=False)
class _Held:
    token: str = attrs.field(repr=False)
    refresh_at: float
    expires_at: float


@attrs.frozen
class _Failure:
    problem: str
    lasting: bool = False
    throttled: bool = False
    asked: float | None = None


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and value == value.strip() and value.isprintable()


def _are_texts(value: object) -> bool:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return False
    texts = cast("Sequence[object]", value)
    return len(texts) > 0 and all(map(_is_text, texts))


def _check_text(instance: object, attribute: "attrs.Attribute[Any]", value: object) -> None:
    if not _is_text(value):
        raise ConfigurationError(f"{attribute.name} is not text, is empty, or has spaces or a line break around it")


def _check_timeout(instance: object, attribute: "attrs.Attribute[float]", value: float) -> None:
    positive_seconds(instance, attribute, value)
    if math.isinf(value):
        raise ConfigurationError(f"{attribute.name} must be finite")


def _check_url(instance: "ClientCredentials", attribute: object, value: str) -> None:
    address, _, query = value.partition("?") if isinstance(value, str) else (value, "", "")
    if not query.isascii() or not query.isprintable() or " " in query or "#" in query:
        raise ConfigurationError("token_url has a query that a URL cannot hold, or a fragment")
    check_address("token_url", address, allow_http=instance.allow_http, secret="client secret", place="client_secret")


def _show_url(url: str) -> str:
    return repr(without_secrets(url))


def _check_method(instance: object, attribute: object, value: object) -> None:
    if value not in get_args(AuthMethod):
        raise ConfigurationError(f"auth_method must be one of {', '.join(get_args(AuthMethod))}")


def _check_parameters(instance: object, attribute: object, value: object) -> None:
    if not isinstance(value, Mapping):
        raise ConfigurationError("parameters must be a mapping of names to text")
    for name, each in cast("Mapping[object, object]", value).items():
        if not _is_text(name) or name in _OWN_PARAMETERS:
            raise ConfigurationError("parameters has a name that is not text, or one that has a setting of its own")
        if not _is_text(each) and not _are_texts(each):
            raise ConfigurationError(f"parameters: {name} must be text, or a sequence of texts")


@attrs.define(kw_only=True, eq=False)
class ClientCredentials(Refreshing):
    """Tokens of an OAuth2 token endpoint (grant type client credentials, RFC 6749 section 4.4), kept while they last.

    One request serves all callers, in every event loop and thread. When 10 to 20 % of its lifetime are left, a token
    is replaced in the background, while callers go on with it. A caller waits only if there is no token, or the one
    that there is has expired or was just refused. A token without ``expires_in`` serves until it is refused, an hour at
    most.

    A request ends with the event loop that carries it. That is no failure: the next caller who needs a token makes
    another at once; in the background there is another after ``min_interval`` at the earliest.

    There is never more than one token request at a time. After a token there is none for ``min_interval``, and as
    much again for each of up to five failures before it: a token that is refused sooner is not replaced, and its 401
    stands. A failing endpoint is asked again after 1 to 2 seconds, then 2 to 4, and so on up to a minute, and never
    earlier than its ``Retry-After`` says (of which an hour counts at most). A wait that ends within ``timeout`` is
    part of the refresh; while a longer one lasts, all who need a token get a :class:`TokenError` at once. A refusal
    such as ``invalid_client`` counts for a minute.

    Attributes:
        token_url: The endpoint; it may have a query.
        client_id: The client's id.
        client_secret: The client's secret.
        scope: Scopes, separated by spaces; None sends none.
        auth_method: How the client shows its secret: in the form (``client_secret_post``), or by HTTP Basic
            (``client_secret_basic``), each as RFC 6749 section 2.3.1 has it.
        parameters: Further members of the form, such as ``audience`` or ``resource``; a sequence of values is sent as
            a member for each.
        timeout: Seconds that one token request may take, and how long after its start a refresh may begin another.
        min_interval: Seconds between a token and the next token request.
        transport: What carries the requests, by default an :class:`AiohttpTransport` whose connection ends a second
            after its request. :meth:`aclose` closes it.
        allow_http: Whether ``token_url`` may be http for a host other than loopback; the secret goes unencrypted then.
        clock: Where time comes from; tests replace it.
        random: Where the random part of its waits comes from; tests replace it.

    Raises:
        ConfigurationError: A setting that cannot be one; the message says which.
    """

    token_url: str = attrs.field(validator=_check_url, repr=_show_url)
    client_id: str = attrs.field(validator=_check_text)
    client_secret: str = attrs.field(validator=_check_text, repr=False)
    scope: str | None = attrs.field(default=None, validator=attrs.validators.optional(_check_text))
    auth_method: AuthMethod = attrs.field(default="client_secret_post", validator=_check_method, repr=False)
    parameters: Mapping[str, str | Sequence[str]] = attrs.field(
        factory=dict[str, str], validator=_check_parameters, repr=False
    )
    timeout: float = attrs.field(default=10.0, validator=_check_timeout)
    min_interval: float = attrs.field(default=20.0, validator=positive_seconds)
    transport: Transport | None = attrs.field(default=None, repr=False)
    allow_http: bool = attrs.field(default=False, validator=a_switch, repr=False)
    clock: Clock = attrs.field(factory=SystemClock, repr=False)
    random: RandomSource = attrs.field(default=SYSTEM_RANDOM, repr=False)
    _held: _Held | None = attrs.field(default=None, init=False, repr=False)
    _not_before: float = attrs.field(default=-math.inf, init=False, repr=False)
    _problem: str | None = attrs.field(default=None, init=False, repr=False)
    _failures: int = attrs.field(default=0, init=False, repr=False)
    _quiet_until: float = attrs.field(default=-math.inf, init=False, repr=False)
    """No request in the background before, because the last one has not ended, or was cut with its loop."""
    _refreshing: SharedTask = attrs.field(
        default=attrs.Factory(lambda self: SharedTask(self._refresh), takes_self=True), init=False, repr=False
    )
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
        if not (environment and slug):
            raise ConfigurationError("for_norce needs an environment and a slug")
        norce = Address.of(environment, slug, None, allow_http=False)
        host = urlsplit(norce.url).netloc
        settings.setdefault("token_url", f"https://{host}/identity/1.0/connect/token")
        settings.setdefault("scope", "prod" if norce.environment is Environment.PRODUCTION else str(norce.environment))
        return cls(**settings)

    async def get(self, *, rejected: str | None = None) -> str:
        """A token that has not expired, and that is not ``rejected`` if that can be helped.

        Cancelling a caller does not cancel the request that others wait for, too.

        Raises:
            TokenError: There is no token, and the endpoint gives none.
            ClientStateError: The source is closed.
        """
        try:
            while not self._closed:
                held, now = self._held, self.clock.monotonic()
                if held is not None and now < held.expires_at:
                    if held.token != rejected:
                        if now >= max(held.refresh_at, self._not_before, self._quiet_until):
                            self._refreshing.begin()  # in the background
                        return held.token
                    if self._problem is None and now < self._not_before:
                        return held.token  # it is new, so another one would be refused as well
                problem = await self._refreshing.begin().wait()
                if problem is not None and self._held is held:  # another thread may just have got one
                    raise TokenError(problem)
            raise ClientStateError("the token source is closed")
        finally:
            del rejected  # an error's traceback holds this frame

    async def aclose(self) -> None:
        """End a refresh under way and close the transport; closing twice is fine."""
        self._closed = True
        await self._refreshing.close()
        if self.transport is not None:
            await self.transport.aclose()

    async def _refresh(self) -> str | None:
        """Get a token, trying more than once if time allows; what is wrong if there is none."""
        start, held = self.clock.monotonic(), self._held
        if self._problem is None and held is not None and start < min(held.expires_at, self._not_before):
            return None  # it came since the caller looked, in another thread
        end = start + self.timeout
        host = urlsplit(self.token_url).netloc
        while True:
            delay = self._not_before - (now := self.clock.monotonic())
            if now + max(delay, 0.0) >= end:
                problem = self._problem or "the last token is too new for another"
                return f"no token from {host}: {problem}; the next request is {delay:.0f} s away"
            if delay > 0:
                await self.clock.sleep(delay)
            try:
                if not await self._request() or self._problem is None:
                    return None
            except ClientStateError as closed:
                return f"no token from {host}: {closed}"

    async def _request(self) -> bool:
        """Make one token request; whether it came to an end that tells something of the endpoint.

        It does not if it was cut with its loop, or got no response because its loop stood still meanwhile.

        Raises:
            ClientStateError: The transport is closed.
        """
        start = self.clock.monotonic()
        self._quiet_until = start + self.min_interval
        try:
            failure = await self._exchange(start)
        except ClientStateError:
            raise
        except Exception as error:
            if self.clock.monotonic() - start > _LATE * self.timeout:
                return False
            failure = _Failure(_described(error))
        self._quiet_until = -math.inf
        self._note(failure)
        return True

    async def _exchange(self, start: float) -> _Failure | None:
        form = self._form()
        response = await self._send(form, start)
        try:
            grant = read_grant(response, form.secrets())
        except NoToken as refused:
            asked = retry_after(response.headers, self.clock)
            return _Failure(str(refused), refused.lasting, response.status == 429, asked)
        share = self.random.uniform(0.8, 0.9)
        self._held = _Held(grant.token, start + share * grant.lifetime, start + grant.lifetime)
        return None

    def _note(self, failure: _Failure | None) -> None:
        if failure is None:
            requests = 1 + min(self._failures, _QUICK_FAILURES)
            self._failures, self._problem = 0, None
            self._not_before = self.clock.monotonic() + requests * self.min_interval
            logger.debug("a new token came")
            self._tell_refresh()
            return
        self._failures += 1
        self._problem = failure.problem
        pause = _LONGEST_PAUSE
        if not failure.lasting:
            pause = back_off(self._failures, base=2.0, most=_LONGEST_PAUSE, least=0.5, random=self.random)
        asked = failure.asked
        if failure.throttled and asked is None:
            asked = self.min_interval
        pause = not_before(None if asked is None else min(asked, _LONGEST_ASKED), pause, self.random)
        self._not_before = self.clock.monotonic() + pause
        logger.warning("no token: %s; asking again in %.1f s at the earliest", failure.problem, pause)

    def _form(self) -> Form:
        return Form(
            client_id=self.client_id,
            client_secret=self.client_secret,
            method=self.auth_method,
            scope=self.scope,
            parameters=self.parameters,
        )

    async def _send(self, form: Form, start: float) -> Response:
        if self.transport is None:
            self.transport = default_transport(keepalive=_KEEPALIVE)
        call = Call("token", Repeat.SAFE, self.random.randbytes(16).hex(), start, Timeout(total=self.timeout), None)
        call.attempts.append(Attempt(number=1, started=0.0))
        request = Request(call, "POST", self.token_url, form.headers(), form.body())
        async with asyncio.timeout(self.timeout):
            return await self.transport.send(request, timeout=self.timeout)


def _described(error: Exception) -> str:
    """What a message says of an error without a response. The text of most may hold anything, the token too."""
    if isinstance(error, TransportError) and error.sent is False:
        return f"{type(error).__name__}: {error.reason}"
    return type(error).__name__
