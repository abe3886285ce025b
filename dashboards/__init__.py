"""Grafana dashboards: their source, the JSON made of it, provisioning, and a preview without Grafana."""
