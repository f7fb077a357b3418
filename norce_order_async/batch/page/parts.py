"""The parts that the sections of the page are made of."""

from collections.abc import Iterable, Sequence

_CELL = '<td class="{}">{}</td>'


def section(title: str, content: str, *, note: str | None = None) -> str:
    """A section of the page."""
    told = "" if note is None else f'<p class="note">{note}</p>'
    return f"<section>\n<h2>{title}</h2>{told}\n{content}\n</section>\n"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, wide: bool = False) -> str:
    """A table of a name, two numbers and a remark."""
    styles = ("name", "number", "number", "remark")
    head = "".join(f'<th class="{style}">{text}</th>' for style, text in zip(styles, heads, strict=True))
    body = "".join(f"<tr>{''.join(map(_CELL.format, styles, row))}</tr>\n" for row in rows)
    style = "wide" if wide else "plain"
    return f'<table class="{style}"><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>'
