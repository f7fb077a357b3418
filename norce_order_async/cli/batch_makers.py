"""What makes the changes of ``norce-order batch run``: a client, processes, or a cluster."""

import argparse
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from norce_order_async.batch.engine.running import RunsOnce
from norce_order_async.batch.engine.settings import BatchArguments
from norce_order_async.batch.inputs import Input
from norce_order_async.batch.journal import Journal
from norce_order_async.batch.run import Batch, client_defaults
from norce_order_async.cli.open_files import connections_allowed
from norce_order_async.cli.settings import (
    client_from,
    timeout_from,
    token_file_of_profile,
    token_of_profile,
    transport_from,
)
from norce_order_async.client import OrderClient
from norce_order_async.core.settings import Timeout

if TYPE_CHECKING:
    from norce_order_async.testing import Sandbox


async def client_of(options: argparse.Namespace, sandbox: "Sandbox | None", stack: AsyncExitStack) -> OrderClient:
    """The client that makes the changes, or tells workers whom to call; for a sandbox, of its server.

    Raises:
        ConfigurationError: A setting is missing or wrong.
    """
    made = client_defaults(options.concurrency)
    if options.concurrency == "auto" and options.cluster is None:
        ends = 1 if sandbox is None else 2  # the sandbox has the other ends
        made["limit"] = max(1, connections_allowed(made["limit"] * ends) // ends)
    # Workers have clients of their own.
    is_alone = options.cluster is None and options.workers is None and options.processes is None
    transport = transport_from(options) if is_alone else None
    if sandbox is None:
        # On a cluster, the workers have the token; this client only tells them whom to call.
        auth = None if options.cluster is None else "not-used-here"
        return client_from(options, **made, auth=auth, transport=transport)
    from norce_order_async.testing import SANDBOX_TOKEN, SandboxServer

    server = await stack.enter_async_context(SandboxServer(sandbox))
    made |= {"base_url": server.url, "environment": None, "slug": None}
    return client_from(options, {}, **made, auth=SANDBOX_TOKEN, transport=transport)


def batch_of(options: argparse.Namespace, source: Input, journal: Journal, client: OrderClient) -> RunsOnce:
    """The batch, made by the client itself, by processes of its own, or by a cluster's workers.

    Raises:
        ConfigurationError: An option that is wrong.
    """
    arguments: BatchArguments = {
        "concurrency": options.concurrency,
        "rate": options.rate,
        "max_failures": options.max_failures,
        "patience": options.patience,
        "settle": options.settle,
        "only": options.only,
        "once": options.once,
    }
    if options.processes is not None:
        return _in_processes(options, source, journal, client, arguments)
    if options.cluster is not None or options.workers is not None:
        return _on_cluster(options, source, journal, client, arguments)
    return Batch(client, source.entries(), journal=journal, **arguments)


def _in_processes(
    options: argparse.Namespace, source: Input, journal: Journal, client: OrderClient, arguments: BatchArguments
) -> RunsOnce:
    from norce_order_async.batch.processes import ProcessBatch

    return ProcessBatch(
        source,
        processes=options.processes,
        settings={
            **_settings(options, client),
            "transport": transport_from(options),
            **_token(options, "token_file", "auth"),
        },
        journal=journal,
        telemetry=client.telemetry,
        **arguments,
    )


def _on_cluster(
    options: argparse.Namespace, source: Input, journal: Journal, client: OrderClient, arguments: BatchArguments
) -> RunsOnce:
    from norce_order_async.batch.cluster import ClusterBatch

    cluster: Any = options.cluster or options.workers
    return ClusterBatch(
        source.entries(),
        cluster=cluster,
        settings=_settings(options, client),
        environment=_token(options, "NORCE_TOKEN_FILE", "NORCE_TOKEN"),
        journal=journal,
        telemetry=client.telemetry,
        **arguments,
    )


def _settings(options: argparse.Namespace, client: OrderClient) -> dict[str, Any]:
    """What every worker's client is made with."""
    here = {"limit": client.stats().slots} if options.cluster is None else {}
    return {
        **here,
        "base_url": client.base_url,
        "merchant": client.merchant,
        "channel": client.channel,
        "adapter_id": client.adapter_id,
        "proxy_from_env": options.proxy_from_env,
        "timeout": timeout_from(options, Timeout.batch()),
    }


def _token(options: argparse.Namespace, file: str, text: str) -> dict[str, str]:
    """What other processes of this machine are told of the token, by these names; they inherit the environment.

    A cluster is told nothing.
    """
    if options.cluster is not None:
        return {}
    if options.sandbox:
        from norce_order_async.testing import SANDBOX_TOKEN

        return {text: SANDBOX_TOKEN}
    if (path := token_file_of_profile(options)) is not None:
        return {file: path}
    token = token_of_profile(options)
    return {text: token} if isinstance(token, str) else {}
