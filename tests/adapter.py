"""An adapter in a process of its own: prints its port, and each notification that it takes.

``python adapter.py PORT``; PORT 0 takes a free one.
"""

import asyncio
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


async def serve(port: int) -> None:
    """Serve until the process is killed."""
    runner = web.AppRunner(web_app(Receiver(on_hook=on_hook, on_notification=on_notification, deadline=30)))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
