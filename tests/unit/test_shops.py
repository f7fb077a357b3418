"""Many shops on one client: whose token goes where, what they share, and what they do not."""

import copy
import sys
import traceback
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import attrs
import pytest
from support import BASE_URL, PACKAGE, TOKEN, scripted

from norce_order_async import (
    CallError,
    ConfigurationError,
    Environment,
    InvalidRequestError,
    OrderClient,
    OutcomeKind,
    RetryBudget,
    delete_consent,
)
from norce_order_async.sending.shops import KEPT
from norce_order_async.transport import Response
from norce_order_async.transport.resolver import HostResolver

OTHER = "https://other.test/checkout/order"


class Source:
    """Gives one token, and counts its closings."""

    def __init__(self, token: str) -> None:
        self.token, self.closed = token, 0

    async def get(self, *, rejected: str | None = None) -> str:
        return self.token

    async def aclose(self) -> None:
        self.closed += 1


async def sent(client: OrderClient, transport: Any) -> tuple[str, str, str]:
    """The address, merchant and Authorization of a call."""
    await delete_consent(client, "o_1", "ci")
    request = transport.requests[-1]
    address = request.url.partition("/api/")[0]
    return address, request.headers["x-merchant"], request.headers["Authorization"]


@pytest.mark.parametrize("own", [TOKEN, Source(TOKEN)], ids=["fixed", "source"])
@pytest.mark.parametrize("given", ["other", Source("other")], ids=["fixed", "source"])
async def test_each_address_gets_its_own_token(own: Any, given: Any) -> None:
    client, transport, _ = scripted(auth=own)
    other = client.scoped(base_url=OTHER, merchant="m2", auth=given)
    for view, expected in [
        (client, (BASE_URL, "norce", f"Bearer {TOKEN}")),
        (other, (OTHER, "m2", "Bearer other")),
        (other.scoped(merchant="m3"), (OTHER, "m3", "Bearer other")),
        (other.scoped(base_url=f"{OTHER}/"), (OTHER, "m2", "Bearer other")),
        (copy.copy(other).scoped(channel="2"), (OTHER, "m2", "Bearer other")),
        (other.scoped(base_url=BASE_URL, auth="third"), (BASE_URL, "m2", "Bearer third")),
        (client.scoped(auth=given), (BASE_URL, "norce", "Bearer other")),
        (client.scoped(merchant="m2"), (BASE_URL, "m2", f"Bearer {TOKEN}")),
    ]:
        assert await sent(view, transport) == expected


async def test_another_address_without_its_own_token_is_an_error() -> None:
    client, transport, _ = scripted()
    other = client.scoped(base_url=OTHER, auth="other")
    moves: list[tuple[OrderClient, dict[str, Any]]] = [
        (client, {"base_url": OTHER}),
        (client, {"environment": Environment.STAGE, "slug": "acme"}),
        (client, {"base_url": BASE_URL.replace("127.0.0.1", "localhost")}),
        (other, {"base_url": BASE_URL}),  # the client's own again: this view has no token for it
        (copy.copy(other), {"base_url": f"{OTHER}/elsewhere"}),
    ]
    for view, where in moves:
        with pytest.raises(ConfigurationError, match="only to the address that it was given for") as caught:
            view.scoped(**where)
        assert TOKEN not in str(caught.value)
    assert transport.requests == []


@pytest.mark.parametrize("how", ["scoped", "made", "from_env"])
@pytest.mark.parametrize(
    "bad",
    [
        {"slug": "not a label"},
        {"merchant": "å"},
        {"headers": {"x-merchant": "m"}},
        {"headers": {"Authorization": "Bearer canary-header"}},
        {"headers": {"x-gateway-key": "canary-header\n"}},
        {"auth": "Bearer canary-given"},
        {"base_url": 3, "environment": None, "slug": None},
        {"unknown": 1},
    ],
    ids=str,
)
async def test_no_traceback_shows_a_token(how: str, bad: Any) -> None:
    client, _, _ = scripted(auth="canary-own", base_url=None, environment=Environment.STAGE, slug="acme")
    given: dict[str, Any] = {"slug": "beta", "auth": "canary-given"} | bad
    if how != "scoped":
        given = {"environment": Environment.STAGE, "merchant": "norce", "channel": "1"} | given
    environ = {"NORCE_TOKEN": "canary-own", "NORCE_PROXY": "http://proxy.test"}
    make: Any = {
        "scoped": client.scoped,
        "made": OrderClient,
        "from_env": partial(OrderClient.from_env, environ),
    }[how]
    with pytest.raises((ValueError, TypeError), match=r".") as caught:
        make(**given)
    found = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in found.stack if frame.filename.startswith(PACKAGE)]
    assert {frame.name for frame in ours} <= {"call"}  # of `without_frames`, which forgets all others
    assert caught.value.__context__ is None or caught.value.__context__.__traceback__ is None
    assert "canary" not in str([frame.locals for frame in ours])


