"""The page of a batch: its numbers are the journal's, its words are harmless, and it needs nothing else."""

import math
import re
import signal
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from journals import mark, write
from support import execute

from norce_order_async import ConfigurationError, OutcomeKind
from norce_order_async.batch import CreateHook, DeleteConsent, PatchAttributes, PatchConsent
from norce_order_async.batch.inputs import InputFile
from norce_order_async.batch.journal import Journal, JournalReader, JournalSample
from norce_order_async.batch.outcomes import Outcome
from norce_order_async.batch.page.charts import duration, number, seconds
from norce_order_async.batch.page.history import BUCKETS, EXAMPLES, Latencies, read_history
from norce_order_async.batch.page.page import html_report, write_html_report
from norce_order_async.wire.models import Hook

TARGET = "https://api.example/checkout/order as m/1"
HOSTILE = "</title><script>alert('1')</script>\"&amp;\x00\x1b[31m\u202e\ud800"


def begin(path: Path, changes: int | None = 3, name: str = "changes.jsonl", digest: str | None = "ab") -> Journal:
    return Journal.open(path, inputs=[InputFile(name, digest, changes)], target=TARGET)


def fill(journal: Journal, outcomes: Iterable[Outcome]) -> None:
    for outcome in outcomes:
        marks = [] if outcome.change is None else [mark(outcome.number, outcome.change, started=outcome.started or 0.0)]
        write(journal, marks, [outcome])


def end(journal: Journal, number: int, outcome: OutcomeKind = OutcomeKind.APPLIED, **members: Any) -> Outcome:
    given: dict[str, Any] = {"change": DeleteConsent(f"o_{number}", "c"), "attempts": 1, "elapsed": 0.25, "status": 204}
    given |= {"started": journal.runs[-1].started, "request_id": f"r{number}"}
    if outcome.failed:
        given |= {"status": 404, "error": "NotFoundError", "message": "HTTP 404"}
    return Outcome(number=number, line=number, outcome=outcome, **given | members)


def parse(page: str) -> ElementTree.Element:
    """The page as a tree; it is XML too."""
    return ElementTree.fromstring(page)


def text(element: ElementTree.Element | None) -> str:
    assert element is not None
    return "".join(element.itertext())


def cells(page: str) -> dict[str, list[str]]:
    """The cells of the tables' rows, by the first one."""
    rows = [[text(cell) for cell in row] for row in parse(page).iterfind(".//tbody/tr")]
    return {row[0]: row[1:] for row in rows}


def titles(page: str, chart: str) -> list[str]:
    return [text(title) for title in parse(page).iterfind(f".//svg[@aria-label='{chart}']//title")]


def commands(page: str) -> list[str]:
    return [text(code) for code in parse(page).iterfind(".//pre/code")]


# What it says


def test_its_numbers_are_those_of_the_journal(path: Path) -> None:
    kinds = [*OutcomeKind] * 3 + [OutcomeKind.APPLIED] * 5
    changes = [DeleteConsent("o", "c"), PatchConsent("o", "c", checked=True)]
    with begin(path, 28) as journal:
        fill(
            journal,
            (
                end(journal, place, kind, change=changes[place % 2], attempts=1 + place % 3)
                for place, kind in enumerate(kinds, 1)
            ),
        )
        fill(journal, [end(journal, 24, OutcomeKind.NOT_SENT, change=None, error="InvalidRequestError", started=None)])
        journal.set_stopped("interrupted")
    with JournalReader.open(path) as reader:
        page, summary = html_report(reader), reader.summary()
    table = cells(page)
    for kind in OutcomeKind:
        assert table[kind][0] == str(summary.outcomes[kind])
    for op, count in summary.operations.items():
        assert table[op][0] == str(count)
    assert table["could not be read"][0] == "1"
    assert table["left"][0] == "4"
    assert text(parse(page).find(".//h1")) == "11 of 28 changes are done; 3 accepted; 7 failed; 3 unknown; 4 left."
    tiles = [[text(part) for part in tile] for tile in parse(page).iterfind(".//dl[@class='facts']/div")]
    counts = {"Done": "11", "Accepted": "3", "Failed": "7", "Unknown": "3", "Open": "4"}
    assert dict(tile[:2] for tile in tiles[:5]) == counts
    assert f'<dd>{summary.requests:,}</dd><dd class="note">{summary.retried} changes took several' in page
    problems = [text(problem) for problem in parse(page).iterfind(".//div[@class='problem']/h3")]
    assert problems == ["NotFoundError 9", "InvalidRequestError 1"]
    assert "stopped: interrupted" in page
    ended = [
        int(match[1]) for title in titles(page, "Changes ended per second") if (match := re.search(r"(\d+) ch", title))
    ]
    assert sum(ended) == 23
    durations = [int(title.rpartition(" ")[2]) for title in titles(page, "How long changes took")]
    assert sum(durations) == summary.done


