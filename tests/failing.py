"""Every way in which a call can fail, with secrets that can be recognized wherever they show.

The secrets are in no local variable here: what shows one found it elsewhere.
"""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable
from typing import Any

from raw_server import RawServer
from support import TOKEN

from norce_order_async import (
    AiohttpTransport,
    ClientCredentials,
    HttptoolsTransport,
    OrderClient,
    Timeout,
    TokenPair,
    Tracing,
    get_order,
    patch_attributes,
)
from norce_order_async.middleware import Handler
from norce_order_async.testing.conformance.certificates import Certificates
from norce_order_async.testing.conformance.lines import forever, no_tls, then_close
from norce_order_async.testing.conformance.origin import Line, Peer, RawOrigin, Serve, response_bytes
from norce_order_async.transport import Request, Response, Transport

SECRET = "canary-secret-41c7"
ISSUED = "canary-issued-77d0"
PASSWORD = "canary-password-0b1e"
CANARIES = (
    TOKEN,
    SECRET,
    ISSUED,
    PASSWORD,
    b64encode(f"id:{SECRET}".encode()).decode(),
    b64encode(f"user:{PASSWORD}".encode()).decode(),
)

TRANSPORTS: dict[str, Callable[..., Transport]] = {"aiohttp": AiohttpTransport, "httptools": HttptoolsTransport}
Failure = Callable[[Callable[..., Transport]], Awaitable[BaseException]]

ORDER = {"email": "ada@canary.example"}


async def error_of(client: OrderClient) -> BaseException:
    """The error of a call that sends the token and a body."""
    try:
        await patch_attributes(client, "o_123", ORDER)
        await get_order(client, "o_123")
    except Exception as error:
        return error
    raise AssertionError("no call failed")


def served(behaviour: Line, **settings: Any) -> Failure:
    """A server that behaves so, without retries."""

    async def fail(make: Callable[..., Transport]) -> BaseException:
        async with RawServer(behaviour) as server:
            given: dict[str, Any] = {"retry": None, "timeout": Timeout(attempt=0.05, connect=0.05)}
            async with server.client(transport=make(), **given | settings) as client:
                return await error_of(client)

    return fail


async def unused_port() -> int:
    async with RawServer() as server:
        return server.port


def client_for(url: str, transport: Transport, **settings: Any) -> OrderClient:
    given: dict[str, Any] = {"merchant": "norce", "channel": "1", "auth": TOKEN, "retry": None}
    given |= {"timeout": Timeout(attempt=1, connect=0.2), "allow_http": True}
    return OrderClient(base_url=url, transport=transport, **given | settings)


async def refused(make: Callable[..., Transport]) -> BaseException:
    async with client_for(f"http://127.0.0.1:{await unused_port()}", make()) as client:
        return await error_of(client)


async def closed_under_the_call(make: Callable[..., Transport]) -> BaseException:
    async with RawServer(forever) as server:
        client = server.client(transport=make(), retry=None)
        call = asyncio.create_task(error_of(client))
        while not server.requests:  # noqa: ASYNC110 (of another object)
            await asyncio.sleep(0.001)
        await client.aclose(grace=0.01)
        return await call


def over_tls(serve: Serve, *, tls: bool, trusted: bool = False) -> Failure:
    """A server that is spoken to in TLS, and speaks it or not; its authority may be known."""

    async def fail(make: Callable[..., Transport]) -> BaseException:
        certificates = Certificates.make()
        async with RawOrigin(serve, tls=certificates.server if tls else None) as server:
            transport = make(ssl_context=certificates.trusted) if trusted else make()
            async with client_for(f"https://127.0.0.1:{server.port}", transport) as client:
                return await error_of(client)

    return fail


async def close_at_once(peer: Peer) -> None:
    peer.close()


def proxied(behaviour: Line | int, scheme: str) -> Failure:
    """A proxy with a password that behaves so; a number is a port that nobody listens on."""

    async def fail(make: Callable[..., Transport]) -> BaseException:
        async with RawServer(None if isinstance(behaviour, int) else behaviour) as server:
            port = behaviour if isinstance(behaviour, int) else server.port
            transport = make(proxy=f"http://user:{PASSWORD}@127.0.0.1:{port}")
            async with client_for(f"{scheme}://api.norce.example", transport) as client:
                return await error_of(client)

    return fail


