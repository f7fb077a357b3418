"""An origin that keeps a ledger: what came, what it made of it, and how it answered."""

import json
import random
import ssl
from collections import Counter, defaultdict

import attrs
from hostile.answers import KINDS, Truth, typed

from norce_order_async.testing.conformance.origin import Peer, RawOrigin, response_bytes

SHARE = 0.25
"""The share of requests that are answered in a hostile way."""


@attrs.frozen
class Entry:
    """One request that came.

    Attributes:
        kind: How it was answered.
        made: Whether the change was made.
    """

    kind: str
    made: bool


class Ledger:
    """Answers the requests of calls, each with a request id of its own, and writes them down.

    Args:
        rng: Decides how each is answered.
    """

    def __init__(self, rng: random.Random) -> None:
        self.entries: defaultdict[str, list[Entry]] = defaultdict(list)
        self.kinds: Counter[str] = Counter()
        self.problems: list[str] = []
        self._names = sorted(KINDS)
        self._rng = rng

    def origin(self, tls: ssl.SSLContext | None) -> RawOrigin:
        """Its server."""
        return RawOrigin(self._serve, tls=tls)

    async def _serve(self, peer: Peer) -> None:
        try:
            await self._converse(peer)
        except EOFError:
            raise
        except Exception as error:
            self.problems.append(f"the origin failed: {error!r}")

    async def _converse(self, peer: Peer) -> None:
        rng = self._rng
        if rng.random() < 0.01:
            return  # the connection is taken and closed
        while True:
            method, headers = _parsed(await peer.request())
            request_id = headers["x-request-id"]
            if "cookie" in headers:
                self.problems.append(f"{request_id}: a cookie was sent back")
            name = rng.choice(self._names) if rng.random() < SHARE else None
            if name is None:
                peer.write(self._plain(method, request_id))
                continue
            kind = KINDS[name]
            made = kind.truth is Truth.MADE or (kind.truth is Truth.EITHER and rng.random() < 0.5)
            self._note(request_id, name, made=made)
            what = kind.write(good_body(method, request_id))
            if isinstance(what, bytes):
                peer.write(what)
            else:
                await what(peer)
            if not kind.goes_on:
                return

    def _plain(self, method: str, request_id: str) -> bytes:
        if method == "DELETE" and any(entry.made for entry in self.entries[request_id]):
            self._note(request_id, "gone", made=False)
            return typed(b'{"code":"consent-not-found","message":"gone"}', 404)
        self._note(request_id, "good", made=True)
        return response_bytes(200) if method in ("PATCH", "DELETE") else typed(good_body(method, request_id))

    def _note(self, request_id: str, kind: str, *, made: bool) -> None:
        self.kinds[kind] += 1
        self.entries[request_id].append(Entry(kind, made))


def good_body(method: str, request_id: str) -> bytes:
    """What an operation that reads its answer needs; it holds the request's id, so that a mix-up shows."""
    return json.dumps({"id": f"o_{request_id}", "attributes": {"nonce": request_id}}).encode()


def _parsed(request: bytes) -> tuple[str, dict[str, str]]:
    first, *lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return first.partition(" ")[0], headers
