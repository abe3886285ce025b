"""Faults of everything around an application, and what it, its clients and its telemetry make of them."""
