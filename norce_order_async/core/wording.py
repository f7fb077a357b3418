"""Words of messages that several parts of the package write."""


def counted(number: int, what: str) -> str:
    """``1 change``, ``2 changes``."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def text_of(error: BaseException) -> str:
    """What an error says, or its class where it says nothing."""
    return str(error) or type(error).__name__


def reason_of(error: Exception) -> str:
    """What is said of an operating system's error where the message names the file or the host by itself."""
    return (error.strerror if isinstance(error, OSError) else None) or text_of(error)
