"""Ask a real service what no published page says, about an order of its own, and write a table of the answers.

    PYTHONPATH=tests python -m live                     settings from NORCE_*, on playground
    PYTHONPATH=tests python -m live --out answers.md

It makes an order, asks about it, one request at a time with a pause before each and none of them twice, and removes
what it made. It changes nothing else. With NORCE_OAUTH_TOKEN, an access token of Norce Commerce, it also asks whether
the order API takes that. It refuses every environment but playground, and a machine's own addresses, unless it is told.
"""

import argparse
import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from live.probe import LastResponse, Probe
from live.questions import QUESTIONS
from norce_order_async import ConfigurationError, NorceOrderError, OrderClient, __version__

_FITS = {True: "yes", False: "**no**", None: ""}
Row = tuple[str, str, str, str]


def is_playground(url: str) -> bool:
    """Whether an address is Norce's playground, or this machine."""
    host = urlsplit(url).hostname or ""
    return host.endswith(".playground.norce.tech") or host in ("localhost", "127.0.0.1", "::1")


async def ask_all(probe: Probe) -> list[Row]:
    """Ask every question, and remove what was made, also when a question fails."""
    rows: list[Row] = []
    made = await probe.make()
    rows.append(("POST of an order: where its id is", "in the body, bare or in an object, or in `Location`",
                 f"{made}, {'with' if 'location' in made.headers else 'without'} `Location`",
                 _FITS[bool(probe.made)]))  # fmt: skip
    if not probe.made:
        if made.status is None or made.ok:
            rows.append(("what the probe made", "", f"perhaps an order with the cart reference {probe.reference}", ""))
        return rows
    try:
        if token := os.environ.get("NORCE_OAUTH_TOKEN"):
            answer = await probe.send("GetCheckoutOrder", client=probe.client.scoped(auth=token))
            rows.append(("an OAuth2 token of Norce Commerce", "`auth` takes a token source", str(answer), ""))
        for question in QUESTIONS:
            try:
                came, fits = await question.ask(probe)
            except NorceOrderError as error:
                came, fits = f"not asked: {error}", None
            rows.append((question.text, question.assumes, came, _FITS[fits]))
    finally:
        left = await probe.remove()
        came = f"could not be removed: {', '.join(left)}" if left else "nothing is left"
        rows.append(("what the probe made", "", came, _FITS[not left]))
    headers = ", ".join(f"`{name}` {count}" for name, count in sorted(probe.headers.items()))
    rows.append(("headers of the answers, and how often", "only `Retry-After` and `Location` are read", headers, ""))
    return rows


def table(rows: list[Row], url: str, requests: int) -> str:
    """The answers as a page."""
    lines = [
        f"# What {urlsplit(url).hostname} answers", "",
        f"Asked on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC with {requests} requests, by version {__version__}.",
        "", "| question | what the library assumes | what came | as assumed |", "| --- | --- | --- | --- |",
        *("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows), "",
    ]  # fmt: skip
    return "\n".join(lines)


async def main(options: argparse.Namespace) -> int:
    """Ask, write, and say how it ended."""
    last = LastResponse()
    async with OrderClient.from_env(retry=None, call_middlewares=[last]) as client:
        if not options.any_environment and not is_playground(client.base_url):
            sys.exit(f"{client.base_url} is not playground; --any-environment asks it all the same")
        probe = Probe(client, last, options.pause)
        page = table(await ask_all(probe), client.base_url, probe.requests)
    if options.out:
        options.out.write_text(page, encoding="utf-8")
    else:
        print(page)
    return 0 if probe.made else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write the table into this file")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds before each request (1)")
    parser.add_argument("--any-environment", action="store_true", help="also ask stage or production")
    try:
        sys.exit(asyncio.run(main(parser.parse_args())))
    except ConfigurationError as problem:
        sys.exit(str(problem))
