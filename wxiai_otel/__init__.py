"""Observability for a FastAPI application in one call."""