@pytest.mark.parametrize(
    ("done", "failed", "changes", "verdict"),
    [
        (0, 0, 0, "No change has been begun."),
        (1, 0, 1, "The one change is done."),
        (1200, 0, 1200, "All 1,200 changes are done."),
        (1, 1, 2, "1 of 2 changes is done; 1 failed."),
        (2, 0, None, "All 2 changes are done."),
        (0, 0, 7, "0 of 7 changes are done; 7 left."),
    ],
)
def test_its_verdict(path: Path, done: int, failed: int, changes: int | None, verdict: str) -> None:
    with begin(path, changes) as journal:
        outcomes = [end(journal, place) for place in range(1, done + 1)]
        outcomes += [end(journal, done + place, OutcomeKind.REJECTED) for place in range(1, failed + 1)]
        marks = [mark(outcome.number, DeleteConsent("o", "c"), started=outcome.started or 0.0) for outcome in outcomes]
        write(journal, marks, outcomes)
    with JournalReader.open(path) as reader:
        assert text(parse(html_report(reader)).find(".//h1")) == verdict


def test_three_examples_of_each_error(path: Path) -> None:
    with begin(path, 9) as journal:
        fill(journal, (end(journal, place, OutcomeKind.REJECTED) for place in range(1, 6)))
        page = html_report(journal)
    examples = [text(example) for example in parse(page).iterfind(".//div[@class='problem']//li")]
    assert len(examples) == EXAMPLES
    assert examples[0] == "HTTP 404line 1order o_1rejectedHTTP 404request r1"
    assert "and 2 more" in page


def test_what_to_do_next(path: Path) -> None:
    with begin(path, 9, name="a b.jsonl") as journal:
        fill(journal, [end(journal, 1, OutcomeKind.REJECTED), end(journal, 2, OutcomeKind.UNKNOWN)])
    with JournalReader.open(path) as reader:
        run = f"norce-order batch run 'a b.jsonl' --journal {path}"
        assert commands(html_report(reader)) == [
            run,
            f"{run} --only unknown",
            f"norce-order batch report {path} --only rejected > failed.jsonl",
            "norce-order batch run failed.jsonl",
        ]


