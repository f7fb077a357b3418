"""How Sphinx builds these pages."""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

from docutils.nodes import Element
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PyObject
from sphinx.environment import BuildEnvironment
from sphinx.util.typing import stringify_annotation

import norce_order_async

project = "norce-order-async"
author = "norce-order-async contributors"
project_copyright = author
version = release = version_of("norce-order-async")

sys.path.insert(0, str(Path(__file__).parent))  # for llms.py
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinxext.opengraph", "llms"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_baseurl = os.environ.get("READTHEDOCS_CANONICAL_URL", "")
html_theme_options = {"light_css_variables": {"code-font-size": "76%"}}
pygments_dark_style = "github-dark"
highlight_language = "text"
myst_heading_anchors = 3
myst_enable_extensions = ["attrs_inline"]
ogp_site_url = html_baseurl
ogp_image = "_static/card.png"
ogp_image_alt = "norce-order-async: an async Python SDK for Norce's Checkout Order Management API"
ogp_custom_meta_tags = ['<meta name="twitter:card" content="summary_large_image">']
ogp_social_cards = {"enable": False}

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False

# There is no intersphinx (a build needs no network), so names of other packages lead nowhere.
nitpick_ignore_regex = [
    (r"py:.*", r"(abc|argparse|asyncio|attrs?|collections|datetime|decimal|enum|pathlib|random|ssl|tenacity)\..*"),
    (r"py:.*", r"(aiohttp|distributed|sqlite3)\..*"),
    (r"py:.*", r"typing\..*|Decimal|datetime"),
    # Type variables, and aliases that are not exported: the signature says enough.
    (r"py:.*", r"(.*\.)?(T|Format|Method|When|WireOrder|Never|Tracer|Unread)"),
    (r"py:.*", r"(.*\.)?(JournalAccount|RunWriter|OldValues|ContentError)"),
    (r"py:.*", r"(.*\.)?(RetryRules|JsonAs|EmptyJournal|JournalBusy|Shop|Limiter|ApiChange|RunJournal)"),
    (r"py:.*", r"(.*\.)?(PaceArguments|TracerProvider|MeterProvider|WatchedClient|WatchedBatch)|_asyncio\.Task"),
    (r"py:.*", r"tuple\[CallHook"),
    # The steps of Sandbox.handle(), for those who serve it in another way; not exported.
    (r"py:.*", r"(.*\.)?(AdapterReply|Arrival|Exchange|OrderService)"),
]

_PUBLIC = {name: f"norce_order_async.{name}" for name in norce_order_async.__all__}
for _face in dir(norce_order_async):
    if _face not in _PUBLIC:
        _PUBLIC |= {name: f"norce_order_async.{_face}.{name}" for name in getattr(norce_order_async, _face).__all__}
_JSON = stringify_annotation(norce_order_async.models.JSON, "smart")


def resolve_exported(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: Element) -> Element | None:
    """Lead a name of one of our modules, such as ``norce_order_async.client.OrderClient``, to where it is exported."""
    target = node.get("reftarget", "").split(".")
    for place, part in enumerate(target):
        if part in _PUBLIC and node.get("refdomain") == "py":
            public = ".".join([_PUBLIC[part], *target[place + 1 :]])
            return env.domains.python_domain.resolve_xref(
                env, node["refdoc"], app.builder, "obj", public, node, content
            )
    return None


def name_json(*event: object) -> tuple[object, ...]:
    """In signatures, write JSON under its name: autodoc shows the union that it stands for, or one in another."""
    public = "~norce_order_async.models.JSON"
    nested = _JSON.replace("JSON", _JSON)
    return tuple(
        text.replace(nested, public).replace(_JSON, public) if isinstance(text, str) else text for text in event[-2:]
    )


def keep_colons(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Keep napoleon from taking what stands before a colon for a type."""
    if what in ("attribute", "property"):
        lines[:0] = ["..", ""]


def setup(app: Sphinx) -> None:
    """Hook in."""
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
    app.connect("missing-reference", resolve_exported)
    app.connect("autodoc-process-signature", name_json)
    app.connect("autodoc-process-docstring", keep_colons, priority=400)  # napoleon has 500
