"""Tables, for a terminal and for the documentation."""

from collections.abc import Iterator, Sequence

import attrs


@attrs.frozen
class Table:
    """What was measured.

    Attributes:
        caption: What it shows.
        columns: Their heads; the first is that of the rows' names.
        rows: The cells.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def text(self) -> Iterator[str]:
        """Lines for a terminal."""
        widths = [max(map(len, column)) for column in zip(self.columns, *self.rows, strict=True)]
        yield self.caption
        for row in (self.columns, *self.rows):
            first, *others = (
                f"{cell:{'>' if place else '<'}{width}}"
                for place, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            yield "  ".join(["  " + first, *others]).rstrip()

    def markdown(self) -> Iterator[str]:
        """Lines of Markdown; only the rows' names may be broken."""
        yield f"**{self.caption}**"
        yield ""
        yield _line(self.columns)
        yield _line(["---"] + ["---:"] * (len(self.columns) - 1))
        for first, *others in self.rows:
            yield _line([first, *(cell.replace(" ", "\u00a0") for cell in others)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


@attrs.frozen
class Found:
    """What one part of the measurements found.

    Attributes:
        tables: In order.
        distributions: Whose versions belong to it.
        server: What answered, if anything.
        pictures: SVG by the names of their files.
        failure: What should not be; empty if all is well.
    """

    tables: Sequence[Table]
    distributions: Sequence[str] = ()
    server: str = ""
    pictures: dict[str, str] = attrs.Factory(dict[str, str])
    failure: str = ""
