"""The public suite over a recording transport, while it records: apart from the ordinary tests, to keep their time.

Run it by its name: ``pytest tests/conformance/recording.py``, or in the nox session ``loops``.
"""

from pathlib import Path
from typing import Any

import pytest

from norce_order_async import AiohttpTransport, HttptoolsTransport
from norce_order_async.testing import RecordingTransport, TransportConformance
from norce_order_async.transport import Transport


class Recording(TransportConformance):
    inner: Any

    @pytest.fixture(autouse=True)
    def _cassettes(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    def make_transport(self, **settings: Any) -> Transport:
        return RecordingTransport(self.folder / f"{len(self._opened())}.json", self.inner(**settings), mode="all")


class TestRecordingOverAiohttp(Recording):
    inner = AiohttpTransport


class TestRecordingOverHttptools(Recording):
    inner = HttptoolsTransport
