"""Recording: real answers, kept in a file that tests replay."""

from norce_order_async.testing.recording.cassette import NotRecordedError
from norce_order_async.testing.recording.transport import RecordingTransport

__all__ = ["NotRecordedError", "RecordingTransport"]
