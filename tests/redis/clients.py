"""Clients of either kind, and what was counted of them."""

from tests.scrape import Scrape


def operations(seen: Scrape) -> dict[tuple[str, ...], float]:
    """Counts by operation and result, those that are not 0."""
    counts = seen.series("cache_operations_total", "operation", "result")
    return {key: value for key, value in counts.items() if value}


def durations(seen: Scrape) -> dict[str, float]:
    """Round trips by operation."""
    counts = seen.series("cache_operation_duration_seconds_count", "operation")
    return {operation: value for (operation,), value in counts.items()}


class Client:
    """A client of either kind, for tests that hold for both: each method is awaited."""

    def __init__(self, client) -> None:
        self._client = client

    def __getattr__(self, name):
        method = getattr(self._client, name)

        async def call(*args, **options):
            result = method(*args, **options)
            return await result if hasattr(result, "__await__") else result

        return call

    def pipeline(self, **options):
        return self._client.pipeline(**options)


async def executed(pipeline, **options):
    result = pipeline.execute(**options)
    return await result if hasattr(result, "__await__") else result


async def closed(client):
    closing = client.aclose() if hasattr(client, "aclose") else client.close()
    if hasattr(closing, "__await__"):
        await closing
