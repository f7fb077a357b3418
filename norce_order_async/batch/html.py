"""A batch as one HTML page, made from its journal: charts without a script, and nothing from a network."""

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import attrs

from norce_order_async.batch.charts import (
    PATTERNS,
    Series,
    Slow,
    bar,
    duration,
    log_histogram,
    number,
    seconds,
    shown,
    time_chart,
)
from norce_order_async.batch.journal import Journal, JournalReader
from norce_order_async.batch.report import Row, replacing
from norce_order_async.batch.story import PER_DECADE, Bucket, Latencies, Story, count_of, read_story
from norce_order_async.outcome import OutcomeKind

_LONGEST_NAME = 200
_CELL = '<td class="{}">{}</td>'
_QUANTILES = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))


def write_html(journal: Journal | JournalReader, path: Path) -> None:
    """Write the page to a file, which appears complete or not at all; one that exists is replaced.

    Raises:
        ConfigurationError: The journal cannot be read, or the page cannot be written.
    """
    page = html_report(journal).encode()
    with replacing(path, "page") as stream:
        stream.write(page)


def html_report(journal: Journal | JournalReader) -> str:
    """The page; its size does not grow with the batch.

    Raises:
        ConfigurationError: The journal cannot be read.
    """
    story = read_story(journal)
    sections = [
        _headline(story),
        _outcomes(story),
        _errors(story),
        _next(story),
        _course(story),
        _latencies(story.latencies),
        _runs(story),
    ]
    title = shown(f"{story.input}: {story.verdict}")
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="color-scheme" content="light dark"/>
<meta http-equiv="Content-Security-Policy" content="{policy}"/>
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
{PATTERNS}
<main>
{"".join(sections)}</main>
<footer>Made {_moment(story.made)} from the journal <code>{shown(story.journal.name)}</code>. Times are UTC.</footer>
</body>
</html>
"""


# Its sections


def _headline(story: Story) -> str:
    summary, timeline = story.summary, story.timeline
    first = timeline.stretches[0].run.started
    runs = len(timeline.stretches)
    took = duration(timeline.took) + (f" in {runs:,} runs" if runs > 1 else "")
    facts = [
        ("good" if summary.done else "", "Done", f"{summary.done:,}", f"of {count_of(story.total, 'change')}"),
        ("bad" if summary.failed else "", "Failed", f"{summary.failed:,}", _share(summary.failed, story.total)),
        ("", "Changes a second", number(timeline.placed / timeline.length), "over the running time"),
        ("", "Requests", f"{summary.requests:,}", f"{count_of(summary.retried, 'change')} took several"),
    ]
    if summary.accepted:
        facts.insert(1, ("", "Accepted", f"{summary.accepted:,}", "not finished yet"))
    if story.left or summary.in_flight:
        facts.insert(-2, ("", "Open", f"{story.left + summary.in_flight:,}", f"{story.left:,} not begun"))
    tiles = "".join(
        f'<div class="{style}"><dt>{name}</dt><dd>{value}</dd><dd class="note">{note}</dd></div>'
        for style, name, value, note in facts
    )
    return f"""<header>
