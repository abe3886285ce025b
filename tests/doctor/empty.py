"""A Prometheus and a Jaeger that have nothing."""

from fastapi import FastAPI

app = FastAPI()
app.get("/api/v1/query")(lambda: {"status": "success", "data": {"result": []}})
