"""The API of two hundred shops, each at an address of its own, in a process of its own.

It answers after 5 ms. Shops whose merchant is named so hang, fail or answer after half a second.

python -m benchmarks.shops_server        prints its port, then what tokens it got, when its input ends
"""

import asyncio
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

HOSTS = ["127.0.0.1"] + [f"127.1.0.{number}" for number in range(1, 201)]
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_FAILED = b"HTTP/1.1 503 X\r\nContent-Length: 0\r\n\r\n"


class Shop(asyncio.Protocol):
    """A connection. The requests have no bodies, and come in one piece."""

    wrong = requests = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer as the merchant says."""
        lines = data.decode("ascii").split("\r\n")
        head = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        merchant = head["x-merchant"]
        Shop.requests += 1
        Shop.wrong += head["authorization"] != f"Bearer token-of-{merchant}@{head['host'].partition(':')[0]}"
        match merchant.rstrip("0123456789"):
            case "hangs":
                pass
            case "fails":
                self.answer(0.005, _FAILED)
            case "floods":
                self.answer(0.5, _OK)
            case _:
                self.answer(0.005, _OK)

    def answer(self, delay: float, answer: bytes) -> None:
        """Answer, a little later."""
        asyncio.get_running_loop().call_later(delay, self.transport.write, answer)


@contextmanager
def serving() -> Generator[int]:
    """Run it; its port. At the end, no request may have had a token that is not its shop's."""
    command = [sys.executable, "-m", "benchmarks.shops_server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        wrong = process.communicate()[0].strip()
    print(wrong)
    if not wrong.startswith("0 "):
        raise SystemExit("a token reached a host that it was not given for")


async def main() -> None:
    """Serve until the input ends."""
    loop = asyncio.get_running_loop()
    first = await loop.create_server(Shop, HOSTS[0], 0)
    port: int = first.sockets[0].getsockname()[1]
    others = await loop.create_server(Shop, HOSTS[1:], port)
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    first.close()
    others.close()
    print(f"{Shop.wrong} of {Shop.requests:,} requests had a token that is not their shop's", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
