"""Traces and metrics by OpenTelemetry's conventions (the extra ``otel``)."""
