"""Tests that every transport has to pass, for those who write one.

Subclass :class:`TransportConformance` and :class:`TlsTransportConformance`. They need pytest, and trustme for TLS.
"""

from pkgutil import iter_modules

from norce_order_async.core.errors import ConfigurationError

try:
    import pytest
except ImportError:
    raise ConfigurationError("the conformance suite needs pytest: pip install pytest") from None

pytest.register_assert_rewrite(*(module.name for module in iter_modules(__path__, f"{__name__}.")))

from norce_order_async.testing.conformance.promises import (  # noqa: E402 (rewritten first)
    TlsTransportConformance,
    TransportConformance,
)

__all__ = ["TlsTransportConformance", "TransportConformance"]