HOOK = CreateHook("o_1", hook=Hook(subscribe_to="/state", invoke="https://shop.example"))


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ([{"outcome": OutcomeKind.UNKNOWN, "change": HOOK}], ["RUN --resolve"]),
        (
            [{"outcome": OutcomeKind.UNKNOWN, "change": HOOK}, {"outcome": OutcomeKind.REJECTED, "change": HOOK}],
            ["RUN --resolve", "LIST rejected", "FILE --once"],
        ),
        (
            [{"outcome": OutcomeKind.UNKNOWN, "change": HOOK}, {"outcome": OutcomeKind.UNKNOWN}],
            ["RUN --only unknown", "RUN --resolve"],
        ),
        ([{"outcome": OutcomeKind.NOT_SENT, "change": HOOK}], ["RUN --once --only not_sent"]),
        ([{"outcome": OutcomeKind.NOT_SENT}], ["RUN --only not_sent"]),
        (
            [{"outcome": OutcomeKind.NOT_SENT, "change": None, "error": "InvalidRequestError", "message": "no op"}],
            ["LIST not_sent", "FILE"],
        ),
        ([{"outcome": OutcomeKind.ACCEPTED, "error": None}], []),
    ],
)
def test_what_to_do_next_makes_nothing_twice(path: Path, ends: list[dict[str, Any]], expected: list[str]) -> None:
    with begin(path, len(ends)) as journal:
        fill(journal, [end(journal, number, **each) for number, each in enumerate(ends, 1)])
    words = {
        "RUN": f"norce-order batch run changes.jsonl --journal {path}",
        "FILE": "norce-order batch run failed.jsonl",
    }
    with JournalReader.open(path) as reader:
        told = commands(html_report(reader))
    for name, command in words.items():
        told = [each.replace(command, name) for each in told]
    told = [
        each.replace(f"norce-order batch report {path} --only", "LIST").removesuffix(" > failed.jsonl") for each in told
    ]
    assert told == expected


def test_what_was_read_once_is_not_read_again(path: Path) -> None:
    with begin(path, None, name="standard input", digest=None) as journal:
        fill(journal, [end(journal, 1, OutcomeKind.UNKNOWN)])
    with JournalReader.open(path) as reader:
        assert commands(html_report(reader)) == [
            f"norce-order batch report {path} --only unknown > failed.jsonl",
            "norce-order batch run failed.jsonl",
        ]


def test_what_was_read_once_and_must_not_be_made_twice_goes_into_no_file(path: Path) -> None:
    with begin(path, None, name="standard input", digest=None) as journal:
        fill(journal, [end(journal, 1, OutcomeKind.UNKNOWN, change=HOOK), end(journal, 2, OutcomeKind.NOT_SENT)])
    with JournalReader.open(path) as reader:
        assert commands(html_report(reader)) == [
            f"norce-order batch report {path} --only not_sent > failed.jsonl",
            "norce-order batch run failed.jsonl",
            f"norce-order batch report {path} --only unknown",
        ]


def test_what_was_looked_at_in_vain_is_left_to_the_reader(path: Path) -> None:
    with begin(path, 1) as journal:
        fill(journal, [end(journal, 1, OutcomeKind.UNKNOWN, change=HOOK)])
        journal.write_resolution(1, OutcomeKind.UNKNOWN, "the order has two such hooks")
    with JournalReader.open(path) as reader:
        assert commands(html_report(reader)) == [f"norce-order batch report {path} --only unknown"]


def test_a_journal_without_a_run(path: Path) -> None:
    begin(path).close()
    execute(path, "DELETE FROM runs")
    with JournalReader.open(path) as reader, pytest.raises(ConfigurationError, match="knows of no run"):
        html_report(reader)


def test_nothing_is_left_to_do(path: Path) -> None:
    with begin(path, 1) as journal:
        fill(journal, [end(journal, 1)])
        page = html_report(journal)
    assert commands(page) == []
    assert "under way</span>" not in page


# Runs


def test_a_run_under_way(path: Path) -> None:
    with begin(path, 3) as journal:
        fill(journal, [end(journal, 1)])
        write(journal, [mark(2, DeleteConsent("o", "c"), started=journal.runs[0].started)], [])
        with JournalReader.open(path) as reader:
            page = html_report(reader)
    assert text(parse(page).find(".//h1")) == "1 of 3 changes is done; 1 under way; 1 left."
    assert commands(page) == [f"norce-order batch status {path}"]
    assert [row[-1] for name, row in cells(page).items() if name.startswith("1 ·")] == ["under way"]


