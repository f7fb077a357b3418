"""What a batch writes while it runs: to whom, and what becomes of it when nobody reads."""

import asyncio
import io
import json
import sys
import threading
from contextlib import aclosing
from types import SimpleNamespace
from typing import cast

import pytest

from norce_order_async import OutcomeKind
from norce_order_async.batch import Outcome
from norce_order_async.batch.engine.running import Progress, RunsOnce
from norce_order_async.cli.display import Display
from norce_order_async.cli.events import Events
from norce_order_async.cli.writing import Writing

BATCH = cast("RunsOnce", SimpleNamespace(progress=Progress(0, 0, 0, 0, 0, 0, 0, 4, None, None)))


class Paused(io.StringIO):
    """Takes nothing until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.waits, self.go = threading.Event(), threading.Event()

    def write(self, text: str, /) -> int:
        self.waits.set()
        assert self.go.wait(5), "the event loop waits for the reader"
        return super().write(text)

    def lines(self) -> list[int]:
        """Of the changes whose events it has."""
        events = map(json.loads, self.getvalue().splitlines())
        return [event["_line"] for event in events if event["event"] == "change"]


def not_sent(line: int) -> Outcome:
    return Outcome(line, line, None, OutcomeKind.NOT_SENT)


@pytest.mark.parametrize("cut", [False, True])
async def test_a_reader_of_events_that_pauses_has_the_batch_wait_and_not_the_event_loop(
    monkeypatch: pytest.MonkeyPatch, cut: bool
) -> None:
    async def tell() -> None:
        for line in range(1, 1001):
            told.append(line)
            await events.change(not_sent(line))

    told = list[int]()
    stream = Paused()
    monkeypatch.setattr(sys, "stdout", stream)
    async with aclosing(Writing()) as writing, Events(BATCH, writing, is_on=True) as events:
        telling = asyncio.create_task(tell())
        await asyncio.to_thread(stream.waits.wait, 5)
        assert len(told) < 1000
        if cut:
            telling.cancel()
        stream.go.set()
        await asyncio.wait([telling])
    assert telling.cancelled() == cut
    assert cut or len(told) == 1000
    assert stream.lines() == told


async def test_a_terminal_that_is_stopped_does_not_halt_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Paused()
    monkeypatch.setattr(sys, "stderr", stream)
    async with aclosing(Writing()) as writing, Display(BATCH, writing, 3) as display:
        display.note("Finishing what is in flight.")
        await asyncio.to_thread(stream.waits.wait, 5)
        stream.go.set()
    note, line = stream.getvalue().splitlines()
    assert note == "Finishing what is in flight."
    assert line.startswith("0 of 3: 0 done")
