"""A server that answers every request with 200 and ``{}``, in a process of its own: nginx, or else a minimal one.

python -m benchmarks.server PORT LATENCY        the minimal one
"""

import asyncio
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks.machine import allow_files

_NGINX = """
worker_processes 1; worker_rlimit_nofile {files}; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections {files}; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 1h;
    client_body_temp_path {folder}/body; client_max_body_size 8m; client_body_buffer_size 2m;
    {certificate}
    server {{ listen 127.0.0.1:{port} {tls} backlog=4096; default_type application/json; return 200 '{{}}'; }}
}}
"""
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@attrs.frozen
class Server:
    """A server that runs.

    Attributes:
        name: Which one it is, with its version.
        url: Where it is.
    """

    name: str
    url: str


def find_nginx() -> str | None:
    """Where nginx is, if it is installed."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def serve(certificate: Path | None = None, latency: float = 0.0) -> Generator[Server]:
    """Run a server; this process, and those it starts, may have as many connections as is allowed.

    With a certificate, a file that holds its key as well, it speaks TLS, and has to be nginx. With a latency, seconds
    that each answer takes, it is the minimal one.

    Raises:
        SystemExit: It has to be nginx, and cannot be.
    """
    nginx = None if latency else find_nginx()
    if certificate is not None and nginx is None:
        raise SystemExit("the server for TLS is nginx, which is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    tls = {"tls": "", "certificate": ""}
    if certificate is not None:
        tls = {"tls": "ssl", "certificate": f"ssl_certificate {certificate}; ssl_certificate_key {certificate};"}
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        name, command = "a minimal asyncio server", [sys.executable, "-m", "benchmarks.server", str(port), str(latency)]
        if nginx is not None:
            settings = Path(folder, "nginx.conf")
            settings.write_text(_NGINX.format(folder=folder, port=port, files=allow_files(), **tls), encoding="utf-8")
            said = subprocess.run([nginx, "-v"], stderr=subprocess.PIPE, text=True, check=True).stderr
            name = said.rpartition(" ")[2].strip().replace("/", " ")
            command = [nginx, "-p", folder, "-e", f"{folder}/error.log", "-c", str(settings)]
        process = subprocess.Popen(command)
        try:
            _await_port(process, port)
            yield Server(name, f"{'https' if certificate else 'http'}://127.0.0.1:{port}")
        finally:
            process.terminate()
            process.wait()


def _await_port(process: "subprocess.Popen[bytes]", port: int) -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("the server did not start")


class _Answerer(asyncio.Protocol):
    """Answers each request, some seconds after its head and as many bytes as that announces are there."""

    def __init__(self, latency: float) -> None:
        self.latency = latency

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.received = bytearray()

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            _, _, length = self.received[:end].lower().partition(b"content-length:")
            size = end + 4 + int(length.partition(b"\r\n")[0] or 0)
            if len(self.received) < size:
                return
            del self.received[:size]
            if self.latency:
                asyncio.get_running_loop().call_later(self.latency, self.transport.write, _ANSWER)
            else:
                self.transport.write(_ANSWER)


async def _answer(port: int, latency: float) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: _Answerer(latency), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_answer(int(sys.argv[1]), float(sys.argv[2])))
