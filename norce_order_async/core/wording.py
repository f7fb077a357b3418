"""Words of messages that several parts of the package write."""

from collections.abc import Sequence

_SHOWN = 300  # characters


def counted(number: int, what: str) -> str:
    """``1 change``, ``2 changes``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def listed(names: Sequence[str], most: int = 3) -> str:
    """``a, b and 3 more``: so many names at most, and how many others there are."""
    others = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + others


def meant(names: Sequence[str]) -> str:
    """A question after what is not known: whether one of these was meant; empty where there are none."""
    return f" (did you mean {', '.join(names)}?)" if names else ""


def text_of(error: BaseException) -> str:
    """What an error says, or its class where it says nothing."""
    return str(error) or type(error).__name__


def reason_of(error: Exception) -> str:
    """What is said of an operating system's error where the message names the file or the host by itself."""
    return (error.strerror if isinstance(error, OSError) else None) or text_of(error)


def printable(text: str) -> str:
    """Somebody else's words, fit for one line of a terminal or a log: what is not printable is escaped."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def excerpt(body: bytes, text: str | None = None) -> str:
    """The beginning of a body, fit for one line; ``text`` stands in its place where there is one."""
    return beginning(body[:_SHOWN].decode("utf-8", "replace") if text is None else text)


def beginning(text: str) -> str:
    """The beginning of somebody else's words, fit for one line."""
    return printable(text.strip()[:_SHOWN])
