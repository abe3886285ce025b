"""The folder that ``wxiai-otel run`` puts on PYTHONPATH."""
