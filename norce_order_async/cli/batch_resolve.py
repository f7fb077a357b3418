"""``norce-order batch run --resolve``: what is done when the batch is over."""

import argparse
import asyncio

from norce_order_async.batch.inputs import Input
from norce_order_async.batch.journal import Journal
from norce_order_async.batch.resolving import JournalResolver
from norce_order_async.cli.interrupts import Interrupts
from norce_order_async.cli.output import tell
from norce_order_async.cli.writing import Writing
from norce_order_async.client import OrderClient
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.wording import counted
from norce_order_async.endpoints.resolution import Verdict
from norce_order_async.endpoints.resolve import settle_of


async def resolve_unknown(
    options: argparse.Namespace, source: Input, journal: Journal, client: OrderClient, writing: Writing, *, worked: bool
) -> tuple[JournalResolver, bool]:
    """Look at what is unknown, and make again what is not applied.

    Args:
        options: Those of the command.
        source: The input of the batch.
        journal: That of the batch, which is over.
        client: What to call with.
        writing: Writes what is shown.
        worked: Whether the server has answered anything of the batch.

    Returns:
        What did it, and whether it was interrupted.
    """
    settle = settle_of(client.timeout) if options.settle is None else options.settle
    resolver = JournalResolver(
        client,
        journal,
        lambda: source,
        settle=settle,
        pace={"concurrency": options.concurrency, "rate": options.rate, "patience": options.patience},
        max_failures=options.max_failures,
        worked=worked,
    )
    interrupts = Interrupts(resolver, writing, lambda text: writing.begin(tell, text))
    try:
        if count := len(journal.unknown()):
            tell(
                f"Looking at {counted(count, 'unknown change')}: what is not seen is looked at again when no request "
                f"of it can be under way any more, in {settle:g} s at most."
            )
        await resolver.run()
    except asyncio.CancelledError:
        resolver.stop("interrupted")
        interrupts.interrupted = True
    except ConfigurationError as error:
        tell(f"norce-order: {error}")
    interrupts.has_ended = True
    if (total := resolver.verdicts.total()) or resolver.made_again:
        counts = ", ".join(f"{resolver.verdicts[verdict]:,} {verdict}" for verdict in Verdict)
        tell(f"Looked at {counted(total, 'unknown change')}: {counts}; {resolver.made_again:,} made again.")
    if resolver.stopped is not None:
        tell(
            "The same command goes on with what was not looked at, and with what was found not to be applied and was "
            "not made again. Later changes of the same resources that failed are made by --only with their outcome."
        )
    return resolver, interrupts.interrupted