async def test_headers_go_only_to_the_address_that_they_were_given_for() -> None:
    client, _, _ = scripted(headers={"x-gateway-key": "k-1"})
    with pytest.raises(ConfigurationError, match="give headers as well"):
        client.scoped(base_url=OTHER, auth="other")
    assert client.scoped(base_url=OTHER, auth="other", headers={}).merchant == "norce"


async def test_headers_of_a_view_replace_those_of_the_client() -> None:
    client, transport, _ = scripted(headers={"x-gateway-key": "k-1", "accept": "*/*"})
    await delete_consent(client.scoped(headers={"x-other": "2"}).scoped(merchant="m2"), "o_1", "ci")
    headers = {name.lower(): value for name, value in transport.requests[0].headers.items()}
    assert (headers.get("x-gateway-key"), headers["x-other"], headers["accept"]) == (None, "2", "application/json")


async def test_a_slug_is_enough_in_the_clients_environment() -> None:
    settings = {"base_url": None, "environment": Environment.STAGE, "slug": "acme"}
    client, _, _ = scripted(**settings)
    beta = client.scoped(slug="beta", auth="b")
    assert beta.base_url == Environment.STAGE.base_url("beta")
    live = beta.scoped(environment=Environment.PRODUCTION, auth="p")
    assert live.base_url == Environment.PRODUCTION.base_url("beta")
    assert live.scoped(slug="acme", auth="a").base_url == Environment.PRODUCTION.base_url("acme")


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"slug": "acme"}, InvalidRequestError, "give both environment and slug"),
        ({"environment": "stage", "slug": "evil.test/"}, InvalidRequestError, "not a DNS label"),
        ({"environment": "stage", "slug": ""}, InvalidRequestError, "not a DNS label"),
        ({"environment": "moon", "slug": "acme"}, InvalidRequestError, "none of playground"),
        ({"environment": "stage", "slug": 7}, TypeError, "slug must be a str"),
        ({"base_url": None}, TypeError, "base_url must be a str"),
        ({"base_url": OTHER, "slug": "acme"}, InvalidRequestError, "either base_url"),
        ({"base_url": "http://other.test"}, InvalidRequestError, "unencrypted"),
        ({"base_url": "https://u:p@other.test"}, InvalidRequestError, "user or password"),
        ({"auth": ""}, ConfigurationError, "the token is empty"),
        ({"auth": None}, ConfigurationError, "auth must be a token"),
        ({"headers": {"authorization": "Bearer x"}}, ConfigurationError, "use auth="),
    ],
)
async def test_what_cannot_be_sent_is_refused_at_once(given: Any, error: type[Exception], text: str) -> None:
    client, _, _ = scripted()
    with pytest.raises(error, match=text) as caught:
        client.scoped(**({"auth": "t"} | given))
    assert type(caught.value) is error


async def test_sources_are_closed_with_the_client() -> None:
    own, kept = Source("own"), Source("kept")
    client, _, _ = scripted(auth=own)
    client.scoped(base_url=OTHER, auth=kept)
    client.scoped(base_url=OTHER, auth=kept)
    client.scoped(auth=own)
    client.scoped(base_url=OTHER, auth=(dropped := Source("dropped")))
    left = weakref.ref(dropped)
    del dropped
    assert left() is None
    await client.aclose()
    assert (own.closed, kept.closed) == (1, 1)


@pytest.mark.parametrize("kind", [{"eq": False}, {"frozen": True}, {"eq": True}], ids=str)
async def test_sources_are_closed_once_each_in_the_order_in_which_they_came(kind: dict[str, Any]) -> None:
    """Also those that are equal, or have no hash."""
    closings: list[int] = []

    class Value:
        token: str = TOKEN

        async def get(self, *, rejected: str | None = None) -> str:
            return self.token

        async def aclose(self) -> None:
            closings.append(id(self))

    made = attrs.define(**kind)(Value)
    client, transport, _ = scripted()
    sources = [made() for _ in range(3)]
    for source in sources:
        await sent(client.scoped(auth=source), transport)
    await client.aclose()
    assert closings == list(map(id, sources))


async def test_a_source_that_could_not_be_closed_with_the_client_is_refused() -> None:
    """It has no place for a weak reference: the client would have to keep it, and each that came with a view."""

    class Bare:
        __slots__ = ()

        async def get(self, *, rejected: str | None = None) -> str:
            return TOKEN

    class Closed(Bare):
        __slots__ = ()

        async def aclose(self) -> None: ...

    client, transport, _ = scripted()
    with pytest.raises(ConfigurationError, match=r"aclose\(\) needs a place for weak references, such as @dataclass"):
        client.scoped(auth=Closed())
    assert await sent(client.scoped(auth=Bare()), transport) == (BASE_URL, "norce", f"Bearer {TOKEN}")


