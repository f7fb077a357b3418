"""What the sandbox's transport and its server both do with a request: the part that may wait."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import nullcontext
from logging import DEBUG, WARNING
from typing import TYPE_CHECKING
from urllib.parse import unquote
from weakref import WeakKeyDictionary

import attrs

from norce_order_async.core.kinds import kind_of
from norce_order_async.core.logger import lines_of, logger
from norce_order_async.receiving import handlers
from norce_order_async.receiving.receiver import Receiver
from norce_order_async.receiving.replies import Reply
from norce_order_async.testing.sandbox.callbacks import Adapter
from norce_order_async.testing.sandbox.exchange import (
    AdapterCall,
    AdapterReply,
    Arrival,
    NoAnswerError,
    NotAllowedError,
    SandboxResponse,
)
from norce_order_async.testing.sandbox.service import OrderService
from norce_order_async.wire.json import JSON, WireError, decode_json

if TYPE_CHECKING:
    from norce_order_async.testing.sandbox.network import Network

_MOST_PAUSE = 5.0
_LOOK_AGAIN = 0.01
_logger = logger.child("testing.sandbox.serving")


@attrs.frozen
class _Work:
    """What is still done for a sandbox after an answer: over which network, and whether it sends a notification."""

    network: "Network | None"
    is_notice: bool


_tasks: "WeakKeyDictionary[OrderService, dict[asyncio.Task[None], _Work]]" = WeakKeyDictionary()


async def answer(
    service: OrderService, arrival: Arrival, body: bytes, network: "Network | None" = None
) -> SandboxResponse:
    """Have a request answered, with the calls to adapters that this takes; notifications follow by themselves."""
    exchange = service.start(arrival, body)
    try:
        while exchange.answer is None:
            calls = [_call(service, call, network) for call in exchange.calls]
            service.resume(exchange, await asyncio.gather(*calls))
    finally:
        service.drop(exchange)
    for notice in exchange.notices:
        _keep(service, _deliver(service, notice, network), _Work(network, is_notice=True))
    return exchange.answer


def answer_later(service: OrderService, arrival: Arrival, body: bytes, network: "Network | None" = None) -> None:
    """Have a request carried out when its fault says so, whoever waits for its answer."""

    async def wait() -> None:
        try:
            await asyncio.sleep(arrival.mishap.late)
        except asyncio.CancelledError:
            service.forget(arrival, body)
            raise
        await answer(service, arrival, body, network)

    _keep(service, wait(), _Work(network, is_notice=False))


async def delivered(service: OrderService) -> None:
    """Wait until every notification that left is delivered or given up, unless its event loop stands still."""
    here = asyncio.get_running_loop()
    while tasks := [task for task, work in _under_way(service) if work.is_notice and task.get_loop().is_running()]:
        own = [task for task in tasks if task.get_loop() is here]
        # A task of another thread cannot be awaited, and its event loop may end before it.
        await (asyncio.wait(own) if own else asyncio.sleep(_LOOK_AGAIN))


async def abandon(service: OrderService, network: "Network") -> None:
    """End what is still done over a network."""
    tasks = [task for task, work in _under_way(service) if work.network is network]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _under_way(service: OrderService) -> list[tuple[asyncio.Task[None], _Work]]:
    return list(_tasks.get(service, {}).items())


def _keep(service: OrderService, doing: Coroutine[object, object, None], work: _Work) -> None:
    tasks = _tasks.setdefault(service, {})
    task = asyncio.create_task(doing)
    tasks[task] = work
    task.add_done_callback(lambda done: tasks.pop(done, None))


async def _deliver(service: OrderService, notice: AdapterCall, network: "Network | None") -> None:
    """Send a notification until it is taken."""
    pause = service.callbacks.pause
    for left in reversed(range(service.callbacks.tries)):
        async with network.notifications if network else nullcontext():
            reply = await _call(service, notice, network, left)
        if reply.skipped or reply.problem is None or not left:
            return
        await asyncio.sleep(min(pause, _MOST_PAUSE))
        pause *= 2


async def _call(service: OrderService, call: AdapterCall, network: "Network | None", left: int = 0) -> AdapterReply:
    """Call an adapter, in process if there is one, and note it; the log has what fails. So many tries are left."""
    begun = time.perf_counter()
    reply, place = AdapterReply(0, problem="nobody waits for its answer any more"), ""
    try:
        reply, place = await _reply(service, call, network)
    finally:
        service.note_call(call, reply, time.perf_counter() - begun)
        if reply.problem is not None:
            _tell(service, call, reply, place, left)
    return reply


def _tell(service: OrderService, call: AdapterCall, reply: AdapterReply, place: str, left: int) -> None:
    if reply.skipped:  # as whoever configured no callbacks expects
        level = WARNING if service.has_callbacks else DEBUG
        _logger.log(level, "%s is not called: %s", call, reply.problem)
    elif call.kind == "notification" and not left:
        _logger.warning("gave up %s after %d tries: %s%s", call, service.callbacks.tries, reply.problem, place)
    else:
        _logger.log(DEBUG if left else WARNING, "%s failed: %s%s", call, reply.problem, place)


async def _reply(service: OrderService, call: AdapterCall, network: "Network | None") -> tuple[AdapterReply, str]:
    """What an adapter says, or why it says nothing; and for the log, where it failed in process."""
    adapter = _adapter_of(service.callbacks.adapters, call.url)
    deadline = service.callbacks.deadline
    limit = asyncio.timeout(deadline)
    try:
        async with limit:
            return _read(call, await _send(adapter, call, network)), ""
    except NotAllowedError as error:
        return AdapterReply(0, skipped=True, problem=str(error)), ""
    except Exception as error:
        if limit.expired():
            return AdapterReply(0, problem=f"no answer within {deadline:g} s"), ""
        # Not the text of a foreign one, which may hold the body or the URL.
        what = str(error) if isinstance(error, NoAnswerError) else f"no answer ({type(error).__name__})"
        return AdapterReply(0, problem=what), f" in {lines_of(error)}" if adapter else ""


def _read(call: AdapterCall, reply: Reply) -> AdapterReply:
    """What a reply means to its call: the status counts first, as what a server answers itself is seldom JSON."""
    is_notice, is_taken = call.kind == "notification", 200 <= reply.status < 300
    body: JSON = None
    problem: str | None = None
    try:
        body = decode_json(reply.body) if reply.body.strip() else None
    except WireError:
        problem = "its answer is no JSON" if is_taken and not is_notice else None
    if not is_taken and (is_notice or reply.status not in (400, 404)):
        problem = f"it answered with status {reply.status}"
    return AdapterReply(reply.status, body, problem)


def _adapter_of(adapters: Mapping[str, Adapter], url: str) -> tuple[Adapter, str] | None:
    """Who answers in process, and the rest of the URL."""
    beginnings = [one for one in adapters if url.startswith(one) and _ends(url, one)]
    longest = max(beginnings, key=len, default=None)
    return None if longest is None else (adapters[longest], url.removeprefix(longest))


async def _send(adapter: tuple[Adapter, str] | None, call: AdapterCall, network: "Network | None") -> Reply:
    if adapter is not None:
        return await _in_process(*adapter, call)
    if network is None:
        raise NotAllowedError("nobody answers there in process")
    return await network(call)


def _ends(url: str, beginning: str) -> bool:
    """Whether a beginning of a URL ends where a part of it does."""
    return beginning.endswith("/") or url[len(beginning) :][:1] in ("", "/", "?")


async def _in_process(adapter: Adapter, rest: str, call: AdapterCall) -> Reply:
    if not isinstance(adapter, Receiver):
        reply = await handlers.run(adapter, call)
        if not isinstance(reply, Reply):
            raise NoAnswerError(f"it returned no Reply: {kind_of(reply)}")
        return reply
    path, _, query = rest.partition("?")
    headers = {**call.headers, "content-type": "application/json"}
    return await adapter.answer("POST", unquote(path), query, headers, _parts(call.body))


async def _parts(body: bytes) -> AsyncIterator[bytes]:
    yield body
