"""The pipeline as native processes: Collector, Prometheus, Alertmanager and Jaeger."""
