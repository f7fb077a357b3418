"""Malformed and hostile requests at the receiver: only 4xx, no traceback, no body in a log, bounded memory.

    PYTHONPATH=tests python -m hostile.bodies 10000

Each body is also read with the standard library: what that takes for an order has to come to the handler, and all else
has to be refused. Only what is refused counts.
"""

import argparse
import asyncio
import json
import logging
import random
import sys
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple, cast

import attrs
from asgi import request

from norce_order_async.receiving import (
    HookCall,
    NotificationCall,
    Receiver,
    Reply,
    SharedSecret,
    ValidationCall,
    change,
    valid,
)

CANARY = "canary-4b1d"
SECRET = "0123456789abcdef"
LIMIT = 256 * 1024
MOST_GROWTH = 64 * 1024 * 1024
"""Bytes by which the process may grow."""
ORDER: dict[str, Any] = {
    "id": "o_1",
    "merchant": CANARY,
    "lastModified": "2026-01-12T08:00:00Z",
    "state": {
        "currentStatus": "checkout",
        "transitions": [{"status": "checkout", "timeStamp": "2026-01-12T08:00:00Z"}],
    },
    "customer": {"billing": {"email": f"{CANARY}@example.com", "givenName": "Å<script>\u202e"}, "type": "Person"},
    "cart": {"items": [{"id": "i", "name": CANARY, "quantity": 1, "price": {"includingVat": 12.50}, "items": []}]},
    "consents": [{"id": "terms", "checked": True, "text": CANARY}],
    "payments": [{"id": "p", "amount": 12.5, "state": 1}],
    "attributes": {CANARY: None},
}
NOTES: Sequence[Any] = ({"notification": {"id": "n"}, "order": ORDER}, {"notification": None, "order": ORDER}, ORDER)
VALUES: Sequence[Any] = (
    None, True, -1, 0, 1.5, "", "\ud800", CANARY, [], {}, [[]], [{}], [None], {"": None}, 10**400, 1e300, "9" * 5000,
)  # fmt: skip
TEXTS = (
    b"", b"\x00", b"null", b"[]", b"{}", b'"', b"{", b'{"id"', b'{"id":}', b"\xff\xfe", b"\xef\xbb\xbf", b"NaN", b"-",
    b'{"id":Infinity}', b'{"id":"o"}{"id":"o"}', b"{'id':'o'}", b'{"id":"o",}', b'{"id":"\\ud8"}', b'{"id":"a\nb"}',
    b"<?xml version='1.0'?>", b"id=o_1", b"1" * 5000, b"1e" + b"9" * 40, b'{"id":"o","a":1e' + b"9" * 40 + b"}",
)  # fmt: skip


class Attempt(NamedTuple):
    """A request, and whether it has to come to the handler."""

    kind: str
    method: str
    target: str
    headers: dict[str, str]
    parts: list[bytes | float | None]
    passes: bool


def replaced(rng: random.Random, value: Any) -> Any:
    """JSON with something else in one place."""
    if isinstance(value, dict | list) and value and rng.random() < 0.8:
        copy: Any = cast("Any", value).copy()
        key = rng.choice(list(copy) if isinstance(value, dict) else range(len(copy)))
        copy[key] = replaced(rng, copy[key])
        return copy
    return rng.choice(VALUES)


def mutated(rng: random.Random, body: bytes) -> bytes:
    """A body with some bytes changed, gone, doubled or new."""
    text = bytearray(body)
    for _ in range(rng.randint(1, 6)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.randint(0, 30))
        text[start:end] = rng.choice((b"", text[start:end] * 2, rng.randbytes(rng.randint(1, 4)), rng.choice(TEXTS)))
    return bytes(text)


def deep(rng: random.Random) -> bytes:
    """A body nested deeper than anyone needs."""
    opening, closing = rng.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"items":', b"}]")))
    depth = rng.choice((100, 20_000))
    place = rng.choice((b'"cart":{"items":', b'"attributes":{"a":'))
    return b'{"id":"o",' + place + opening * depth + b"1" + closing * rng.choice((0, depth)) + b"}}"


