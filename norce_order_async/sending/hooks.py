"""Hooks of calls: what a user has called at a point of a call does not change what becomes of it."""

import asyncio
import inspect
from collections.abc import Callable, Iterable
from typing import TypeVar, TypeVarTuple

from norce_order_async.core.call import Call
from norce_order_async.sending.log import log_hook

A = TypeVarTuple("A")
R = TypeVar("R")


def run_hook(call: Call, hook: Callable[[*A], R], *args: *A) -> R | None:
    """Call a hook of a call; one that fails is logged at ERROR and does not change what becomes of the call."""
    try:
        result = hook(*args)
        if result is not None:
            check_not_async(result)
        return result
    except (Exception, asyncio.CancelledError):  # a plain function is not cancelled: it has raised that by itself
        log_hook(call)
        return None


def run_hooks(call: Call, hooks: Iterable[Callable[[*A], object]], *args: *A) -> None:
    """Call hooks of a call, all of them: one that ends the program, as ``KeyboardInterrupt`` does, ends it after that.

    Raises:
        BaseException: What the first of them raised that is no ``Exception``.
    """
    left = iter(hooks)
    try:
        for hook in left:
            run_hook(call, hook, *args)
    except BaseException:
        run_hooks(call, left, *args)
        raise


def check_not_async(result: object) -> None:
    """See that a hook has run.

    Raises:
        TypeError: It is async: it has only begun, and nobody awaits it.
    """
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError("a hook must not be async: it is called and not awaited")