async def test_a_shop_that_fails_leaves_the_others_their_retries() -> None:
    budget = RetryBudget(capacity=28)
    client, transport, _ = scripted(
        lambda request: Response(request, 503 if request.headers["x-merchant"] == "bad" else 200), budget=budget
    )
    with pytest.raises(CallError):
        await delete_consent(client.scoped(merchant="bad"), "o_1", "ci")
    with pytest.raises(CallError, match="503") as caught:
        await delete_consent(client.scoped(merchant="bad"), "o_1", "ci")
    assert caught.value.gave_up == "the retry budget is empty: too many calls fail"
    assert len(caught.value.attempts) == 1
    transport.script = [503, 200]
    await delete_consent(client.scoped(merchant="good"), "o_1", "ci")
    assert budget.left == 28
    assert client.scoped(merchant="bad").stats().budget_left == 0
    # The same merchant at another address is another shop.
    assert client.scoped(merchant="bad", base_url=OTHER, auth="t").stats().budget_left == 28


async def test_shops_that_are_no_longer_used_leave_nothing_behind() -> None:
    client, _, _ = scripted()
    views = [client.scoped(merchant=f"m{number}") for number in range(2 * KEPT)]
    assert len(client.stats(by_shop=True).shops) == 2 * KEPT + 1
    del views
    assert len(client.stats(by_shop=True).shops) == KEPT + 1


async def test_of_shops_that_are_no_longer_used_those_asked_for_last_are_remembered() -> None:
    client, _, _ = scripted()
    for number in (*range(KEPT), 0, KEPT):
        client.scoped(merchant=f"m{number}")
    known = {shop.merchant for shop in client.stats(by_shop=True).shops}
    assert "m0" in known
    assert "m1" not in known


@contextmanager
def beside_another_thread(work: Callable[[], object]) -> Generator[None]:
    """Whatever function is called inside, something is done first, as another thread may at any moment."""
    sys.setprofile(lambda frame, event, arg: work() if event == "call" else None)
    try:
        yield
    finally:
        sys.setprofile(None)


async def test_another_thread_can_make_views_while_the_statistics_are_read() -> None:
    client, _, _ = scripted()
    views = [client.scoped(merchant="m0")]
    with beside_another_thread(lambda: views.append(client.scoped(merchant=f"m{len(views)}"))):
        shops = client.stats(by_shop=True).shops
    assert 2 <= len(shops) <= len(views)


async def test_another_thread_can_add_token_sources_while_the_others_are_closed() -> None:
    client, _, _ = scripted()
    sources = [Source("first"), Source("second")]
    views = [client.scoped(auth=source) for source in sources]

    def add() -> None:
        sources.append(source := Source("later"))
        views.append(client.scoped(auth=source))

    with beside_another_thread(add):
        await client.aclose()
    assert [source.closed for source in sources[:2]] == [1, 1]


async def test_the_statistics_tell_the_shops_apart() -> None:
    client, _, _ = scripted(503, 200, 404, 200)
    await delete_consent(client, "o_1", "ci")
    with pytest.raises(CallError):
        await delete_consent(client.scoped(merchant="m2"), "o_1", "ci")
    await delete_consent(client.scoped(merchant="m2", channel="7"), "o_1", "ci")
    stats = client.stats(by_shop=True)
    assert (stats.calls, stats.attempts, stats.retries) == (3, 4, 1)
    assert [(shop.merchant, shop.calls, shop.attempts, shop.retries, dict(shop.outcomes)) for shop in stats.shops] == [
        ("norce", 1, 2, 1, {OutcomeKind.APPLIED: 1}),
        ("m2", 2, 2, 0, {OutcomeKind.APPLIED: 1, OutcomeKind.REJECTED: 1}),
    ]
    assert {(shop.base_url, shop.budget_left, shop.slots_used, shop.waiting) for shop in stats.shops} == {
        (BASE_URL, 500, 0, 0)
    }
    assert client.stats().shops == ()


async def test_a_shop_that_is_throttled_slows_no_other_down() -> None:
    client, transport, clock = scripted(429, adaptive=True, retry=None)
    slow, other = client.scoped(merchant="slow"), client.scoped(merchant="other")
    for _ in range(10):
        with pytest.raises(CallError):
            await delete_consent(slow, "o_1", "ci")
    transport.script = [200]
    slept = len(clock.slept)
    await delete_consent(other, "o_1", "ci")
    assert len(clock.slept) == slept
    await delete_consent(slow, "o_1", "ci")
    assert len(clock.slept) > slept


async def test_addresses_of_hosts_that_are_no_longer_asked_for_are_forgotten() -> None:
    now = [0.0]
    resolver = HostResolver(lambda host, port: [(2, 1, 6, "", (host, port))], keep=5, now=lambda: now[0])
    for host in ("a.test", "b.test"):
        await resolver.resolve(host, 443)
        now[0] += 4
    await resolver.resolve("c.test", 443)
    assert [host for host, _ in resolver._known] == ["b.test", "c.test"]  # pyright: ignore[reportPrivateUsage]