<p class="input">{shown(story.input)}{'<span class="live">under way</span>' if _goes_on(story) else ""}</p>
<h1>{shown(story.verdict)}.</h1>
<p class="target">{shown(story.target)}</p>
<p class="when">Begun {_moment(first)} · {took}</p>
<dl class="facts">{tiles}</dl>
</header>
"""


def _goes_on(story: Story) -> bool:
    """Whether there is still something to come; a run that has all its outcomes is about to end."""
    return story.is_running and bool(story.left or story.summary.in_flight)


def _outcomes(story: Story) -> str:
    summary = story.summary
    kinds = [(kind.value, kind.value, summary.outcomes[kind], kind.meaning) for kind in OutcomeKind]
    kinds.append(("in_flight", "in flight", summary.in_flight, "sent, or about to be"))
    kinds.append(("left", "left", story.left, "not begun"))
    kinds = [kind for kind in kinds if kind[2]]
    if not kinds:
        return ""
    chart = bar([(style, count, f"{name}: {count:,}") for style, name, count, _ in kinds])
    outcomes = _table(
        ("Outcome", "Changes", "Share", ""),
        [
            (_swatch(style) + name, f"{count:,}", _share(count, story.total), meaning)
            for style, name, count, meaning in kinds
        ],
    )
    operations = summary.operations.most_common()
    begun = summary.total + summary.in_flight
    unread = begun - summary.operations.total()
    rows = [(f"<code>{shown(op)}</code>", f"{count:,}", _share(count, begun), "") for op, count in operations]
    rows += [("could not be read", f"{unread:,}", _share(unread, begun), "")] if unread > 0 else []
    return _section("Outcomes", f"{chart}{outcomes}<h3>By operation</h3>{_table(('', 'Changes', 'Share', ''), rows)}")


def _errors(story: Story) -> str:
    problems = sorted(story.summary.problems.items(), key=lambda item: -item[1].count)
    if not problems:
        return ""
    parts = list[str]()
    for name, problem in problems:
        rows = story.examples.get(name, [])
        more = problem.count - len(rows)
        rest = f'<p class="note">and {more:,} more</p>' if rows and more > 0 else ""
        parts.append(
            f'<div class="problem"><h3><code>{shown(name)}</code> <span class="count">{problem.count:,}</span></h3>'
            f"<ul>{''.join(map(_example, rows))}</ul>{rest}</div>"
        )
    return _section("What went wrong", "".join(parts))


def _example(row: Row) -> str:
    order = row.record.get("order_id") if isinstance(row.record, Mapping) else None
    facts = [f"line {row.line}" if row.file is None else f"{row.file} line {row.line}"]
    facts += [f"order {_short(order)}"] if isinstance(order, str) else []
    facts += [str(row.outcome)] if row.outcome is not None else []
    facts += [f"HTTP {row.status}"] if row.status is not None else []
    facts += [f"request {_short(row.request_id)}"] if row.request_id is not None else []
    spans = "".join(f"<span>{shown(fact)}</span>" for fact in facts)
    return f'<li><p class="message">{shown(row.message or "")}</p><p class="facts-line">{spans}</p></li>'


def _next(story: Story) -> str:
    summary = story.summary
    journal = os.fspath(story.journal)
    run = ["norce-order", "batch", "run", *story.files, "--journal", journal]
    report = ["norce-order", "batch", "report", journal]
    steps = list[tuple[str, Sequence[str], str]]()
    if _goes_on(story):
        steps.append(("See how it goes", ["norce-order", "batch", "status", journal], ""))
    elif story.left and story.can_be_read_again:
        steps.append(("Go on with what is left: the same command again", run, ""))
    if summary.failed:
        steps.append(
            ("List what failed, in a file that can be run again", [*report, "--only", "failed"], "failed.jsonl")
        )
    again = [kind for kind in (OutcomeKind.NOT_SENT, OutcomeKind.UNKNOWN) if summary.outcomes[kind]]
    if again and story.can_be_read_again and not _goes_on(story):
        steps.append(("Make again what did not get through; this is safe", [*run, "--only", ",".join(again)], ""))
    if summary.outcomes[OutcomeKind.REJECTED]:
        steps.append(("Run that file, once what was rejected in it is corrected", [*run[:3], "failed.jsonl"], ""))
    elif again and not story.can_be_read_again:
        steps.append(("Run that file, without what later lines have overtaken", [*run[:3], "failed.jsonl"], ""))
    if not steps:
        return ""
    items = "".join(
        f"<li>{what}<pre><code>{shown(shlex.join(words))}{f' &gt; {file}' if file else ''}</code></pre></li>"
        for what, words, file in steps
    )
    runs = any(words[:3] == run[:3] for _, words, _ in steps)
    note = '<p class="note">Add the options of the first run, such as the environment.</p>' if runs else ""
    return _section("What to do next", f'<ol class="steps">{items}</ol>{note}')


def _course(story: Story) -> str:
    timeline = story.timeline
    if not timeline.placed and not any(bucket.samples for bucket in timeline.buckets):
        return ""
    buckets = _carried(timeline.buckets)
    longest = sorted(timeline.reasons.items(), key=lambda item: -item[1])
    reasons = [reason for reason, _ in longest]
    letters = {reason: chr(ord("A") + place) for place, reason in enumerate(reasons)}
    slow = list(_slow(buckets, letters))
    borders = [stretch.offset for stretch in timeline.stretches[1:]]

    def chart(title: str, note: str, series: Sequence[Series], titles: Iterable[str]) -> str:
        named = [
            f"{_span(index, timeline.width)}: {text}{_because(bucket)}"
            for index, (bucket, text) in enumerate(zip(buckets, titles, strict=True))
        ]
        drawn = time_chart(title, series, named, length=timeline.length, borders=borders, slow=slow)
        return f'<figure><figcaption>{title}<span class="note">{note}</span></figcaption>{drawn}</figure>'

    speeds = [bucket.ended / timeline.width for bucket in buckets]
    parts = [
        chart(
            "Changes ended per second",
            "each where it ended last",
            [Series("area", speeds)],
            (f"{bucket.ended:,} changes, {number(speed)}/s" for bucket, speed in zip(buckets, speeds, strict=True)),
        )
    ]
    if any(bucket.samples for bucket in buckets):
        allowed = [_mean(bucket.allowed, bucket.samples) for bucket in buckets]
        under_way = [_mean(bucket.in_flight, bucket.samples) for bucket in buckets]
        parts.append(
            chart(
                "Changes at once",
                '<i class="key area-key"></i>under way <i class="key line-key"></i>allowed',
                [Series("area", under_way), Series("line", allowed)],
                (
                    f"{number(flying or 0)} under way, {number(most or 0)} allowed"
                    for flying, most in zip(under_way, allowed, strict=True)
                ),
            )
        )
    if any(bucket.rated for bucket in buckets):
        rates = [_mean(bucket.rate, bucket.rated) for bucket in buckets]
        titles = ("no limit" if rate is None else f"at most {number(rate)}/s" for rate in rates)
        parts.append(chart("Requests allowed per second", "a gap is no limit", [Series("line", rates)], titles))
    if reasons:
        rows = [
            (f'<i class="letter">{letters[reason]}</i>{shown(reason)}', duration(length), "", "")
            for reason, length in longest
        ]
        parts.append(f"<h3>Slowed down</h3>{_table(('Why', 'How long', '', ''), rows, wide=True)}")
    note = "The axis is running time: the pauses between runs are left out." if borders else None
    return _section("Over time", "".join(parts), note=note)


def _carried(buckets: Sequence[Bucket]) -> list[Bucket]:
    """The buckets; what no sample falls into is as the one before."""
    carried = list[Bucket]()
    for bucket in buckets:
        if not bucket.samples and carried:
            bucket = attrs.evolve(carried[-1], ended=bucket.ended)
        carried.append(bucket)
    return carried


def _slow(buckets: Sequence[Bucket], letters: Mapping[str, str]) -> Iterable[Slow]:
    """Neighbouring buckets with the same reason, together."""
    first = 0
    reasons = [max(bucket.reasons, key=bucket.reasons.__getitem__) if bucket.reasons else None for bucket in buckets]
    for index, reason in enumerate(reasons):
        if index + 1 == len(reasons) or reasons[index + 1] != reason:
            if reason is not None:
                yield Slow(first, index + 1, letters[reason])
            first = index + 1


def _because(bucket: Bucket) -> str:
    return f"; slowed down: {', '.join(bucket.reasons)}" if bucket.reasons else ""


def _latencies(latencies: Latencies) -> str:
    if not latencies.counts:
        return ""
    marks = [(name, latencies.quantile(share)) for name, share in _QUANTILES]
    facts = "".join(
        f"<div><dt>{name}</dt><dd>{seconds(value)}</dd></div>" for name, value in [*marks, ("max", latencies.longest)]
    )
    drawn = log_histogram("How long changes took", latencies.columns(), PER_DECADE, [marks[0], marks[-1]])
    note = (
        f"{count_of(latencies.counts.total(), 'change')} done, each from the start of its last call to its end. "
        "Percentiles are less than 0.5 % off."
    )
    figure = f"<figure><figcaption>Changes by duration</figcaption>{drawn}</figure>"
    return _section("How long a change took", f'<dl class="facts small">{facts}</dl>{figure}', note=note)


def _runs(story: Story) -> str:
    stretches = story.timeline.stretches
    rows = list[tuple[str, ...]]()
    for place, stretch in enumerate(stretches, 1):
        run = stretch.run
        is_last = place == len(stretches)
        if run.stopped is not None:
            fate = f"stopped: {shown(run.stopped)}"
        elif run.ended is not None or (is_last and story.is_running and not _goes_on(story)):
            fate = "ended"
        else:
            fate = "under way" if is_last and story.is_running else "killed; its end is that of its last sample"
        rows.append((f"{place} · {_moment(run.started)}", duration(stretch.length), "", fate))
    return _section("Runs", _table(("Begun", "Took", "", ""), rows))


# Its parts


def _section(title: str, content: str, *, note: str | None = None) -> str:
    told = "" if note is None else f'<p class="note">{note}</p>'
    return f"<section>\n<h2>{title}</h2>{told}\n{content}\n</section>\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, wide: bool = False) -> str:
    """A table of a name, two numbers and a remark."""
    styles = ("name", "number", "number", "remark")
    head = "".join(f'<th class="{style}">{text}</th>' for style, text in zip(styles, heads, strict=True))
    body = "".join(f"<tr>{''.join(map(_CELL.format, styles, row))}</tr>\n" for row in rows)
    style = "wide" if wide else "plain"
    return f'<table class="{style}"><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>'


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


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_NAME else f"{text[:_LONGEST_NAME]}…"


def _span(index: int, width: float) -> str:
    return f"{duration(index * width)} to {duration((index + 1) * width)}"


def _moment(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S}"


_STYLE = """
:root { --paper: #fff; --ink: #1b2330; --soft: #5c6675; --rule: #e3e7ec; --tint: #f5f7f9; --accent: #1f6feb;
  --accent-soft: #bcd6fb; --bad: #c62f3b; --bad-soft: #f0b7bb; --maybe: #b97800; --maybe-soft: #f6dfae; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #11151b; --ink: #e4e8ee; --soft: #98a3b2;
  --rule: #2a313b; --tint: #1a2028; --accent: #5a9bff; --accent-soft: #24456f; --bad: #ff6b74; --bad-soft: #6b2b30;
  --maybe: #e5a93b; --maybe-soft: #4c3a16; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; padding: 56px 24px; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  font-variant-numeric: tabular-nums; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
main, footer { max-width: 860px; margin: 0 auto; overflow-wrap: anywhere; }
p, h1, h2, h3, dl, dd, figure, ul, ol { margin: 0; padding: 0; }
h1 { font-size: clamp(26px, 4.6vw, 38px); line-height: 1.18; letter-spacing: -0.02em; font-weight: 650;
  text-wrap: balance; margin: 6px 0 14px; }
h2 { font-size: 21px; letter-spacing: -0.01em; font-weight: 650; margin-bottom: 16px; }
h2 + .note { margin: -12px 0 20px; }
h3 { font-size: 15px; font-weight: 600; margin: 32px 0 8px; }
section { margin-top: 64px; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.9em; }
.input { font-weight: 600; color: var(--accent); }
.live { margin-left: 12px; padding: 1px 10px; border: 1px solid currentColor; border-radius: 99px; font-size: 13px; }
.target, .when, .note, footer { color: var(--soft); font-size: 14px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 24px; margin-top: 36px;
  padding: 22px 0; border: solid var(--rule); border-width: 1px 0; }
.facts.small { grid-template-columns: repeat(auto-fit, minmax(100px, 1fr)); margin: 0 0 28px; padding: 16px 0; }
.facts dt { color: var(--soft); font-size: 13px; }
.facts dd { font-size: 28px; line-height: 1.25; font-weight: 600; letter-spacing: -0.01em; }
.facts.small dd { font-size: 20px; }
.facts dd.note { font-size: 13px; font-weight: 400; letter-spacing: 0; }
.good dd:not(.note) { color: var(--accent); }
.bad dd:not(.note) { color: var(--bad); }
table { width: 100%; border-collapse: collapse; margin-top: 16px; font-size: 15px; }
h3 + table { margin-top: 0; }
th { font-size: 13px; font-weight: 400; color: var(--soft); text-align: left; padding: 4px 0; }
td { border-top: 1px solid var(--rule); padding: 9px 0; vertical-align: baseline; }
.name { width: 34%; }
.number { text-align: right; white-space: nowrap; width: 15%; }
.remark { padding-left: 32px; color: var(--soft); }
.wide .name { width: 85%; }
.wide .number + .number, .wide .remark { display: none; }
.swatch { width: 14px; height: 14px; margin-right: 10px; vertical-align: -2px; border-radius: 3px; }
svg { display: block; width: 100%; height: auto; }
svg.swatch { display: inline-block; }
svg.patterns { position: absolute; }
figure { margin-top: 28px; break-inside: avoid; }
figcaption { font-size: 15px; font-weight: 600; margin-bottom: 6px; }
figcaption .note { font-weight: 400; margin-left: 12px; }
.key { display: inline-block; width: 18px; margin: 0 6px 0 10px; vertical-align: 1px; }
.area-key { height: 10px; background: var(--accent-soft); }
.line-key { border-top: 2px solid var(--ink); vertical-align: 4px; }
.letter { display: inline-block; width: 22px; font-style: normal; font-weight: 600; color: var(--maybe); }
svg text { font-size: 12.5px; fill: var(--soft); }
.value { text-anchor: end; }
.time, .letter-label, .mark-label { text-anchor: middle; }
svg .letter-label { font-weight: 650; fill: var(--maybe); stroke: var(--paper); stroke-width: 4; paint-order: stroke; }
.grid { stroke: var(--rule); }
.base { stroke: var(--soft); }
.border { stroke: var(--soft); stroke-dasharray: 3 3; }
.area { fill: var(--accent-soft); stroke: var(--accent); stroke-width: 1.2; }
.line { fill: none; stroke: var(--ink); stroke-width: 1.8; }
.column, .applied { fill: var(--accent); }
.accepted { fill: var(--accent-soft); }
.applied_inferred { fill: url(#stripes); }
.rejected { fill: var(--bad); }
.not_sent { fill: url(#bars); }
.unknown { fill: url(#dots); }
.in_flight { fill: var(--soft); }
.left { fill: var(--rule); }
.slow { fill: url(#slow); }
.hover { fill: transparent; }
.hover:hover { fill: var(--ink); fill-opacity: 0.12; }
#stripes .under { fill: var(--accent-soft); } #stripes .over { fill: var(--accent); }
#bars .under { fill: var(--bad-soft); } #bars .over { fill: var(--bad); }
#dots .under { fill: var(--maybe-soft); } #dots .over { fill: var(--maybe); }
#slow .under { fill: var(--maybe-soft); fill-opacity: 0.35; } #slow .over { fill: var(--maybe); fill-opacity: 0.22; }
.problem { border-left: 3px solid var(--bad); padding-left: 18px; margin-top: 28px; break-inside: avoid; }
.problem h3 { margin: 0 0 6px; }
.count { color: var(--bad); margin-left: 8px; }
.problem ul { list-style: none; }
.problem li { padding: 8px 0; }
.problem li + li { border-top: 1px solid var(--rule); }
.facts-line { font-size: 13px; color: var(--soft); }
.facts-line span + span::before { content: "·"; margin: 0 8px; }
.steps { padding-left: 22px; }
.steps li { margin-bottom: 14px; }
pre { margin: 6px 0 0; padding: 12px 16px; background: var(--tint); border-radius: 6px; white-space: pre-wrap; }
footer { margin-top: 72px; padding-top: 16px; border-top: 1px solid var(--rule); font-size: 13px; }
@media (max-width: 620px) {
  body { padding: 28px 18px; }
  .facts { grid-template-columns: 1fr 1fr; }
  .facts.small { grid-template-columns: repeat(3, 1fr); }
  svg text { font-size: 21px; }
  table, thead, tbody { display: block; }
  tr { display: grid; grid-template-columns: 1fr 6em 5em; padding: 8px 0; }
  tbody tr { border-top: 1px solid var(--rule); }
  .wide tr { grid-template-columns: 1fr 7em; }
  th, td { width: auto !important; border: 0; padding: 0; }
  .remark { grid-column: 1 / -1; padding-left: 24px; font-size: 14px; }
  .remark:empty { display: none; }
  figcaption .note { display: block; margin: 0; }
}
@media print { body { padding: 0; font-size: 12px; } section { margin-top: 36px; } h2, h3 { break-after: avoid; } }
"""