def test_a_run_that_was_killed(path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nsys.path[:0] = sys.argv[2:]\nfrom test_batch_html import *\n"
        "journal = begin(Path(sys.argv[1]), 3)\n"
        "write(journal, [mark(1, DeleteConsent('o', 'c'), started=journal.runs[0].started)], [])\n"
        f"os.kill(os.getpid(), {signal.SIGTERM.value})"
    )
    folders = map(str, Path(__file__).parents[:2])
    process = subprocess.run([sys.executable, "-c", code, str(path), *folders], check=False)
    assert process.returncode == -signal.SIGTERM
    with JournalReader.open(path) as reader:
        page = html_report(reader)
    assert "killed; its end is that of its last sample" in page
    assert text(parse(page).find(".//h1")) == "0 of 3 changes are done; 1 unknown; 2 left."
    assert "Interrupted" in page


def test_pauses_between_runs_take_no_room(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1e9
    monkeypatch.setattr("time.time", lambda: now)
    monkeypatch.setattr("time.monotonic", lambda: now)
    for _ in range(3):
        with begin(path, 300) as journal:
            first = journal.summary().total
            fill(journal, (end(journal, first + place, started=now + place) for place in range(1, 101)))
            journal.sample(JournalSample(at=now, concurrency=4, rate=None, in_flight=3, reason=None))
            journal.sample(
                JournalSample(
                    at=now + 50, concurrency=8, rate=20.0, in_flight=8, reason="429: the server asks for less"
                )
            )
            now += 102.0
        now += 86_400
    with JournalReader.open(path) as reader:
        story, page = read_history(reader), html_report(reader)
    timeline = story.timeline
    assert timeline.length == 306
    assert [stretch.offset for stretch in timeline.stretches] == [0, 102, 204]
    assert len(timeline.buckets) == 153
    assert sum(bucket.ended for bucket in timeline.buckets) == timeline.placed == 300
    assert max(bucket.ended for bucket in timeline.buckets) <= 3
    assert page.count("run 2</text>") == page.count("run 3</text>") == 3
    assert cells(page)["A429: the server asks for less"][0] == "2 min 36 s"
    at_once = titles(page, "Changes at once")
    assert at_once[0].endswith("3 under way, 4 allowed")
    assert at_once[26].endswith("8 under way, 8 allowed; slowed down: 429: the server asks for less")
    assert titles(page, "Requests allowed per second")[26].startswith("52.0 s to 54.0 s: at most 20/s")


@pytest.mark.parametrize("length", [0.0, 0.01, 3.0, 61.0, 3_600.0, 1e6, 1e8])
def test_the_axis_has_few_buckets(path: Path, monkeypatch: pytest.MonkeyPatch, length: float) -> None:
    now = 1e9
    monkeypatch.setattr("time.time", lambda: now)
    monkeypatch.setattr("time.monotonic", lambda: now)
    with begin(path, 1) as journal:
        fill(journal, [end(journal, 1, started=now + length / 2)])
        now += length
    with JournalReader.open(path) as reader:
        assert 1 <= len(read_history(reader).timeline.buckets) <= BUCKETS
        parse(html_report(reader))


# What it is made of


def test_hostile_words_do_nothing(path: Path) -> None:
    order = "<script>alert('1')"
    with begin(path, 2, name=HOSTILE) as journal:
        fill(
            journal,
            [
                end(
                    journal,
                    1,
                    OutcomeKind.REJECTED,
                    message=HOSTILE,
                    request_id=order,
                    change=DeleteConsent(order, "c"),
                ),
                end(journal, 2, OutcomeKind.NOT_SENT, change=None, source={"order_id": order}, error=order),
            ],
        )
        journal.sample(JournalSample(at=journal.runs[0].started, concurrency=1, rate=None, in_flight=1, reason=HOSTILE))
        journal.set_stopped(HOSTILE)
        page = html_report(journal)
    assert not any(element.tag == "script" for element in parse(page).iter())
    assert "<script" not in page
    assert all(character.isprintable() or character == "\n" for character in page)
    assert page.encode()


def test_it_needs_nothing_else(path: Path) -> None:
    with begin(path, 1) as journal:
        fill(journal, [end(journal, 1)])
        page = html_report(journal)
    assert page.replace(TARGET, "").count("http") == 1  # http-equiv
    assert not re.search(r"\b(src|href|srcset|action)=|@import|@font-face|url\((?!#)", page)
    assert not any(element.tag in ("script", "link", "img", "iframe") for element in parse(page).iter())


def test_no_attributes_are_shown(path: Path) -> None:
    change = PatchAttributes("o_1", {"email": "secret@customer.example"})
    with begin(path, 1) as journal:
        fill(journal, [end(journal, 1, OutcomeKind.REJECTED, change=change)])
        assert "secret" not in html_report(journal)


def test_every_label_and_fill_is_there(path: Path) -> None:
    with begin(path, 1) as journal:
        fill(journal, [end(journal, 1)])
        page = html_report(journal)
    known = {element.get("id") for element in parse(page).iter() if element.get("id")}
    assert set(re.findall(r"url\(#(\w+)\)", page)) <= known
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in parse(page).iter("svg"))


