"""A server on a port of this machine that answers every change as a function says."""

import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from command import sandbox_settings

Asked = tuple[str, str]
"""The merchant and the path of a request."""


class Server(ThreadingHTTPServer):
    """One whose clients may be killed."""

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextmanager
def answering(answer: Callable[[Asked], int]) -> Generator[tuple[dict[str, str], list[Asked]]]:
    """Run it; gives the settings of a command for it, and what was asked of it so far."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PATCH(self) -> None:
            self.rfile.read(int(self.headers["content-length"] or 0))
            one = (self.headers["x-merchant"], self.path)
            asked.append(one)
            self.send_response(answer(one))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *_: Any) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        try:
            yield sandbox_settings(f"http://127.0.0.1:{server.server_address[1]}"), asked
        finally:
            server.shutdown()
            serving.join(10)
