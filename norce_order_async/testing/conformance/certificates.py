"""Certificates made at run time, with trustme."""

import ssl
from functools import cache

import attrs
import pytest


@attrs.frozen
class Certificates:
    """An authority that nobody else knows, and what it issued.

    Attributes:
        trusted: For a client that knows the authority.
        server: For a server on 127.0.0.1, also by name.
        wrong_host: For a server that shows the certificate of another host.
    """

    trusted: ssl.SSLContext
    server: ssl.SSLContext
    wrong_host: ssl.SSLContext

    @staticmethod
    @cache
    def make() -> "Certificates":
        """Make them, once, or skip the test where trustme is not installed."""
        pytest.importorskip("trustme", reason="the promises about TLS need trustme")
        from trustme import CA

        authority = CA()
        trusted = ssl.create_default_context()
        authority.configure_trust(trusted)  # pyright: ignore[reportUnknownMemberType]
        contexts: list[ssl.SSLContext] = []
        for hosts in (("127.0.0.1", "localhost"), ("elsewhere.example",)):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            authority.issue_cert(*hosts).configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
            contexts.append(context)
        return Certificates(trusted, *contexts)
