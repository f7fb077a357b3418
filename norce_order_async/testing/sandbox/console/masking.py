"""What the console shows of text: no secret that it can tell."""

import re
from collections.abc import Iterable
from urllib.parse import quote

from norce_order_async.core.urls import HIDDEN, without_secrets

_URL = re.compile(r"https?://", re.IGNORECASE)


class Mask:
    """Hides the tokens of a sandbox wherever they stand, and in URLs the user and the values of the query.

    Args:
        tokens: The tokens.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self._tokens = {text for token in tokens for text in (token, quote(token, safe=""))}

    def __call__(self, text: str) -> str:
        """What is shown of a text."""
        if _URL.match(text):
            text = without_secrets(text)
        for token in self._tokens:
            text = text.replace(token, HIDDEN)
        return text
