"""OpenTelemetry's SDK with exporters in memory."""

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from norce_order_async import Telemetry

Point = tuple[Mapping[str, Any], float]
"""Attributes and value; of a histogram, how many it counted."""


class Collected:
    """Spans and metrics, and providers that lead them here."""

    def __init__(self) -> None:
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers, self.meters = TracerProvider(), MeterProvider([self._reader])
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))

    def telemetry(self, **settings: Any) -> Telemetry:
        """Telemetry that ends here."""
        return Telemetry(tracer_provider=self.tracers, meter_provider=self.meters, **settings)

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """The spans in the order they ended."""
        return self._exporter.get_finished_spans()

    @property
    def metrics(self) -> dict[str, list[Point]]:
        """The points of each metric."""
        found: dict[str, list[Point]] = {}
        data = self._reader.get_metrics_data()
        for resource in () if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        value = point.count if isinstance(point, HistogramDataPoint) else getattr(point, "value", 0)
                        found.setdefault(metric.name, []).append((dict(point.attributes or {}), value))
        return found

    @property
    def text(self) -> str:
        """Everything, as it would be sent."""
        return "\n".join([*(span.to_json() for span in self.spans), str(self.metrics)])
