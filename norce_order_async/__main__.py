"""``python -m norce_order_async`` and the ``norce-order`` command."""

import sys

from norce_order_async.cli import main

if __name__ == "__main__":
    sys.exit(main())
