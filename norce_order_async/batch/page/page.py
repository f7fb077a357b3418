"""A batch as one HTML page, made from its journal: charts without a script, and nothing from a network."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from string import Template

from norce_order_async.batch.journal.account import JournalAccount
from norce_order_async.batch.page.charts import (
    PATTERNS,
    bar,
    duration,
    log_histogram,
    number,
    seconds,
    shown,
)
from norce_order_async.batch.page.course import course
from norce_order_async.batch.page.history import (
    PER_DECADE,
    BatchHistory,
    Latencies,
    read_history,
)
from norce_order_async.batch.page.parts import section, table
from norce_order_async.batch.replacing import replacing
from norce_order_async.batch.report import LEFT, JournalRow
from norce_order_async.core.commands import command_line
from norce_order_async.core.outcome import OutcomeKind
from norce_order_async.core.wording import counted

_FOLDER = "norce_order_async.batch.page"
_LONGEST_NAME = 200
_FAILED = "failed.jsonl"
_OPTIONS = " (add the options of the first run)"
_SETTINGS = " (add where the first run went, such as the environment, and no --set or --column)"
_QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))


def write_html_report(journal: JournalAccount, path: Path | str) -> None:
    """Write the page to a file, which appears complete or not at all; one that exists is replaced.

    Raises:
        ConfigurationError: The journal cannot be read, or the page cannot be written.
    """
    page = html_report(journal).encode()
    with replacing(Path(path), "page") as stream:
        stream.write(page)


def html_report(journal: JournalAccount) -> str:
    """The page; its size does not grow with the batch.

    Raises:
        ConfigurationError: The journal cannot be read.
    """
    history = read_history(journal)
    sections = [
        _headline(history),
        _outcomes(history),
        _errors(history),
        _next(history),
        course(history),
        _latencies(history.latencies),
        _runs(history),
    ]
    values = {
        "title": shown(f"{history.input}: {history.verdict}"),
        "style": _read("page.css"),
        "patterns": PATTERNS,
        "sections": "".join(sections),
        "made": _moment(history.made),
        "journal": shown(history.journal.name),
    }
    return Template(_read("page.html")).substitute(values)


def _read(name: str) -> str:
    return files(_FOLDER).joinpath(name).read_text(encoding="utf-8")


# Its sections


def _headline(history: BatchHistory) -> str:
    summary, timeline = history.summary, history.timeline
    first = timeline.stretches[0].run.started
    runs = len(timeline.stretches)
    took = duration(timeline.took) + (f" in {runs:,} runs" if runs > 1 else "")
    unknown = summary.outcomes[OutcomeKind.UNKNOWN]
    failed = summary.failed - unknown
    facts = [
        ("good" if summary.done else "", "Done", f"{summary.done:,}", f"of {counted(history.total, 'change')}"),
        ("bad" if failed else "", "Failed", f"{failed:,}", _share(failed, history.total)),
        ("", "Changes a second", number(timeline.placed / timeline.length), "over the running time"),
        ("", "Requests", f"{summary.requests:,}", f"{counted(summary.retried, 'change')} took several"),
    ]
    if summary.accepted:
        facts.insert(1, ("", "Accepted", f"{summary.accepted:,}", "not finished yet"))
    if unknown:
        facts.insert(-2, ("bad", "Unknown", f"{unknown:,}", "may or may not be done"))
    if history.left or summary.in_flight:
        facts.insert(-2, ("", "Open", f"{history.left + summary.in_flight:,}", f"{history.left:,} left"))
    tiles = "".join(
        f'<div class="{style}"><dt>{name}</dt><dd>{value}</dd><dd class="note">{note}</dd></div>'
        for style, name, value, note in facts
    )
    return f"""<header>
