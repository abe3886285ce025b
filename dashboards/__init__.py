"""Grafana dashboards: their source, the JSON made of it, provisioning, and a preview without Grafana."""

# Where the preview is, unless it is told another port.
PREVIEW_PORT = 3001
