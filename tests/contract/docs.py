"""The table of operations in the docs, made from the package's table.

`PYTHONPATH=tests python -m contract.docs` writes it into docs/operations.md.
"""

from pathlib import Path

from norce_order_async.wire.table import ROWS, Row

PAGE = Path(__file__).parents[2] / "docs" / "operations.md"
BEGIN, END = "<!-- operations: begin -->\n", "<!-- operations: end -->\n"
HEAD = "| operation | function | sent again | because | known from |\n| --- | --- | --- | --- | --- |\n"


def line(row: Row) -> str:
    """One line of the table."""
    function = f"{{py:func}}`~norce_order_async.{row.function.rpartition('.')[2]}`"
    again = row.repeat.replace("_", " ")
    return f"| {row.name} | {function} | {again} | {row.twice} | `{row.evidence}` |\n"


def with_table(page: str) -> str:
    """A page with the table between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + HEAD + "".join(map(line, ROWS.values())) + END + after


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
