"""``wxiai-otel doctor``: what is instrumented here, what is not and why, and whether what is sent arrives."""

from ._examination import Options, examine
from ._report import Finding, Report, State
from ._show import show

__all__ = ["Finding", "Options", "Report", "State", "examine", "show"]