def without_token(behaviour: Line, *, total: float = 30.0, **settings: Any) -> Failure:
    """A token endpoint that behaves so."""

    async def fail(make: Callable[..., Transport]) -> BaseException:
        async with RawServer(behaviour) as server:
            source = credentials(f"http://127.0.0.1:{server.port}/token", make(), **settings)
            async with client_for(server.url, make(), auth=source, timeout=total) as client:
                return await error_of(client)

    return fail


def credentials(url: str, transport: Transport, **settings: Any) -> ClientCredentials:
    given: dict[str, Any] = {"client_id": "id", "client_secret": SECRET, "timeout": 0.1, "transport": transport}
    return ClientCredentials(token_url=url, **given | settings)


def told(status: int, body: str) -> bytes:
    return response_bytes(status, body.replace("SECRET", SECRET).replace("ISSUED", ISSUED).encode())


async def endpoint_refused(make: Callable[..., Transport]) -> BaseException:
    source = credentials(f"http://127.0.0.1:{await unused_port()}/token", make())
    async with client_for("http://127.0.0.1:1", make(), auth=source) as client:
        return await error_of(client)


async def endpoint_with_a_wrong_certificate(make: Callable[..., Transport]) -> BaseException:
    async with RawOrigin(Peer.end, tls=Certificates.make().server) as server:
        source = credentials(f"{server.url}/token", make())
        async with client_for("http://127.0.0.1:1", make(), auth=source) as client:
            return await error_of(client)


async def endpoint_behind_a_proxy(make: Callable[..., Transport]) -> BaseException:
    async with RawServer(response_bytes(407)) as server:
        transport = make(proxy=f"http://user:{PASSWORD}@127.0.0.1:{server.port}")
        source = credentials("https://login.norce.example/token", transport)
        async with client_for("http://127.0.0.1:1", make(), auth=source) as client:
            return await error_of(client)


async def issued_token_refused(make: Callable[..., Transport]) -> BaseException:
    async with RawServer(told(200, '{"access_token": "ISSUED", "expires_in": 3600}'), response_bytes(401)) as server:
        source = credentials(f"http://127.0.0.1:{server.port}/token", make())
        async with client_for(server.url, make(), auth=source) as client:
            return await error_of(client)


