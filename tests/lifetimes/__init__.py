"""How long telemetry lives: no longer than its application, and no longer at the end than is allowed."""
