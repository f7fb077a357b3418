"""Who is compared, and on which event loops."""

from functools import partial

import attrs

from benchmarks import ours, peers
from benchmarks.request import Open

ASYNCIO, UVLOOP = "asyncio", "uvloop"
BOTH = (ASYNCIO, UVLOOP)


@attrs.frozen
class Subject:
    """A client.

    Attributes:
        name: On the command line.
        label: In tables.
        open: Opens it.
        loops: The event loops that it is measured on.
        distributions: What it is of, for the list of versions.
        statement: What a program imports to use it; None if that says nothing of its own.
        ours: Whether it is ours.
    """

    name: str
    label: str
    open: Open = attrs.field(eq=False)
    loops: tuple[str, ...] = (ASYNCIO,)
    distributions: tuple[str, ...] = ()
    statement: str | None = None
    ours: bool = False


_OURS = "from norce_order_async import OrderClient, patch_consent"

SUBJECTS = [
    Subject("ours", "OrderClient", ours.default, BOTH, ("aiohttp", "msgspec"), f"{_OURS}, AiohttpTransport", ours=True),
    Subject(
        "ours-httptools", "OrderClient, httptools", ours.httptools, BOTH, ("httptools", "msgspec"),
        f"{_OURS}, HttptoolsTransport", ours=True,
    ),
    Subject("aiohttp", "aiohttp by hand, json=", peers.aiohttp, BOTH, ("aiohttp",), "import aiohttp"),
    Subject("aiohttp-tuned", "aiohttp by hand, tuned", peers.tuned_aiohttp, BOTH),
    Subject("httpx", "httpx by hand", peers.httpx, distributions=("httpx",), statement="import httpx"),
    Subject(
        "elastic", "elastic-transport", peers.elastic, distributions=("elastic-transport",),
        statement="from elastic_transport import AsyncTransport, AiohttpHttpNode",
    ),
    Subject(
        "gidgethub", "gidgethub", peers.gidgethub, distributions=("gidgethub",), statement="import gidgethub.aiohttp"
    ),
    Subject(
        "azure", "azure-core", peers.azure, distributions=("azure-core",),
        statement="from azure.core import AsyncPipelineClient; from azure.core.rest import HttpRequest; "
        "from azure.core.pipeline.transport import AioHttpTransport; import aiohttp",
    ),
    Subject(
        "openai-aiohttp", "openai, aiohttp", partial(peers.openai, http_client="DefaultAioHttpClient"),
        distributions=("openai",),
    ),
    Subject(
        "openai", "openai", peers.openai, distributions=("openai", "httpx2"),
        statement="from openai import AsyncOpenAI",
    ),
    Subject(
        "generated", "openapi-python-client", peers.generated, distributions=("openapi-python-client",),
        statement="import generated.api.default.patch_consent",
    ),
]  # fmt: skip
BASELINE = "aiohttp"
"""The name of the client that the others are compared with."""


@attrs.frozen
class Lane:
    """A client on an event loop."""

    subject: Subject
    loop: str

    @property
    def label(self) -> str:
        """Both, for where only one text fits."""
        return self.subject.label + (f" ({self.loop})" if self.loop != ASYNCIO else "")


LANES = [Lane(subject, loop) for subject in SUBJECTS for loop in subject.loops]
APART = [Lane(Subject("pyreqwest", "pyreqwest by hand", peers.pyreqwest, BOTH, ("pyreqwest",)), loop) for loop in BOTH]
"""Not in the report: on some versions of Python, a process that has used it may crash at its end."""
