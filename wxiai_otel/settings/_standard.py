"""OpenTelemetry's variables that its exporters read by themselves: refused here by name, and with no secret shown."""

import re
from collections.abc import Mapping

from .._parsers import Choice, NotAllowed, Parser, positive_float

_SIGNALS = ("TRACES", "METRICS", "LOGS")

# A name, and what may be written beside percent-encoded characters:
# opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables. As the exporters,
# it takes spaces within a value.
_HEADER = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+[ \t]*=[ \t]*+[ !#-+\--:<-\[\]-~]*")


def headers(value: object) -> str:
    if isinstance(value, str) and all(_HEADER.fullmatch(part.strip()) for part in value.split(",") if part.strip()):
        return value
    raise NotAllowed("a list of name=value separated by commas, such as Authorization=Bearer%20<token>")


_OTLP = "OTEL_EXPORTER_OTLP_"
_OF_ALL_AND_EACH = ("", *(f"{signal}_" for signal in _SIGNALS))

STANDARD: Mapping[str, Parser] = {
    **{f"{_OTLP}{signal}HEADERS": headers for signal in _OF_ALL_AND_EACH},
    **{f"{_OTLP}{signal}TIMEOUT": positive_float for signal in _OF_ALL_AND_EACH},
    **{f"{_OTLP}{signal}_PROTOCOL": Choice("http/protobuf", "grpc") for signal in _SIGNALS},
    "OTEL_METRICS_EXEMPLAR_FILTER": Choice("trace_based", "always_on", "always_off"),
}