def test_memory_does_not_grow_with_the_batch(path: Path) -> None:
    peaks = list[int]()
    with begin(path, 12_000) as journal:
        started = journal.runs[0].started
        for first in (1, 2_001):
            numbers = range(first, 2_001 if first == 1 else 12_001)
            write(
                journal,
                [mark(place, DeleteConsent(f"o_{place}", "c"), started=started) for place in numbers],
                [end(journal, place, OutcomeKind.UNKNOWN if place % 2 else OutcomeKind.APPLIED) for place in numbers],
            )
            tracemalloc.start()
            html_report(journal)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000


# The file


def test_the_file_is_replaced_at_once(path: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text("old")
    with begin(path) as journal:
        write_html_report(journal, page)
        assert page.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert list(tmp_path.glob("*.part")) == []


def test_a_file_that_cannot_be_written(path: Path, tmp_path: Path) -> None:
    with (
        begin(path) as journal,
        pytest.raises(ConfigurationError, match=r"the page .* cannot be written: No such file"),
    ):
        write_html_report(journal, tmp_path / "none" / "report.html")


# Numbers


def test_quantiles_are_half_a_percent_off_at_most() -> None:
    values = [0.001 * 1.003**place for place in range(3_000)]
    latencies = Latencies()
    for value in values:
        latencies.add(value)
    for share in (0.001, 0.5, 0.9, 0.95, 0.99, 1.0):
        exact = values[math.ceil(share * len(values)) - 1]
        assert math.isclose(latencies.quantile(share), exact, rel_tol=0.005)
    assert latencies.longest == values[-1]
    assert Counter(latencies.columns()).total() == len(values)


def test_a_change_that_took_no_time() -> None:
    latencies = Latencies()
    latencies.add(0.0)
    assert latencies.quantile(0.5) == 1e-6


TOLD: dict[Callable[[float], str], dict[float, str]] = {
    duration: {0.0: "0.0 s", 59.97: "1 min 0 s", 63.2: "1 min 3 s", 5_400: "1 h 30 min", 90_000: "1 d 1 h"},
    seconds: {0.0005: "0.5 ms", 0.1234: "123 ms", 0.99996: "1 s", 12.34: "12.3 s", 75.0: "1 min 15 s"},
    number: {0: "0", 0.25: "0.25", 79.13: "79.1", 1234.5: "1,234", 12: "12"},
}


@pytest.mark.parametrize("tell", TOLD)
def test_what_a_person_reads_of_a_number(tell: Callable[[float], str]) -> None:
    assert {value: tell(value) for value in TOLD[tell]} == TOLD[tell]
