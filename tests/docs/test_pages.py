"""The pages themselves: nothing missing, nothing twice, nothing that leads nowhere."""

import re
from collections import Counter
from pathlib import Path

import pytest
from contract.docs import PAGE, with_table
from public_names import FACES

ROOT = Path(__file__).parents[2]
NAMES = re.compile(r"^\.\. (?:auto\w+|py:data):: (\w+)(?:\(\))?$", re.MULTILINE)


def test_every_public_name_is_in_the_reference_once() -> None:
    pages = [page.read_text(encoding="utf-8") for page in ROOT.glob("docs/reference*.md")]
    described = Counter(name for page in pages for name in NAMES.findall(page))
    assert described == Counter(name for names in FACES.values() for name in names)


def test_the_table_of_operations_is_the_package_s() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page), "write it with: PYTHONPATH=tests python -m contract.docs"


def test_the_readme_leads_to_every_page_of_the_guide() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = {f"docs/{page.name}" for page in ROOT.glob("docs/*.md") if not page.name.startswith("reference")}
    assert not pages - {"docs/index.md", "docs/changelog.md"} - set(re.findall(r"\]\(([^)#]+)", text))


@pytest.mark.parametrize("path", ["README.md", *(f"docs/{page.name}" for page in ROOT.glob("docs/*.md"))])
def test_links_lead_to_files(path: str) -> None:
    page = ROOT / path
    targets = re.findall(r"\]\(([^)#]+)(?:#[\w-]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if ":" not in target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize(
    "path", ["README.md", "CHANGELOG.md", *(f"docs/{page.name}" for page in ROOT.glob("docs/*.md"))]
)
def test_no_empty_line_ends_a_table_early(path: str) -> None:
    text = ROOT.joinpath(path).read_text(encoding="utf-8")
    assert re.findall(r"^\|.*\n\n(?!\|.*\n\| -)\|.*", text, re.MULTILINE) == []


def test_the_picture_loads_nothing() -> None:
    picture = ROOT.joinpath("docs/_static/batch.svg").read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\"]*", picture) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@import|@font-face|href|<script", picture)


def test_what_a_call_costs_is_what_was_measured() -> None:
    measured = ROOT.joinpath("docs/_static/performance/calls.md").read_text(encoding="utf-8")
    _, _, found = measured.partition("**32 in flight, 5,000 orders in turn**")
    cpu = {row[0]: row[4].split()[0] for row in rows(found.partition("**")[0])}
    front = ROOT.joinpath("docs/index.md").read_text(encoding="utf-8")
    assert f"CPU for a call | 1 | {cpu['OrderClient']}; {cpu['OrderClient, httptools']} over httptools |" in front
    compared = rows(ROOT.joinpath("docs/comparison.md").read_text(encoding="utf-8"))
    names = ("OrderClient", "aiohttp by hand, json=", "httpx by hand", "openapi-python-client", "azure-core")
    assert [row[4] for row in compared[-5:]] == [cpu[name] for name in names]


def rows(text: str) -> list[list[str]]:
    """The cells of the rows of tables, heads among them."""
    return [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if line[:1] == "|"]
