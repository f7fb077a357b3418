"""Look at the built documentation as a stranger does: on a desktop and a phone, in light and dark, from files.

PYTHONPATH=tests python -m pages [--pictures FOLDER] [--site docs/_build/html]

Ends with status 0 and says so where there is no Chromium.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from console.browser import Page, PageError, browsing, program

SCREENS = {"desktop": (1280, 800), "phone": (390, 844)}
SCHEMES = ("light", "dark")
# What scrolls by itself may be wider inside.
TOO_WIDE = """
[...document.querySelectorAll('article *')]
  .filter(each => each.getBoundingClientRect().right > innerWidth + 1)
  .filter(each => !each.closest('.table-wrapper, pre, .image-reference'))
  .slice(0, 3).map(each => each.outerHTML.slice(0, 80)).join('\\n')
"""
FOUND = "document.querySelectorAll('#search-results li a').length"
FIRST = "[...document.querySelectorAll('#search-results li a')].some(each => each.textContent.includes('budget'))"


async def check_page(page: Page, address: str, pictures: Path | None) -> None:
    """Nothing is wider than the screen.

    Raises:
        PageError: Something is.
    """
    name = address.rpartition("/")[2].removesuffix(".html")
    for screen, (width, height) in SCREENS.items():
        await page.look(width, height, "light")
        await page.open("about:blank")
        await page.open(address)
        await page.until("document.readyState === 'complete' && document.querySelector('article')")
        if wide := await page.value(TOO_WIDE):
            raise PageError(f"{name} on a {screen}: wider than the screen:\n{wide}")
        if await page.value("document.documentElement.scrollWidth > innerWidth"):
            raise PageError(f"{name} on a {screen} scrolls sideways")
        if pictures is not None:
            for scheme in SCHEMES:
                await page.look(width, height, scheme)
                pictures.joinpath(f"{name}-{screen}-{scheme}.png").write_bytes(await page.picture())


async def check_search(page: Page, site: str) -> None:
    """The search finds what it should, from files too."""
    await page.look(*SCREENS["desktop"], "light")
    await page.open(f"{site}/search.html?q=retry+budget")
    await page.until(f"{FOUND} > 3 && {FIRST}")


async def main() -> int:
    """Look at all pages; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, default=Path("docs/_build/html"), help="where the pages were built")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER", help="write what was seen there")
    arguments = parser.parse_args()
    command = program()
    if command is None:
        print("there is no Chromium: skipped")
        return 0
    if arguments.pictures is not None:
        arguments.pictures.mkdir(parents=True, exist_ok=True)
    pages = sorted(arguments.site.resolve().glob("*.html"))
    if not pages:
        parser.error(f"there are no pages in {arguments.site}: build them with `python3 noxfile.py -s docs`")
    async with browsing(command) as page:
        for path in pages:
            await check_page(page, path.as_uri(), arguments.pictures)
        await check_search(page, arguments.site.resolve().as_uri())
    print(f"{len(pages)} pages: nothing is wider than its screen, and the search works from files")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
