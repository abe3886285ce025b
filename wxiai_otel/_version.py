"""What this package calls itself in telemetry: the instrumentation scope's name and version."""

from importlib.metadata import PackageNotFoundError, version

SCOPE_NAME = "wxiai_otel"

try:
    VERSION = version("wxiai-otel")
except PackageNotFoundError:  # run from a source tree that is not installed
    VERSION = "0"
