"""Whether OpenTelemetry's API is there."""

from importlib.util import find_spec

from norce_order_async.core.errors import ConfigurationError


def check_installed() -> None:
    """See that OpenTelemetry's API can be imported.

    Raises:
        ConfigurationError: It is not installed.
    """
    # The parent alone says nothing: it is a namespace of many distributions.
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.trace") is None:
        raise ConfigurationError('this needs OpenTelemetry: pip install "norce-order-async[otel]"')
