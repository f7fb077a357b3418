"""However a batch ends: its summary, its status, its report and its page say the same, and the exit code is as told."""

import re
import sys
from pathlib import Path

import pytest
from soak_batch.endings import ENDINGS, Ending, disagreements, end, expected_codes

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and open files work differently")


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.name)
def test_all_say_the_same(tmp_path: Path, ending: Ending) -> None:
    told = end(ending, tmp_path)
    assert disagreements(ending, told) == []
    if ending.name == "the disk is full":
        # The end of the run may fit where more did not.
        assert re.search("could not write its end|the journal .* cannot be written", told["status"].words)


def test_every_ending_is_in_the_documentation() -> None:
    assert set(expected_codes()) == {ending.name for ending in ENDINGS}
