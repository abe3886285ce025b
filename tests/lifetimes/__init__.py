"""Lifetimes: telemetry keeps no application alive, and a shutdown keeps its deadline."""
