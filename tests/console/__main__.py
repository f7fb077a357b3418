"""Hold the sandbox's console against its promises, in an installed Chromium.

PYTHONPATH=tests python -m console [--pictures FOLDER]

Ends with status 0 and says so where there is none.
"""

import argparse
import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Literal

from console.browser import Page, PageError, browsing, program

from norce_order_async import OrderClient, StatusError, get_order, patch_attributes, patch_consent
from norce_order_async.receiving import Reply
from norce_order_async.testing import AdapterCall, Callbacks, Sandbox, SandboxServer

SOON = 1.0
"""Seconds within which a change appears."""
HOSTILE = {
    "script": "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">",
    "backwards": "invoice\u202efdp.exe",
    "long": "A" * 1024 * 1024,
    "<b>name</b>": "line\nbreak",
}
HOOK = {"id": "h_terms", "adapterId": "terms_adapter", "subscribeTo": "/consents", "invoke": "https://adapter.example"}
ORDER = "location.hash = '#order/norce/1/{}'"


async def _agree(call: AdapterCall) -> Reply:
    return Reply(200)


def sandbox() -> Sandbox:
    """One with many orders, and a clock of its own."""
    clock = count(1_736_000_000.0, 0.4)
    made = Sandbox(wall=lambda: next(clock), callbacks=Callbacks(adapters={"https://adapter.example": _agree}))
    made.seed_orders(140)
    made.add_order("o_123", consents=["ci_newsletter", "ci_terms"], hooks=[HOOK])
    return made


@asynccontextmanager
async def looking(page: Page, shown: Sandbox, kind: Literal["read", "write"]) -> AsyncGenerator[None]:
    """The console of a sandbox in the page; at the end the page must have reported no problem."""
    async with SandboxServer(shown, console=kind) as server:
        await page.open(server.url.removesuffix("checkout/order"))
        await page.until("document.getElementById('link')?.className === 'live' && document.querySelector('#rows a')")
        yield
        if page.problems:
            raise PageError("\n".join(page.problems))
        await page.open("about:blank")


async def refused(client: OrderClient) -> int | None:
    """The status with which the next request is refused; None if it is not."""
    try:
        await get_order(client, "o_123")
    except StatusError as error:
        return error.status
    return None


async def check_changes(page: Page) -> None:
    """A change made by a client appears within a second, in the order that is open and in the list."""
    shown = sandbox()
    async with looking(page, shown, "read"), shown.client() as client:
        await patch_attributes(client, "o_123", {"erpId": "A-1"})
        took = await page.until("document.querySelector('#noted').textContent.includes('o_123/attributes')", SOON)
        await page.value(ORDER.format("o_123"))
        await page.until("document.querySelector('#parts').textContent.includes('erpIdA-1')")
        await patch_attributes(client, "o_123", {"erpId": "A-2"})
        took = max(took, await page.until("document.querySelector('#parts').textContent.includes('erpIdA-2')", SOON))
        print(f"a change appears after at most {took:.2f} s")


async def check_faults(page: Page) -> None:
    """A fault that is switched on strikes the next request, and none once it is switched off; by keys alone."""
    shown = sandbox()
    async with looking(page, shown, "write"), shown.client(retry=None) as client:
        await page.value("document.getElementById('value').focus(); document.getElementById('value').select()")
        await page.keys("429", "Tab", "Tab", "Tab", "Tab", "Enter")
        await page.until("document.querySelector('#on [role=switch]')")
        assert await refused(client) == 429
        await page.until("document.querySelector('#noted').textContent.includes('fault status:429')")
        await page.value("document.querySelector('#on [role=switch]').focus()")
        await page.keys(" ")
        await page.until("!document.getElementById('no-fault').hidden")
        await get_order(client, "o_123")
        await page.value(
            "document.getElementById('operation').value = ''; document.getElementById('value').value = '7'"
        )
        await page.value("document.getElementById('fault').requestSubmit()")
        await page.until("document.getElementById('problem').textContent.includes('200 to 599')")
        page.problems[:] = [one for one in page.problems if "400" not in one]  # the browser reports that answer
        print("a fault strikes the next request, and none once it is off")


