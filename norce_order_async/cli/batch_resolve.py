"""``norce-order batch run --resolve``: what is done when the batch is over."""

import argparse
import asyncio

from norce_order_async.batch.engine.settings import PaceArguments
from norce_order_async.batch.inputs import Input
from norce_order_async.batch.journal import Journal
from norce_order_async.batch.resolving import JournalResolver
from norce_order_async.cli.output import tell
from norce_order_async.cli.signals import on_ending
from norce_order_async.client import OrderClient
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.wording import counted
from norce_order_async.endpoints.resolution import Verdict
from norce_order_async.endpoints.resolve import settle_of


async def resolve_unknown(options: argparse.Namespace, source: Input, journal: Journal, client: OrderClient) -> bool:
    """Look at what is unknown, and make again what is not applied; whether it was interrupted."""
    pace: PaceArguments = {
        "concurrency": options.concurrency,
        "rate": options.rate,
        "patience": options.patience,
    }
    settle = settle_of(client.timeout) if options.settle is None else options.settle
    resolver = JournalResolver(client, journal, lambda: source, settle=settle, pace=pace)
    try:
        if count := len(journal.unknown()):
            tell(
                f"Looking at {counted(count, 'unknown change')}: what is not seen is looked at again when no request "
                f"of it can be under way any more, in {settle:g} s at most."
            )
        running = asyncio.create_task(resolver.run())
        on_ending(running.cancel)
        await running
    except asyncio.CancelledError:
        return True
    except ConfigurationError as error:
        tell(f"norce-order: {error}")
    if total := resolver.verdicts.total():
        counts = ", ".join(f"{resolver.verdicts[verdict]:,} {verdict}" for verdict in Verdict)
        tell(f"Looked at {counted(total, 'unknown change')}: {counts}; {resolver.made_again:,} made again.")
    return False
