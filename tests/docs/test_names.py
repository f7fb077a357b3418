"""The list of all public names: whole, true, and each with an example."""

import pytest
from public_names import FACES, PAGE, Section, entries, with_list

LISTED = entries(PAGE.read_text(encoding="utf-8"))


def test_the_list_of_names_is_the_package_s() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_list(page), "write it with: PYTHONPATH=tests python -m public_names"
    assert LISTED.keys() == {f"{face}.{name}" for face, names in FACES.items() for name in names}


def test_every_name_says_what_it_is() -> None:
    assert [name for name, entry in LISTED.items() if not entry.what] == []


@pytest.mark.parametrize(
    ("name", "text", "used"),
    [
        ("Order", "```python\nOrder()\n```\nan `Order`", (1, 1)),
        ("change", "to change it", (0, 0)),
        ("change", "```python\nchange = 1\nchange(a, b)\n```", (1, 0)),
        ("get_order", "the `get_order()` of it; get_orders", (0, 1)),
    ],
)
def test_an_example_has_the_name_itself(name: str, text: str, used: tuple[int, int]) -> None:
    assert Section("a.md", "A", text).uses(name) == used
