"""The typed function of an operation."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any


@cache
def function_of(place: str) -> Callable[..., Any]:
    """The function that a row of the table of operations names, as its module and its name."""
    module, _, name = place.partition(".")
    function: Callable[..., Any] = getattr(import_module(f"norce_order_async.endpoints.{module}"), name)
    return function
