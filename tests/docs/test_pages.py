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


def test_the_picture_loads_nothing() -> None:
    picture = ROOT.joinpath("docs/_static/batch.svg").read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\"]*", picture) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"@import|@font-face|href|<script", picture)
