"""Other clients that send the same request, raise when the answer is not a 2xx, and read its body.

Retries, connections and everything else are as they come. Each is imported when it is opened, so that who measures
one client loads no other, and so that any of them may be missing.
"""

import atexit
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from benchmarks.request import CONNECTIONS, CONSENT, HEADERS, Send, change, order_id, target

_SPEC = Path(__file__).with_name("openapi.json")


def load(name: str) -> Any:
    """A module that need not be installed, also where types are checked."""
    return import_module(name)


@asynccontextmanager
async def aiohttp(url: str, connections: int = CONNECTIONS) -> AsyncGenerator[Send]:
    """What most people write by hand, with everything as aiohttp has it."""
    aiohttp = load("aiohttp")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:

        async def send(number: int) -> None:
            async with session.patch(url + target(number), json=change(), headers=HEADERS) as answer:
                answer.raise_for_status()
                await answer.read()

        yield send


@asynccontextmanager
async def tuned_aiohttp(url: str) -> AsyncGenerator[Send]:
    """What aiohttp can be asked to leave out is left out."""
    aiohttp, yarl = load("aiohttp"), load("yarl")
    body = b'{"id":"ci_newsletter","checked":true}'
    headers = HEADERS | {"Content-Type": "application/json"}
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None),
    ) as session:

        async def send(number: int) -> None:
            where = yarl.URL(url + target(number), encoded=True)
            async with session.patch(where, data=body, headers=headers, allow_redirects=False) as answer:
                answer.raise_for_status()
                await answer.read()

        yield send


@asynccontextmanager
async def httpx(url: str) -> AsyncGenerator[Send]:
    """Written by hand with httpx."""
    async with load("httpx").AsyncClient() as client:

        async def send(number: int) -> None:
            answer = await client.patch(url + target(number), json=change(), headers=HEADERS)
            answer.raise_for_status()

        yield send


@asynccontextmanager
async def pyreqwest(url: str) -> AsyncGenerator[Send]:
    """Written by hand with pyreqwest."""
    async with load("pyreqwest.client").ClientBuilder().error_for_status().build() as client:

        async def send(number: int) -> None:
            answer = await client.patch(url + target(number)).headers(HEADERS).body_json(change()).build().send()
            await answer.bytes()

        yield send


@asynccontextmanager
async def elastic(url: str) -> AsyncGenerator[Send]:
    """What the Elasticsearch client is built on."""
    elastic = load("elastic_transport")
    scheme, _, address = url.partition("://")
    host, _, port = address.partition(":")
    # Its 10 connections would decide over the latency, and its users have more than one node.
    node = elastic.NodeConfig(scheme, host, int(port), connections_per_node=CONNECTIONS)
    transport = elastic.AsyncTransport([node], node_class=elastic.AiohttpHttpNode)
    headers = elastic.HttpHeaders(HEADERS | {"Content-Type": "application/json"})

    async def send(number: int) -> None:
        answer = await transport.perform_request("PATCH", target(number), body=change(), headers=headers)
        if not 200 <= answer.meta.status < 300:
            raise ValueError(answer.meta.status)

    try:
        yield send
    finally:
        await transport.close()


@asynccontextmanager
async def gidgethub(url: str) -> AsyncGenerator[Send]:
    """A client of GitHub's API, with its method for any PATCH."""
    aiohttp, gidgethub = load("aiohttp"), load("gidgethub.aiohttp")
    headers = {name.lower(): value for name, value in HEADERS.items()}
    async with aiohttp.ClientSession() as session:
        client = gidgethub.GitHubAPI(session, "benchmark", oauth_token="token", base_url=url)
        yield lambda number: client.patch(target(number), data=change(), extra_headers=headers)


@asynccontextmanager
async def azure(url: str) -> AsyncGenerator[Send]:
    """What Azure's clients are built on."""
    core, rest, transport = load("azure.core"), load("azure.core.rest"), load("azure.core.pipeline.transport")
    async with core.AsyncPipelineClient(url, transport=transport.AioHttpTransport()) as client:

        async def send(number: int) -> None:
            request = rest.HttpRequest("PATCH", url + target(number), json=change(), headers=HEADERS)
            answer = await client.send_request(request)
            answer.raise_for_status()

        yield send


@asynccontextmanager
async def openai(url: str, http_client: str = "DefaultAsyncHttpxClient") -> AsyncGenerator[Send]:
    """OpenAI's client, with its method for any PATCH."""
    openai = load("openai")
    http = getattr(openai, http_client)()
    async with openai.AsyncOpenAI(base_url=url, api_key="token", http_client=http) as client:
        options = {"headers": HEADERS}
        yield lambda number: client.patch(target(number), cast_to=object, body=change(), options=options)


@cache
def generate() -> Path:
    """Generate a client from an OpenAPI document; returns the folder that its package ``generated`` is in."""
    if find_spec("openapi_python_client") is None:
        raise ImportError("No module named 'openapi_python_client'")
    folder = Path(mkdtemp(prefix="benchmark-"))
    atexit.register(shutil.rmtree, folder)
    settings = folder / "settings.json"
    settings.write_text(json.dumps({"post_hooks": []}), encoding="utf-8")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--path", str(_SPEC)]
    command += ["--output-path", str(folder / "generated"), "--config", str(settings)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


@asynccontextmanager
async def generated(url: str) -> AsyncGenerator[Send]:
    """What openapi-python-client makes of the operation's description."""
    sys.path.append(str(generate()))
    package, operation, models = (
        load("generated"),
        load("generated.api.default.patch_consent"),
        load("generated.models"),
    )
    async with package.Client(base_url=url, headers=HEADERS, raise_on_unexpected_status=True) as client:
        yield lambda number: operation.asyncio(
            order_id(number), CONSENT, client=client, body=models.Consent(CONSENT, True)
        )
