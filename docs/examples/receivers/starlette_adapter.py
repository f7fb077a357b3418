"""The adapter in Starlette: `uvicorn starlette_adapter:app --no-access-log`."""

from adapter import receiver
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route


async def health(request: Request) -> JSONResponse:
    return JSONResponse({"ok": True})


app = Starlette(routes=[Route("/health", health), Mount("/norce", receiver)])