def large(rng: random.Random) -> bytes:
    """A body of many bytes or values."""
    count = rng.choice((1_000, 60_000, 300_000))
    element = rng.choice((b",{}", b",1", b",[]", b',"x"'))
    return b'{"id":"o","consents":[{}' + element * (count // len(element)) + b"]}"


def body_of(rng: random.Random, kind: str) -> bytes:
    """Some body, rarely a good one."""
    whole = rng.choice(NOTES) if kind == "notifications" else ORDER
    text = json.dumps(replaced(rng, whole) if rng.random() < 0.5 else whole).encode()
    match rng.randrange(20):
        case 0:
            return rng.randbytes(rng.randrange(200))
        case 1:
            return rng.choice(TEXTS)
        case 2:
            return text[: rng.randrange(len(text))]
        case 3:
            return deep(rng)
        case 4:
            return large(rng) if rng.random() < 0.1 else b"\xef\xbb\xbf" + text
        case 5:
            return text.decode().encode(rng.choice(("utf-16", "utf-32", "utf-16-be")))
        case 6 | 7:
            return json.dumps(replaced(rng, whole)).encode()
        case _:
            return mutated(rng, text)


def has(value: Any, name: str) -> bool:
    """Whether this is an object with such a member."""
    return isinstance(value, dict) and name in value


def is_call(kind: str, body: bytes) -> bool:
    """Whether the standard library reads this as a call of this kind."""
    if len(body) > LIMIT or sum(map(body.count, (b",", b"{", b"["))) > 75_000:
        return False
    if kind == "validations" and not body.strip():
        return True
    try:
        value: Any = json.loads(body.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_refuse)
        if kind == "notifications" and has(value, "notification"):
            if not isinstance(value["notification"], dict | None):
                return False
            value = value["order"]
        name: Any = value["id"]
    except (ValueError, ArithmeticError, RecursionError, LookupError, TypeError):
        return False
    return not isinstance(name, bool) and (isinstance(name, (int, Decimal)) or (isinstance(name, str) and name != ""))


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def attempt(rng: random.Random) -> Attempt:
    """One request."""
    kind = rng.choice(("hooks", "notifications", "validations"))
    target = f"/{kind}/a?secret={SECRET}"
    if rng.random() < 0.8:
        body = body_of(rng, kind)
        cuts = sorted(rng.randrange(len(body) + 1) for _ in range(rng.randrange(4)))
        parts = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
        return Attempt(kind, "POST", target, {}, [*parts], is_call(kind, body))
    good: list[bytes | float | None] = [json.dumps(ORDER).encode()]
    length = rng.choice(("-1", "", "0x10", "1e3", "²", "5", "1", "9" * 30, "9" * 5000, str(LIMIT + 1), "+10"))
    headers, method, parts_ = dict[str, str](), "POST", good
    match rng.randrange(6):
        case 0:
            headers = {"content-length": length}
        case 1:
            headers = {"content-encoding": rng.choice(("gzip", "br", "identity, gzip", CANARY, "deflate", "\xff"))}
        case 2:
            target = rng.choice(
                ("/", "//", "", f"/{CANARY}", "/hooks%2f..", "/HOOKS", "/hooks\x00", "/../hooks", "/norce")
            )
        case 3:
            method = rng.choice(("PUT", "HEAD", "DELETE", "post", CANARY, "", "TRACE"))
        case 4:
            query = rng.choice(
                ("", "secret", "secret=", f"secret={SECRET[1:]}", f"secret=%00{SECRET}", "&" * 1000, "é=%ff")
            )
            target = f"/{kind}?{query}"
        case _:
            parts_ = [b"{", rng.choice((60.0, None))]  # the deadline ends the wait
    return Attempt(kind, method, target, headers, parts_, False)


async def on_hook(call: HookCall | ValidationCall) -> Reply:
    """Use what was read."""
    if call.order is None:
        return valid()
    repr(call.order.unreadable)
    return change(call.order, attrs.evolve(call.order, country="SE", culture=None))


async def on_notification(call: NotificationCall) -> None:
    """Use what was read."""
    repr((call.order.unreadable, call.notification))


class Overheard(logging.Handler):
    """What is wrong with the log."""

    def __init__(self) -> None:
        super().__init__()
        self.wrong: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or record.levelno > logging.WARNING or CANARY in record.getMessage():
            self.wrong.append(f"the log says {record.getMessage()!r}")


async def run(count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Make requests until so many were refused; what they got, and what is wrong."""
    rng = random.Random(seed)
    got: Counter[str] = Counter()
    overheard = Overheard()
    logger = logging.getLogger("norce_order_async")
    logger.addHandler(overheard)
    wrong = overheard.wrong
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: wrong.append(f"the event loop says {context['message']}"))
    app = Receiver(
        on_hook=on_hook, on_notification=on_notification, on_validation=on_hook,
        secret=SharedSecret(SECRET), limit=LIMIT, deadline=0.02,
    )  # fmt: skip
    try:
        while got.total() - got["passed"] < count:
            each = attempt(rng)
            status, _, body = await request(app, each.method, each.target, *each.parts, headers=each.headers.items())
            gone = status == 0 and None in each.parts
            told = "passed" if status == 200 else "nothing, the client is gone" if gone else str(status)
            got[told] += 1
            if not (status == 200 if each.passes else 400 <= status < 500 or gone):
                wrong.append(f"{status} for {each!r:.500}")
            if CANARY.encode() in body and status != 200:
                wrong.append(f"the answer {body!r:.500} shows the body")
    finally:
        logger.removeHandler(overheard)
        loop.set_exception_handler(None)
    return got, wrong


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what the requests got; 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    asyncio.run(run(200, options.seed + 1))  # what is loaded once does not count as growth
    before = peak()
    got, wrong = asyncio.run(run(options.count, options.seed))
    grown = peak() - before
    print(", ".join(f"{number} {told}" for told, number in got.most_common()))
    print(f"{len(wrong)} violations; the process grew by {grown / 2**20:.0f} MiB at most")
    for line in wrong[:20]:
        print(f"  {line}")
    return int(bool(wrong) or grown > MOST_GROWTH)


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    import resource  # which Windows hasn't

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    sys.exit(main())
