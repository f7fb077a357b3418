"""The adapter in Litestar: `uvicorn litestar_adapter:app --no-access-log`."""

from adapter import receiver
from litestar import Litestar, asgi, get
from litestar.types import Receive, Scope, Send


@get("/health")
async def health() -> dict[str, bool]:
    return {"ok": True}


@asgi("/norce", is_mount=True, copy_scope=True)
async def norce(scope: Scope, receive: Receive, send: Send) -> None:
    await receiver(scope, receive, send)


app = Litestar([health, norce])
