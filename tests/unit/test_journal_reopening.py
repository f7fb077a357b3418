"""Resources that nest: what is made again takes along what was done after it inside, around, and in turn."""

from pathlib import Path

import attrs
import pytest
from journals import begin, end, mark, write

from norce_order_async import CallOptions, OrderClient, OutcomeKind, Receipt
from norce_order_async.batch import Change, JournalReader


@attrs.frozen
class Deep(Change):
    """A change of any resource."""

    op = "deep"
    path: str = attrs.field(kw_only=True)

    @property
    def resource(self) -> str:
        return self.path

    async def apply(self, client: OrderClient, options: CallOptions | None = None) -> Receipt:
        raise NotImplementedError


REJECTED, APPLIED = OutcomeKind.REJECTED, OutcomeKind.APPLIED


@pytest.mark.parametrize(
    ("lines", "reopened"),
    [
        (["consents -", "consents/x"], {2}),
        (["consents/x -", "consents"], {2}),
        (["consents/x -", "consents", "consents/y"], {2, 3}),
        (["consents/x -", "consents/y", "consents"], {3}),
        (["consents/x -", "", "attributes"], {2, 3}),
        (["consents/x -", "attributes", ""], {3}),
        (["consents/x/y -", "consents/x", "consents/z", "consents", "consents/z"], {2, 4, 5}),
        (["consents -", "consentsx", "consent", "attributes"], set[int]()),
        (["consents/x", "consents -"], set[int]()),
        (["consents/x -", "consents/xy", "consents/x/y"], {3}),
    ],
)
def test_what_was_done_later_is_made_once_more(tmp_path: Path, lines: list[str], reopened: set[int]) -> None:
    paths = [line.removesuffix("-").strip() for line in lines]
    changes = [Deep("o_1", path=path) for path in paths]
    with begin(tmp_path / "j") as journal:
        outcomes = [
            end(number, REJECTED if line.endswith("-") else APPLIED, change)
            for number, (line, change) in enumerate(zip(lines, changes, strict=True), 1)
        ]
        write(journal, [mark(number, change) for number, change in enumerate(changes, 1)], outcomes)
        journal.reopen([REJECTED], "m", "1", once=False)
    with JournalReader.open(tmp_path / "j") as reader:
        assert [(row.number, row.outcome) for row in reader.rows()] == [
            (each.number, each.outcome) for each in outcomes
        ]
        assert not reader.unknown()
        assert reader.summary().unfinished == len(reopened)
    with begin(tmp_path / "j") as journal:  # as the run after one that was killed there finds it
        states = journal.states(1, len(lines))
    assert {number for number, state in states.items() if state.reopened} == reopened
