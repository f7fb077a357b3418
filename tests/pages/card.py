"""Draw the picture that is shown where somebody links to the docs, with an installed Chromium.

PYTHONPATH=tests python -m pages.card docs/_static/card.png
"""

import asyncio
import sys
from pathlib import Path
from urllib.parse import quote

from console.browser import browsing, program

WIDTH, HEIGHT = 1200, 630
SVG = f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">
<style>
  text {{ font: 32px "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }}
  .name {{ font-size: 84px; font-weight: 600; }} .note {{ fill: #59636e; }}
  .code {{ font: 34px Menlo, Consolas, "DejaVu Sans Mono", monospace; }} .done {{ fill: #0a7d5a; }}
</style>
<rect width="100%" height="100%" fill="#ffffff"/>
<rect width="24" height="100%" fill="#0a7d5a"/>
<text x="90" y="160" class="name">norce-order-async</text>
<text x="90" y="235">An async Python SDK for Norce's Checkout Order Management API</text>
<rect x="90" y="295" width="1020" height="170" rx="12" fill="#eef6f2"/>
<text x="125" y="365" class="code">await delete_consent(client, order, consent)</text>
<text x="125" y="425" class="code done">applied · 200 · 1 attempt</text>
<text x="90" y="550" class="note">All 34 operations · one outcome for each call · a sandbox · batches</text>
</svg>
"""


async def draw(command: str) -> bytes:
    """The picture as a PNG."""
    async with browsing(command) as page:
        await page.look(WIDTH, HEIGHT, "light")
        await page.open("data:image/svg+xml," + quote(SVG))
        await page.until("document.readyState === 'complete' && document.querySelector('svg')")
        return await page.picture()


if __name__ == "__main__":
    installed = program()
    if installed is None:
        sys.exit("needs an installed Chromium")
    Path(sys.argv[1]).write_bytes(asyncio.run(draw(installed)))
