"""The dashboards where there is no Grafana: one read-only page on loopback, with live data from Prometheus."""
