"""Users at work: they ask, chat, draw, pay, look and err, some of them at the same time."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx
from websockets.asyncio.client import connect

SERVICES = ("midjourney", "flux", "dreamwork", "jimeng", "kling")
PROMPTS = ("a lake at dawn", "山水画，远山，两只小船", "a cat that reads the newspaper", "城市夜景")
USERS = 60
PAUSE_SECONDS = (0.02, 0.15)


class Visitor:
    """One user with a token, doing one thing after the other."""

    def __init__(self, client: httpx.AsyncClient, url: str, number: int, sent: Counter[str]) -> None:
        self._client = client
        self._url = url
        self._sent = sent
        self._headers = {"authorization": f"Bearer token-{number}"}
        self._tasks: list[str] = []

    async def visit(self, until: float) -> None:
        """Do things until the event loop's clock says so."""
        deeds: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (8, self._look_at_task),
            (5, self._draw),
            (4, self._chat),
            (4, self._balance),
            (3, self._list),
            (2, self._buy),
            (2, self._page),
            (1, self._talk),
            (1, self._get_lost),
            (1, self._report),
        ]
        weights, choices = zip(*deeds, strict=True)
        loop = asyncio.get_running_loop()
        while loop.time() < until:
            (deed,) = random.choices(choices, weights)
            try:
                await deed()
            except httpx.TransportError:
                # uvicorn closes the connection of an endpoint that raised: the next request on it may come too late.
                self._sent["no answer"] += 1
            await asyncio.sleep(random.uniform(*PAUSE_SECONDS))

    async def _request(self, method: str, path: str, *, signed_in: bool = True, **content: object) -> httpx.Response:
        headers = self._headers if signed_in else {}
        response = await self._client.request(method, path, headers=headers, **content)  # type: ignore[arg-type] # json only
        self._sent[str(response.status_code)] += 1
        return response

    async def _draw(self) -> None:
        order = {"prompt": random.choice(PROMPTS)}
        response = await self._request("POST", f"/api/v1/images/{random.choice(SERVICES)}", json=order)
        if response.status_code == httpx.codes.ACCEPTED:
            self._tasks.append(response.json()["task"])
        else:
            await self._buy()

    async def _look_at_task(self) -> None:
        if self._tasks:
            await self._request("GET", f"/api/v1/tasks/{random.choice(self._tasks)}")
        else:
            await self._list()

    async def _list(self) -> None:
        await self._request("GET", "/api/v1/tasks?limit=10")

    async def _chat(self) -> None:
        question = {"text": random.choice(PROMPTS), "words": random.randint(3, 18)}
        async with self._client.stream("POST", "/api/v1/chat", json=question, headers=self._headers) as response:
            self._sent[str(response.status_code)] += 1
            async for _line in response.aiter_lines():
                if random.random() < 0.01:
                    return  # the user closes the page

    async def _talk(self) -> None:
        async with connect(self._url.replace("http", "ws") + "/api/v1/ws") as socket:
            for _ in range(3):
                await socket.send("still here")
                await socket.recv()

    async def _balance(self) -> None:
        await self._request("GET", "/api/v1/credits/balance")

    async def _buy(self) -> None:
        await self._request("POST", "/api/v1/credits/purchase", json={"amount": random.choice((100, 200, 500))})

    async def _page(self) -> None:
        await self._request("GET", random.choice(("/", "/explore", "/gallery/flux/latest")), signed_in=False)

    async def _get_lost(self) -> None:
        path = random.choice(("/api/v1/tasks/none", "/api/v1/images/nobody", "/api/v1/broken", "/api/v1/tasks"))
        await self._request("GET", path, signed_in=random.random() < 0.7)

    async def _report(self) -> None:
        await self._request("GET", "/api/v1/credits/report")


async def drive(url: str, seconds: float, advance: Callable[[float], None], visitors: int = 12) -> Counter[str]:
    """Drive traffic against the application.

    Parameters:
        url: The application's.
        seconds: How long.
        advance: Is told the seconds passed, several times a second.
        visitors: How many do something at the same time.

    Returns:
        The requests sent, by the status that came back.
    """
    sent: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    start = loop.time()
    async with httpx.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
        numbers = random.sample(range(1, USERS + 1), visitors)
        visits = [asyncio.create_task(Visitor(client, url, n, sent).visit(start + seconds)) for n in numbers]
        try:
            while not all(visit.done() for visit in visits):
                advance(min(loop.time() - start, seconds))
                await asyncio.sleep(0.1)
            await asyncio.gather(*visits)
        finally:
            for visit in visits:
                visit.cancel()
    return sent
