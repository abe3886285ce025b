"""What telemetry costs: every competitor in a process of its own, in interleaved rounds, on the same applications."""
