"""A secret that Norce is given with the address to call, and sends back."""

from collections.abc import Mapping
from hmac import compare_digest
from urllib.parse import parse_qsl

from norce_order_async.core.checks import check_header_name, check_header_value
from norce_order_async.core.errors import ConfigurationError
from norce_order_async.core.secretive import Secretive
from norce_order_async.receiving.errors import CallbackError


class SharedSecret(Secretive):
    """Tells Norce's calls from others by a secret in the URL's query or in a header.

    Nothing is published about signatures, and only notifications may be registered with headers. Have proxies and
    servers keep the query out of their access logs. It does not pickle.

    Args:
        values: What is taken. Several, while orders that were registered with an older one are open. In the query one
            may be percent-encoded or as it is.
        query: The parameter of the query that has it.
        header: The header that may have it instead.

    Raises:
        ConfigurationError: There is no value, or one is shorter than 16 characters, no printable ASCII, or has spaces
            or line breaks at its ends. ``header`` is no name of a header.
    """

    def __init__(self, *values: str, query: str = "secret", header: str | None = None) -> None:
        try:
            self._values = [check_header_value("a secret", value).encode() for value in values]
        except (TypeError, ValueError):
            self._values = []
        if not self._values or min(map(len, self._values)) < 16:
            wanted = "16 printable ASCII characters, without spaces or line breaks at its ends"
            raise ConfigurationError(f"a shared secret needs at least {wanted}")
        self._query = query
        try:
            self._header = check_header_name(header).lower() if header else None
        except (TypeError, ValueError):  # whose text may have the secret
            raise ConfigurationError("header must be the name of a header") from None

    def __repr__(self) -> str:
        return f"SharedSecret(query={self._query!r}, header={self._header!r})"

    def check(self, headers: Mapping[str, str], query: str) -> None:
        """Compare in constant time.

        Args:
            headers: The request's headers, their names in lower case.
            query: The query of the URL, as it came.

        Raises:
            CallbackError: The secret is missing or wrong; its status is 401.
        """
        given = [value for name, value in parse_qsl(query) if name == self._query][:1]
        # As it stands, too: in an address that was not encoded, "+" and "%" stand for themselves.
        parts = [part.partition("=") for part in query.split("&")]
        given += [value for name, _, value in parts if name == self._query][:1]
        if self._header is not None and self._header in headers:
            given.append(headers[self._header])
        tries = [(value, text.encode("utf-8", "surrogatepass")) for value in self._values for text in given]
        if sum(compare_digest(value, text) for value, text in tries) == 0:
            raise CallbackError("the shared secret is missing or wrong", status=401)
