"""A change with a defect, for batches in other processes: those import it from here."""

import os

from norce_order_async import CallOptions, OrderClient, Receipt
from norce_order_async.batch import Change


class Defective(Change):
    """Raises; of the orders ``o_exit`` and ``o_kill`` it ends its process."""

    op = "defective"

    @property
    def resource(self) -> str:
        return "all"

    async def apply(self, client: OrderClient, options: CallOptions | None = None) -> Receipt:
        if self.order_id == "o_exit":
            os._exit(7)
        if self.order_id == "o_kill":
            os.kill(os.getpid(), 9)
        raise LookupError(self.order_id)
