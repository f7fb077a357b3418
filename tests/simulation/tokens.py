"""A simulated OAuth2 token endpoint: its tokens expire, and at times are revoked."""

import asyncio

from aiohttp import web
from simulation.clock import WorldClock
from simulation.scene import Scene

from norce_order_async import ClientCredentials
from norce_order_async.wire.json import encode_json

ADDRESS = "10.0.0.2"
LIFETIME = 3600.0


class TokenEndpoint:
    """Issues the tokens that a scene's API takes.

    Args:
        scene: The scene.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._count = 0
        self._valid: list[str] = []
        scene.sandbox.take_tokens("none")
        scene.world.start("tokens", ADDRESS, self._serve)

    def source(self, name: str) -> ClientCredentials:
        """Where a client gets its tokens from; its random choices go by its name."""
        return ClientCredentials(
            token_url=f"http://{ADDRESS}:80/token",
            client_id="worker",
            client_secret="secret",
            allow_http=True,
            transport=self._scene.make_transport(),
            clock=WorldClock(self._scene.world),
            random=self._scene.world.stream(f"tokens {name}"),
        )

    def revoke(self) -> None:
        """Take back all tokens."""
        self._valid.clear()
        self._tell()

    async def _serve(self) -> None:
        server = web.Server(self._answer, access_log=None)
        await asyncio.get_running_loop().create_server(server, ADDRESS, 80)
        await asyncio.get_running_loop().create_future()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        self._count += 1
        token = f"token-{self._count}"
        self._valid.append(token)
        self._tell()
        self._scene.world.note("tokens", f"issues {token}")
        self._scene.world.after(LIFETIME, self._expire, token)
        grant = {"access_token": token, "token_type": "Bearer", "expires_in": int(LIFETIME)}
        return web.Response(body=encode_json(grant), content_type="application/json")

    def _expire(self, token: str) -> None:
        if token in self._valid:
            self._valid.remove(token)
            self._tell()

    def _tell(self) -> None:
        self._scene.sandbox.take_tokens(*(self._valid or ["none"]))
