"""The functions that users give for calls: async functions, or anything else that is called."""

from collections.abc import Callable
from inspect import isawaitable
from typing import TypeVar

C = TypeVar("C")


async def run(handler: Callable[[C], object], call: C) -> object:
    """What a handler answers to a call, whether it is an async function or a plain one."""
    answer = handler(call)
    return await answer if isawaitable(answer) else answer
