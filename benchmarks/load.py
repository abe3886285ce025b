"""Load over HTTP: connections that are kept open, each with one request after the other."""

import asyncio
from collections.abc import Sequence
from time import perf_counter

CONNECTIONS = 16


def requests_per_second(port: int, path: str, seconds: float) -> tuple[float, int]:
    """How many requests were answered in a second, and how many in all."""
    return asyncio.run(_run(port, path, seconds))


async def _run(port: int, path: str, seconds: float) -> tuple[float, int]:
    started = perf_counter()
    counts: Sequence[int] = await asyncio.gather(*(_client(port, path, started + seconds) for _ in range(CONNECTIONS)))
    answered = sum(counts)
    return answered / (perf_counter() - started), answered


async def _client(port: int, path: str, until: float) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    question = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\n\r\n".encode()
    answered = 0
    while perf_counter() < until:
        writer.write(question)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(f"{path} was answered {head!r}")
        await reader.readexactly(int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0]))
        answered += 1
    writer.close()
    return answered


async def paced(port: int, path: str, seconds: float, rate: float) -> tuple[list[float], int]:
    """Requests at their times, however long others take: a server that stalls is not asked less for it."""
    waiting: list[asyncio.Task[float]] = []
    started = perf_counter()
    while (due := len(waiting) / rate) < seconds:
        await asyncio.sleep(max(0.0, started + due - perf_counter()))
        waiting.append(asyncio.create_task(once(port, path)))
    found = await asyncio.gather(*waiting, return_exceptions=True)
    good = [one for one in found if isinstance(one, float)]
    return good, len(found) - len(good)


async def once(port: int, path: str) -> float:
    """How long one request took, over a connection of its own."""
    began = perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"{path} was answered {answer[:80]!r}")
    return perf_counter() - began


def durations(port: int, path: str, seconds: float, rate: float) -> tuple[list[float], int]:
    """How long each request took that was answered 200, and how many were not."""
    return asyncio.run(paced(port, path, seconds, rate))
