"""Tests that every transport has to pass, for those who write one: subclass :class:`TransportConformance`.

It needs pytest, and trustme for the promises about TLS.
"""

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{module}" for module in ("base", "exchange", "answers", "cancelling", "tls", "life"))
)

from norce_order_async.testing.conformance.promises import TransportConformance  # noqa: E402 (rewritten first)

__all__ = ["TransportConformance"]
