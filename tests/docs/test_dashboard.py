"""The dashboard in the docs shows metrics and labels that there are."""

import json
import re
from pathlib import Path

import pytest
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import generate_latest

from norce_order_async import Telemetry, TokenPair, patch_consent
from norce_order_async.batch import PatchConsent, run_batch
from norce_order_async.testing import FakeClock, Fault, Sandbox

DASHBOARD = Path(__file__).parents[2] / "docs/_static/grafana.json"


async def shown_by_prometheus() -> str:
    """What Prometheus reads while a batch runs."""
    sandbox = Sandbox(tokens=["secondary"])
    sandbox.add_order("o_1", consents=["ci"])
    sandbox.faults.add(Fault.status(503, times=1))
    meters = MeterProvider([PrometheusMetricReader()])
    telemetry = Telemetry(meter_provider=meters)
    client = sandbox.client(telemetry=telemetry, auth=TokenPair("primary", "secondary"), clock=FakeClock())
    await patch_consent(client, "o_1", "ci", checked=True)
    changes = [PatchConsent("o_1", "ci", checked=True)]
    pages = [generate_latest().decode() async for _ in run_batch(client, changes, rate=50)]
    meters.shutdown()
    return pages[0]


async def test_every_metric_and_label_of_the_dashboard_is_exported() -> None:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    assert len(queries) > 10
    page = await shown_by_prometheus()
    metrics = set(re.findall(r"^(\w+)\{", page, re.MULTILINE))
    labels = set(re.findall(r'(\w+)="', page))
    if "otel_scope_name" not in labels:
        pytest.skip("this exporter tells of no scope: the page on observation says which ones do")
    for query in queries:
        used = set(re.findall(r"(?:norce_client|norce_batch|http_client)_\w+", query))
        assert used
        assert used <= metrics
        grouped = [name.strip() for names in re.findall(r"by \((.*?)\)", query) for name in names.split(",")]
        assert set(grouped) | set(re.findall(r'(\w+)!?="', query)) <= labels
