"""The error of a request that is none of Norce's calls."""

from collections.abc import Mapping

from norce_order_async.core.errors import NorceOrderError

_CODES: Mapping[int, str] = {
    401: "unauthorized",
    404: "not-found",
    405: "method-not-allowed",
    408: "request-timeout",
    413: "content-too-large",
    415: "unsupported-media-type",
}


class CallbackError(NorceOrderError, ValueError):
    """A request is no hook, notification or validation. Its text holds nothing of the request's body.

    Attributes:
        status: The HTTP status to answer, one of 4xx.
    """

    def __init__(self, message: str = "", known: object = None, *, status: int = 400) -> None:
        self.status = status
        super().__init__(message, known)

    @property
    def code(self) -> str:
        """The ``code`` to answer, such as ``content-too-large``."""
        return _CODES.get(self.status, "bad-request")
