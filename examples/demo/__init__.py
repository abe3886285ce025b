"""The demo: the example application under uvicorn, with traffic, and a table of what came of it."""