<p class="input">{shown(history.input)}{'<span class="live">under way</span>' if _goes_on(history) else ""}</p>
<h1>{shown(history.verdict)}.</h1>
<p class="target">{shown(history.target)}</p>
<p class="when">Begun {_moment(first)} · {took}</p>
<dl class="facts">{tiles}</dl>
</header>
"""


def _goes_on(history: BatchHistory) -> bool:
    """Whether there is still something to come; a run that has all its outcomes is about to end."""
    return history.is_running and bool(history.left or history.summary.in_flight)


def _outcomes(history: BatchHistory) -> str:
    summary = history.summary
    kinds = [(kind.value, kind.value, summary.outcomes[kind], kind.meaning) for kind in OutcomeKind]
    kinds.append(("in_flight", "in flight", summary.in_flight, "sent, or about to be"))
    kinds.append(("left", "left", history.left, LEFT))
    kinds = [kind for kind in kinds if kind[2]]
    if not kinds:
        return ""
    chart = bar([(style, count, f"{name}: {count:,}") for style, name, count, _ in kinds])
    outcomes = table(
        ("Outcome", "Changes", "Share", ""),
        [
            (_swatch(style) + name, f"{count:,}", _share(count, history.total), meaning)
            for style, name, count, meaning in kinds
        ],
    )
    operations = summary.operations.most_common()
    begun = summary.total + summary.in_flight
    unread = begun - summary.operations.total()
    rows = [(f"<code>{shown(op)}</code>", f"{count:,}", _share(count, begun), "") for op, count in operations]
    rows += [("could not be read", f"{unread:,}", _share(unread, begun), "")] if unread > 0 else []
    return section("Outcomes", f"{chart}{outcomes}<h3>By operation</h3>{table(('', 'Changes', 'Share', ''), rows)}")


def _errors(history: BatchHistory) -> str:
    problems = sorted(history.summary.problems.items(), key=lambda item: -item[1].count)
    if not problems:
        return ""
    parts = list[str]()
    for name, problem in problems:
        rows = history.examples.get(name, [])
        more = problem.count - len(rows)
        rest = f'<p class="note">and {more:,} more</p>' if rows and more > 0 else ""
        parts.append(
            f'<div class="problem"><h3><code>{shown(name)}</code> <span class="count">{problem.count:,}</span></h3>'
            f"<ul>{''.join(map(_example, rows))}</ul>{rest}</div>"
        )
    return section("What went wrong", "".join(parts))


def _example(row: JournalRow) -> str:
    order = row.record.get("order_id") if isinstance(row.record, Mapping) else None
    facts = [f"line {row.line}" if row.file is None else f"{row.file} line {row.line}"]
    facts += [f"order {_short(order)}"] if isinstance(order, str) else []
    facts += [str(row.outcome)] if row.outcome is not None else []
    facts += [f"HTTP {row.status}"] if row.status is not None else []
    facts += [f"request {_short(row.request_id)}"] if row.request_id is not None else []
    spans = "".join(f"<span>{shown(fact)}</span>" for fact in facts)
    return f'<li><p class="message">{shown(row.message or "")}</p><p class="facts-line">{spans}</p></li>'


def _next(history: BatchHistory) -> str:
    steps = list(_steps(history))
    if not steps:
        return ""
    items = "".join(
        f"<li>{what}<pre><code>{shown(command_line(words))}{f' &gt; {file}' if file else ''}</code></pre></li>"
        for what, words, file in steps
    )
    return section("What to do next", f'<ol class="steps">{items}</ol>')


def _steps(history: BatchHistory) -> Iterator[tuple[str, Sequence[str | Path], str]]:
    """What is to be done, the command for it, and the file that takes its output, one after the other.

    What a file to be corrected holds is not on the server when its turn has come.
    """
    summary, journal = history.summary, history.journal
    if _goes_on(history):
        yield "See how it goes", ["norce-order", "batch", "status", journal], ""
        return
    run: list[str | Path] = ["norce-order", "batch", "run"]
    again: list[str | Path] = [*run, *map(Path, history.files), "--journal", journal]
    can_look = history.can_be_read_again and summary.not_again > summary.looked_at
    if history.can_be_read_again:
        if history.left:
            yield f"Go on with what is left{_OPTIONS}", again, ""
        kinds, once = summary.to_make_again((OutcomeKind.NOT_SENT, OutcomeKind.UNKNOWN))
        if kinds:
            words = [*again, *(["--once"] if once else []), "--only", ",".join(kinds)]
            yield f"Make again what did not get through, which is safe{_OPTIONS}", words, ""
        if can_look:
            yield f"Look at what is unknown and must not be made twice{_OPTIONS}", [*again, "--resolve"], ""
    if kinds := _to_correct(history):
        words = ["norce-order", "batch", "report", journal, "--only", ",".join(kinds)]
        yield "List what is still to be corrected, with the reasons", words, _FAILED
        once = summary.to_make_again(kinds)[1]
        what = "Correct that file, leave out what later lines have overtaken, and run it"
        yield f"{what}{_SETTINGS}", [*run, _FAILED, *(["--once"] if once else [])], ""
    if summary.not_again and not can_look:
        words = ["norce-order", "batch", "report", journal, "--only", OutcomeKind.UNKNOWN]
        yield "List what is unknown and must not be made twice, and look yourself", words, ""


def _to_correct(history: BatchHistory) -> list[OutcomeKind]:
    """How changes ended that another file can hold: none of them may be on the server if it must not be made twice."""
    summary, is_lost = history.summary, not history.can_be_read_again
    kinds = [OutcomeKind.REJECTED]
    kinds += [OutcomeKind.NOT_SENT] if is_lost or summary.bad else []
    kinds += [OutcomeKind.UNKNOWN] if is_lost and not summary.not_again else []
    return [kind for kind in kinds if summary.outcomes[kind]]


def _latencies(latencies: Latencies) -> str:
    if not latencies.counts:
        return ""
    marks = [(name, latencies.quantile(share)) for name, share in _QUANTILES]
    facts = "".join(
        f"<div><dt>{name}</dt><dd>{seconds(value)}</dd></div>" for name, value in [*marks, ("max", latencies.longest)]
    )
    drawn = log_histogram("How long changes took", latencies.columns(), PER_DECADE, [marks[0], marks[-1]])
    note = (
        f"{counted(latencies.counts.total(), 'change')} done, each from the start of its last call to its end. "
        "Percentiles are less than 0.5 % off."
    )
    figure = f"<figure><figcaption>Changes by duration</figcaption>{drawn}</figure>"
    return section("How long a change took", f'<dl class="facts small">{facts}</dl>{figure}', note=note)


def _runs(history: BatchHistory) -> str:
    stretches = history.timeline.stretches
    rows = list[tuple[str, ...]]()
    for place, stretch in enumerate(stretches, 1):
        run = stretch.run
        is_last = place == len(stretches)
        if run.stopped is not None:
            fate = f"stopped: {shown(run.stopped)}"
        elif run.ended is not None or (is_last and history.is_running and not _goes_on(history)):
            fate = "ended"
        else:
            fate = "under way" if is_last and history.is_running else "killed; its end is that of its last sample"
        rows.append((f"{place} · {_moment(run.started)}", duration(stretch.length), "", fate))
    return section("Runs", table(("Begun", "Took", "", ""), rows))


# Its parts


def _swatch(style: str) -> str:
    square = f'<rect class="{style}" width="14" height="14"/>'
    return f'<svg class="swatch" viewBox="0 0 14 14" aria-hidden="true">{square}</svg>'


def _share(count: int, total: int) -> str:
    """A percentage that is 0 or 100 only when it is."""
    if not total or not count:
        return "0 %"
    share = 100 * count / total
    if share < 0.1:
        return "&lt; 0.1 %"
    return "100 %" if count == total else f"{min(share, 99.9):.1f} %"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"
