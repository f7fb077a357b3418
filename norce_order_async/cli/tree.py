"""An order as a tree, for a terminal; needs rich."""

from collections.abc import Mapping

from rich.text import Text
from rich.tree import Tree

from norce_order_async.cli.masking import as_text, masked, masked_unreadable
from norce_order_async.cli.order_text import order_title
from norce_order_async.cli.output import console
from norce_order_async.core.wording import printable
from norce_order_async.wire.json import JSON
from norce_order_async.wire.json_text import to_json
from norce_order_async.wire.models import Order

_NAMES = ("id", "name", "code", "status", "event")
"""Members that name an element of a list, the best first."""


def print_tree(order: Order) -> None:
    """Print an order with everything in it."""
    tree = Tree(Text(printable(order_title(order)), "bold"), guide_style="dim")
    _grow(tree, masked(order))
    for path, raw in masked_unreadable(order).items():
        tree.add(Text.assemble((f"could not be read: {printable(path)}", "red"), "  ", as_text(raw)))
    console().print(tree)


def _grow(tree: Tree, value: JSON) -> None:
    """Add the members of an object, or the elements of a list, as branches."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            _branch(tree, printable(name), member)
    elif isinstance(value, list | tuple):
        for index, element in enumerate(value):
            _branch(tree, _label(element, index), element)


def _branch(tree: Tree, label: str, value: JSON) -> None:
    if isinstance(value, Mapping | list | tuple) and value:
        _grow(tree.add(Text(label, "cyan")), value)
        return
    shown = printable(value) if isinstance(value, str) else to_json(value)
    tree.add(Text.assemble((label, "cyan"), "  ", shown))


def _label(element: JSON, index: int) -> str:
    if isinstance(element, Mapping):
        for name in _NAMES:
            if value := element.get(name):
                return printable(str(value))
    return str(index + 1)
