"""Write llms.txt into the site: what the package is, and a link to each page with its first sentence."""

import re
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx


def _first_sentence(app: Sphinx, page: str) -> str:
    paragraph = next(iter(app.env.get_doctree(page).findall(nodes.paragraph)), None)
    text = " ".join(paragraph.astext().split()) if paragraph is not None else ""
    return re.split(r"(?<=[.!?]) |:$", text, maxsplit=1)[0]


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the file; its sections and their order are those of the front page's list."""
    if error is not None or app.builder.name != "html":
        return
    base = app.config.html_baseurl
    front = app.env.get_doctree(app.config.root_doc)
    about = next(iter(front.findall(nodes.paragraph)))
    lines = [f"# {app.config.project}", "", "> " + " ".join(about.astext().split())]
    for tree in front.findall(addnodes.toctree):
        lines += ["", f"## {tree['caption']}", ""]
        for _, page in tree["entries"]:
            title = app.env.titles[page].astext()
            says = _first_sentence(app, page)
            lines.append(f"- [{title}]({base}{app.builder.get_target_uri(page)})" + (f": {says}" if says else ""))
    Path(app.outdir, "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Hook in."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True}