async def check_hostile_data(page: Page) -> None:
    """What an order holds stays text, on a phone too, and long text is cut."""
    shown = sandbox()
    shown.add_order("o_<b>/?#\u202e", attributes=dict(HOSTILE), reference="<i>R</i>")
    async with looking(page, shown, "read"):
        await page.look(360, 740, "dark")
        await page.value("document.querySelector('#rows a').click()")
        await page.until("document.querySelector('#parts button')")
        text = await page.value("document.getElementById('parts').textContent")
        assert all(value[:300] in text for value in HOSTILE.values()), text[:2000]
        assert len(text) < 5_000, len(text)
        await page.value("document.querySelector('#parts button').click()")
        await page.until("document.getElementById('parts').textContent.length > 1024 * 1024")
        elements = await page.value("document.querySelectorAll('main :is(script, img, b, i)').length")
        isolated = await page.value(
            "[...document.querySelectorAll('#parts bdi')].some(e => e.textContent.includes('\\u202e'))"
        )
        title, width = await page.value("[document.title, document.documentElement.scrollWidth]")
        assert (elements, isolated, title, width) == (0, True, "Sandbox", 360), (elements, isolated, title, width)
        print("hostile data stays text, isolated, within 360 pixels")


async def check_read_only(page: Page) -> None:
    """A read-only console has no switch that works, and its server refuses what the page is made to send."""
    shown = sandbox()
    shown.faults.add("status:503:times=9")
    async with looking(page, shown, "read"):
        await page.until("document.querySelector('#on [role=switch]')")
        off = await page.value("[...document.querySelectorAll('section#faults :is(button, input, select)')]"
                               ".every(one => one.matches(':disabled'))")  # fmt: skip
        assert off is True
        await page.value("document.querySelector('#on [role=switch]').click()")
        for method in ("POST", "DELETE"):
            await page.value(f"write('{method}', 'status:503:times=9')")
            assert "read-only" in await page.value("document.getElementById('problem').textContent")
        page.problems[:] = [one for one in page.problems if "403" not in one]  # the browser reports those answers
        assert len(list(shown.faults)) == 1
        print("a read-only console has no switch that works")


async def check_keys(page: Page) -> None:
    """An order is found and opened, and the list comes back, by keys alone."""
    shown = sandbox()
    async with looking(page, shown, "read"):
        await page.look(1120, 760, "light")
        await page.keys("Tab", "o_123", "Tab")
        await page.until("document.querySelectorAll('#rows tr').length === 1")
        await page.value("document.getElementById('search').focus()")
        await page.keys("Tab", "Enter")
        await page.until("document.querySelector('#parts details') && document.activeElement.id === 'order-title'")
        await page.value("document.getElementById('close').focus()")
        await page.keys("Enter")
        await page.until("document.activeElement.id === 'search' && document.querySelector('#rows tr')")
        print("an order is found and opened by keys alone")


async def take_pictures(page: Page, folder: Path) -> None:
    """Pictures of a console with something in it, wide and narrow, light and dark."""
    shown = sandbox()
    async with looking(page, shown, "write"), shown.client(retry=None) as client:
        await get_order(client, "o_123")
        shown.faults.add("status:503:times=1", "latency:0.2:share=10%")
        for _ in range(2):
            with suppress(StatusError):
                await patch_consent(client, "o_123", "ci_newsletter", checked=True)
        await page.until("document.querySelectorAll('#noted li').length === 4")
        places: list[tuple[str, tuple[int, int, str], str]] = [
            ("console-light", (1200, 660, "light"), "''"),
            ("console-dark", (1200, 660, "dark"), "'#order/norce/1/o_123'"),
            ("console-phone-light", (360, 700, "light"), "''"),
            ("console-phone-dark", (360, 700, "dark"), "'#live'"),
        ]
        for name, look, place in places:
            await page.look(*look)
            await page.value(f"location.hash = {place}; document.activeElement.blur(); scrollTo(0, 0)")
            await asyncio.sleep(1)
            if place == "'#live'":
                await page.value("document.getElementById('live').scrollIntoView()")
            picture = await page.picture()
            await asyncio.to_thread((folder / f"{name}.png").write_bytes, picture)


async def check(command: str, pictures: Path | None) -> None:
    """Everything, in one browser."""
    checks: list[Any] = [check_changes, check_faults, check_hostile_data, check_read_only, check_keys]
    async with browsing(command) as page:
        for one in checks:
            await one(page)
        if pictures is not None:
            await take_pictures(page, pictures)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="write pictures of the console there")
    options = parser.parse_args()
    if (command := program()) is None:
        print("skipped: there is no Chromium here")
    else:
        asyncio.run(check(command, options.pictures))


if __name__ == "__main__":
    main()
