"""Telemetry without a line of code: ``wxiai-otel run`` starts a command, which finds `path.sitecustomize` first."""

from ._command import CommandNotFound, WrongOrder, run

__all__ = ["CommandNotFound", "WrongOrder", "run"]
