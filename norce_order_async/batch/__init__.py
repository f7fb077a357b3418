"""Many changes at once: read from a file or an iterator, made with bounded workers, one outcome each.

Nothing here is loaded before it is used.
"""

from typing import TYPE_CHECKING

from norce_order_async.core.lazy_names import LazyNames

if TYPE_CHECKING:
    from norce_order_async.batch.changes import (
        Change as Change,
        DeleteConsent as DeleteConsent,
        PatchAttributes as PatchAttributes,
        PatchConsent as PatchConsent,
    )
    from norce_order_async.batch.engine.running import Progress as Progress
    from norce_order_async.batch.engine.settings import BatchArguments as BatchArguments, BatchSettings as BatchSettings
    from norce_order_async.batch.files import (
        InputLayout as InputLayout,
        InputLine as InputLine,
        read_changes as read_changes,
    )
    from norce_order_async.batch.inputs import Input as Input, InputFile as InputFile
    from norce_order_async.batch.journal import (
        Journal as Journal,
        JournalReader as JournalReader,
        JournalRun as JournalRun,
        JournalSample as JournalSample,
    )
    from norce_order_async.batch.kinds import (
        AddPaymentActions as AddPaymentActions,
        AddTransaction as AddTransaction,
        CreateConsent as CreateConsent,
        CreateHook as CreateHook,
        CreateNotification as CreateNotification,
        CreateOrder as CreateOrder,
        CreatePayment as CreatePayment,
        CreateShipping as CreateShipping,
        CreateValidation as CreateValidation,
        DeleteHook as DeleteHook,
        DeleteNotification as DeleteNotification,
        DeleteOrder as DeleteOrder,
        DeleteValidation as DeleteValidation,
        ExecutePaymentAction as ExecutePaymentAction,
        PatchConsents as PatchConsents,
        UpdateBillingAddress as UpdateBillingAddress,
        UpdateCart as UpdateCart,
        UpdatePayment as UpdatePayment,
        UpdateReference as UpdateReference,
        UpdateShipping as UpdateShipping,
        UpdateShippingAddress as UpdateShippingAddress,
        UpdateState as UpdateState,
        UpdateValidation as UpdateValidation,
    )
    from norce_order_async.batch.outcomes import Outcome as Outcome
    from norce_order_async.batch.page.page import write_html_report as write_html_report
    from norce_order_async.batch.report import (
        ErrorSummary as ErrorSummary,
        JournalRow as JournalRow,
        Summary as Summary,
        save_report as save_report,
        write_report as write_report,
    )
    from norce_order_async.batch.resolving import JournalResolver as JournalResolver
    from norce_order_async.batch.run import Batch as Batch, run_batch as run_batch
    from norce_order_async.batch.undo.files import UndoSummary as UndoSummary, save_undo as save_undo

_NAMES = LazyNames(
    __name__,
    {
        "batch.changes": "Change DeleteConsent PatchAttributes PatchConsent",
        "batch.engine.running": "Progress",
        "batch.engine.settings": "BatchArguments BatchSettings",
        "batch.files": "InputLayout InputLine read_changes",
        "batch.inputs": "Input InputFile",
        "batch.journal": "Journal JournalReader JournalRun JournalSample",
        "batch.kinds": (
            "AddPaymentActions AddTransaction CreateConsent CreateHook CreateNotification CreateOrder "
            "CreatePayment CreateShipping CreateValidation DeleteHook DeleteNotification DeleteOrder "
            "DeleteValidation ExecutePaymentAction PatchConsents UpdateBillingAddress UpdateCart UpdatePayment "
            "UpdateReference UpdateShipping UpdateShippingAddress UpdateState UpdateValidation"
        ),
        "batch.outcomes": "Outcome",
        "batch.page.page": "write_html_report",
        "batch.report": "ErrorSummary JournalRow Summary save_report write_report",
        "batch.resolving": "JournalResolver",
        "batch.run": "Batch run_batch",
        "batch.undo.files": "UndoSummary save_undo",
    },
)

if not TYPE_CHECKING:  # else every name would be taken for one of the module, and `import *` would bring none
    __all__ = _NAMES.names
    __getattr__, __dir__ = _NAMES.load, _NAMES.listed
