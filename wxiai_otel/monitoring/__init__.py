"""The endpoints: an ASGI layer around the router, and what answers in it."""

from ._layer import EndpointsLayer
from ._metrics import MetricsEndpoint

__all__ = ["EndpointsLayer", "MetricsEndpoint"]
