"""An application that uses `wxiai_otel`, and a demo of it."""
