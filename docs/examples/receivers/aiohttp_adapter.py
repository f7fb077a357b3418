"""The adapter in aiohttp.web: `python aiohttp_adapter.py`."""

from adapter import receiver
from aiohttp import web

from norce_order_async.receiving import web_app


async def health(request: web.Request) -> web.Response:
    return web.json_response({"ok": True})


app = web.Application()
app.router.add_get("/health", health)
app.add_subapp("/norce", web_app(receiver))

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=8000, access_log=None)
