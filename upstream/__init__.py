"""Other projects' own test suites, run with and without telemetry, and compared test by test."""
