"""Tests that every transport has to pass, for those who write one.

Subclass :class:`TransportConformance` and :class:`TlsTransportConformance`. They need pytest, and trustme for TLS.
"""

from norce_order_async.core.errors import ConfigurationError

try:
    import pytest
except ImportError:
    raise ConfigurationError("the conformance suite needs pytest: pip install pytest") from None

pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("base", "exchange", "responses", "reading", "cancelling", "tls", "life"))
)

from norce_order_async.testing.conformance.promises import (  # noqa: E402 (rewritten first)
    TlsTransportConformance,
    TransportConformance,
)

__all__ = ["TlsTransportConformance", "TransportConformance"]
