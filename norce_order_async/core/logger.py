"""The logger of the package; it is silent until a program configures logging."""

import logging

logger = logging.getLogger("norce_order_async")
logger.addHandler(logging.NullHandler())
