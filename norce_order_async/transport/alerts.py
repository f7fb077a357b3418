"""What a server says of the client's certificate."""

import ssl

from norce_order_async.core.errors import TLSError

_WORDS = ("CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED", "HANDSHAKE_FAILURE", "DECRYPT_ERROR")


def refused_certificate(error: BaseException | None) -> TLSError | None:
    """Our error for a server that ended a connection because of the client's certificate, or for want of one.

    In TLS 1.3 that comes after the client's side of the handshake, in place of the answer. The server's side then has
    not ended, so nothing that was sent meanwhile was read by whoever stands behind it.
    """
    while error is not None:
        # Subclasses of other libraries may lack the reason.
        reason = (getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""
        if "_ALERT_" in reason and any(word in reason for word in _WORDS):
            return TLSError(f"the server does not accept the client's certificate: {error}", sent=False)
        error = error.__cause__
    return None