class Broken:
    """A source whose frames and errors hold a token."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs

    async def get(self, *, rejected: str | None = None) -> str:
        token = ISSUED
        if self.hangs:
            await asyncio.Event().wait()
        try:
            raise KeyError(token)
        except KeyError as error:
            raise ValueError(f"not {token}") from error


async def break_a_header(request: Request, call_next: Handler) -> Response:
    """A middleware whose header cannot be sent."""
    return await call_next(request.with_headers(x_visitor="a\nb"))


async def by_a_timeout(client: OrderClient) -> object:
    async with asyncio.timeout(0.05):
        return await get_order(client, "o_123")


async def by_its_task(client: OrderClient) -> object:
    call = asyncio.create_task(get_order(client, "o_123"))
    asyncio.get_running_loop().call_later(0.05, call.cancel)
    return await call


def cancelled(cut: Callable[[OrderClient], Awaitable[object]], behaviour: Line = forever, **settings: Any) -> Failure:
    """A call that its caller ends so."""

    async def fail(make: Callable[..., Transport]) -> BaseException:
        async with RawServer(behaviour) as server, server.client(transport=make(), **settings) as client:
            try:
                await cut(client)
            except (TimeoutError, asyncio.CancelledError) as error:
                return error
        raise AssertionError("the call was not cancelled")

    return fail


def with_source(make_source: Callable[[], Any], **settings: Any) -> Failure:
    async def fail(make: Callable[..., Transport]) -> BaseException:
        async with (
            RawServer(response_bytes(401)) as server,
            client_for(server.url, make(), auth=make_source(), **settings) as client,
        ):
            return await error_of(client)

    return fail


ECHO = '{"error": "invalid_client", "error_description": "no client has SECRET", "error_uri": "https://x/?SECRET"}'


async def stall(peer: Peer) -> bool:
    """Say half of it and then nothing."""
    peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")
    return await forever(peer)


CANCELLATIONS: dict[str, Failure] = {
    "by a timeout": cancelled(by_a_timeout),
    "by its task": cancelled(by_its_task),
    "in the body": cancelled(by_a_timeout, stall),
    "with an issued token": cancelled(by_its_task, auth=TokenPair(ISSUED, TOKEN)),
    "while a source hangs": cancelled(by_its_task, auth=Broken(hangs=True)),
    "in a span": cancelled(by_a_timeout, call_middlewares=[Tracing()]),
}

FAILURES: dict[str, Failure] = {
    "refused": refused,
    "dropped": served(None),
    "dropped in the head": served(then_close(b"HTTP/1.1 200")),
    "dropped in the body": served(then_close(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{")),
    "garbage": served(b"\x00\xff\r\n\r\n"),
    "silence": served(forever),
    "deadline": served(forever, timeout=0.05),
    "closed": closed_under_the_call,
    "in a span, dropped": served(None, call_middlewares=[Tracing()]),
    "in a span, deadline": served(forever, timeout=0.05, call_middlewares=[Tracing()]),
    "in a span, 503": served(response_bytes(503), call_middlewares=[Tracing()]),
    "header of a call middleware": served(forever, call_middlewares=[break_a_header]),
    "header of an attempt middleware": served(forever, attempt_middlewares=[break_a_header]),
    "no TLS": over_tls(no_tls, tls=False),
    "handshake cut": over_tls(close_at_once, tls=False),
    "handshake never": over_tls(Peer.end, tls=False),
    "wrong certificate": over_tls(close_at_once, tls=True),
    "dropped in TLS": over_tls(close_at_once, tls=True, trusted=True),
    "401": served(response_bytes(401, b'{"code": "unauthorized", "message": "no"}')),
    "404": served(response_bytes(404, b'{"code": "order-not-found", "message": "no"}')),
    "503": served(response_bytes(503)),
    "302": served(response_bytes(302, location="https://elsewhere.example/")),
    "a body that is not JSON": served(response_bytes(200, b"{")),
    "a body that is another": served(response_bytes(200, b"[]")),
    "proxy refused": proxied(1, "https"),
    "proxy refused, plain": proxied(1, "http"),
    "proxy wants another password": proxied(response_bytes(407), "https"),
    "proxy wants another password, plain": proxied(response_bytes(407), "http"),
    "proxy forbids": proxied(response_bytes(403), "https"),
    "proxy cuts": proxied(None, "https"),
    "proxy cuts, plain": proxied(None, "http"),
    "proxy speaks garbage": proxied(b"\x00\xff\r\n\r\n", "https"),
    "proxy is silent": proxied(forever, "https"),
    "endpoint refused": endpoint_refused,
    "endpoint dropped": without_token(None),
    "endpoint dropped in the body": without_token(then_close(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"access')),
    "endpoint garbage": without_token(b"\x00\xff\r\n\r\n"),
    "endpoint silent": without_token(forever),
    "endpoint slower than the call": without_token(forever, total=0.05),
    "endpoint 400": without_token(told(400, ECHO)),
    "endpoint 401, by Basic": without_token(told(401, ECHO), auth_method="client_secret_basic"),
    "endpoint dropped, by Basic": without_token(None, auth_method="client_secret_basic"),
    "endpoint 200 with an error": without_token(told(200, ECHO)),
    "endpoint says HTML": without_token(told(200, "<html>SECRET")),
    "endpoint has another type of token": without_token(
        told(200, '{"access_token": "ISSUED", "token_type": "ISSUED"}')
    ),
    "endpoint has no token that can be one": without_token(told(200, '{"access_token": "ISSUED ISSUED"}')),
    "endpoint has no lifetime": without_token(told(200, '{"access_token": "ISSUED", "expires_in": -1}')),
    "endpoint has a wrong certificate": endpoint_with_a_wrong_certificate,
    "endpoint behind a proxy": endpoint_behind_a_proxy,
    "issued token refused": issued_token_refused,
    "pair refused": with_source(lambda: TokenPair(TOKEN, ISSUED)),
    "source fails": with_source(Broken),
    "source hangs": with_source(lambda: Broken(hangs=True), timeout=0.05),
}
