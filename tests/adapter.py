"""An adapter in a process of its own: prints its port, and each notification that it takes.

``python adapter.py FRAMEWORK PORT``, with ``aiohttp`` or ``fastapi``; PORT 0 takes a free one.
"""

import asyncio
import socket
import sys

import attrs
from aiohttp import web

from norce_order_async.receiving import HookCall, NotificationCall, Receiver, Reply, allow, change, refuse, web_app


async def on_hook(call: HookCall) -> Reply:
    """Do what the path says."""
    match call.path:
        case "refuse":
            return refuse("terms-missing", "The terms are not accepted.")
        case "change":
            return change(call.order, attrs.evolve(call.order, reference="R-1"))
        case "sleep":
            await asyncio.sleep(60)
        case _:
            pass
    return allow()


async def on_notification(call: NotificationCall) -> None:
    """Say which change it is about."""
    print(call.order.reference, flush=True)


async def aiohttp(listener: socket.socket, receiver: Receiver) -> None:
    """Serve with aiohttp, which is there at once."""
    runner = web.AppRunner(web_app(receiver))
    await runner.setup()
    await web.SockSite(runner, listener).start()
    await asyncio.Event().wait()


async def fastapi(listener: socket.socket, receiver: Receiver) -> None:
    """Serve with FastAPI and uvicorn."""
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()
    app.mount("/", receiver)
    await uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).serve(sockets=[listener])


def main(framework: str, port: str) -> None:
    """Serve until the process is killed."""
    serve = {"aiohttp": aiohttp, "fastapi": fastapi}[framework]
    with socket.create_server(("127.0.0.1", int(port))) as listener:
        print(listener.getsockname()[1], flush=True)
        receiver = Receiver(on_hook=on_hook, on_notification=on_notification, deadline=30)
        asyncio.run(serve(listener, receiver))


if __name__ == "__main__":
    main(*sys.argv[1:])
