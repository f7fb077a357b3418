"""The list of all public names in the docs, made from the faces of the package.

`PYTHONPATH=tests python -m public_names` writes it into docs/names.md. It keeps the version of each name that is there
already, and its example while that is one.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import attrs

import norce_order_async

ROOT = Path(__file__).parents[1]
PACKAGE = Path(norce_order_async.__file__).parent
PAGE = ROOT / "docs" / "names.md"
BEGIN, END = "<!-- names: begin -->\n", "<!-- names: end -->\n"
_NAMES: list[str] = import_module("norce_order_async").__all__
FACES = {
    module: tuple(import_module(module).__all__)
    for module in (
        "norce_order_async",
        *(f"norce_order_async.{face}" for face in dir(norce_order_async) if face not in _NAMES),
    )
}
"""Every public name, by the module that exports it."""

_LINE = re.compile(r"^\| \{py:obj\}`~(?P<name>[\w.]+)` \| (?P<what>.*) \| (?P<since>\S+) \| \[.*\]\((?P<link>.*)\) \|$")
_HEAD = "| name | what | since | example |\n| --- | --- | --- | --- |\n"
_NO_EXAMPLES = re.compile(r"names|changelog|index")


@attrs.frozen
class Entry:
    """One line of the list.

    Attributes:
        what: The first sentence of its docstring.
        since: The first version that has it under this name.
        link: Where it is used.
    """

    what: str
    since: str
    link: str


@attrs.frozen
class Section:
    """A part of a page of the docs, from one heading to the next."""

    link: str
    title: str
    text: str

    def uses(self, name: str) -> tuple[int, int]:
        """How often its examples have the name, and how often the rest has it."""
        code = "\n".join(re.findall(r"^```python\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL))
        word = rf"\b{name}\b" + (r"\(" if name.isalpha() and name.islower() else "")
        quoted = rf"`[^`\n]*\b{name}\b[^`\n]*`"
        return len(re.findall(word, code)), len(re.findall(quoted, self.text))


@cache
def sections() -> dict[str, Section]:
    """All sections of the docs that may hold an example, by their links, in the order of the guide."""
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    pages = [page for page in re.findall(r"^([a-z-]+)$", index, re.MULTILINE) if not _NO_EXAMPLES.fullmatch(page)]
    found: dict[str, Section] = {}
    for page in pages:
        text = (ROOT / f"docs/{page}.md").read_text(encoding="utf-8")
        shown = re.sub(r"^```.*?^```$", _without_comments, text, flags=re.MULTILINE | re.DOTALL)
        parts = re.split(r"^(#{1,3} .*)$", shown, flags=re.MULTILINE)
        for heading, part in zip(parts[1::2], parts[2::2], strict=True):
            level, title = heading.split(" ", 1)
            link = f"{page}.md" if level == "#" else f"{page}.md#{_slug(title)}"
            found[link] = Section(link, title.replace("`", ""), part)
    return found


def _without_comments(block: re.Match[str]) -> str:
    """A block of code whose comments are not taken for headings."""
    return block[0].replace("#", "")


def _slug(title: str) -> str:
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


@cache
def _documented() -> dict[str, str]:
    """What stands below the assignments of the package, by the names assigned."""
    found: dict[str, str] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        for node, after in pairwise(body):
            target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
            if (
                isinstance(target, ast.Name)
                and isinstance(after, ast.Expr)
                and isinstance(after.value, ast.Constant)
                and isinstance(after.value.value, str)
            ):
                found.setdefault(target.id, inspect.cleandoc(after.value.value))
    return found


def what_is(face: str, name: str) -> str:
    """The first sentence of a name's docstring, as Markdown; empty where it has none."""
    value: object = getattr(import_module(face), name)
    documented = inspect.isclass(value) or inspect.isfunction(value)
    text = (inspect.getdoc(value) if documented else _documented().get(name)) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    sentence = re.split(r"(?<=[.:]) (?=[A-Z(:])", paragraph)[0].removesuffix("...").rstrip(":. ") + "."
    sentence = re.sub(r":\w+:`[~\w.]*?(\w+)`", r"`\1`", sentence).replace("``", "`").replace("|", "\\|")
    return sentence if len(sentence) > 1 else ""


def example_of(name: str, kept: str = "") -> Section:
    """The section that uses a name most, or the one that is kept, if it still has the name.

    Raises:
        LookupError: No page has it.
    """
    if kept in sections() and any(sections()[kept].uses(name)):
        return sections()[kept]
    best = max(sections().values(), key=lambda section: section.uses(name))
    if not any(best.uses(name)):
        raise LookupError(f"no page of the docs uses {name}")
    return best


def entries(page: str) -> dict[str, Entry]:
    """The lines of the list as a page has them."""
    found = (_LINE.match(line) for line in page.splitlines())
    return {line["name"]: Entry(line["what"], line["since"], line["link"]) for line in found if line is not None}


def lines(page: str) -> Iterator[str]:
    """The list as it has to be, of the page as it is."""
    version = norce_order_async.__version__
    known = entries(page)
    for face, names in FACES.items():
        about = re.split(r"(?<=\.) ", " ".join((import_module(face).__doc__ or "").split()))[0]
        yield f"\n## {face}\n\n{about.replace('``', '`')}\n\n{_HEAD}"
        for name in sorted(names, key=str.lower):
            full = f"{face}.{name}"
            old = known.get(full, Entry("", ".".join(version.split(".")[:2]), ""))
            used = example_of(name, old.link)
            yield f"| {{py:obj}}`~{full}` | {what_is(face, name)} | {old.since} | [{used.title}]({used.link}) |\n"


def with_list(page: str) -> str:
    """A page with the list between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "".join(lines(page)) + "\n" + END + after


if __name__ == "__main__":
    PAGE.write_text(with_list(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
