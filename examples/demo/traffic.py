"""Users at work: they ask, chat, draw, pay, look and err, some of them at the same time."""

import asyncio
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable

import httpx
from websockets.asyncio.client import connect

SERVICES = ("midjourney", "flux", "dreamwork", "jimeng", "kling")
PROMPTS = ("a lake at dawn", "山水画，远山，两只小船", "a cat that reads the newspaper", "城市夜景")
USERS = 60
PAUSE_SECONDS = (0.02, 0.15)
SCANNED = 70
GUESSED = 12
TRIES = 100


class Visitor:
    """One user with a token, doing one thing after the other."""

    def __init__(self, client: httpx.AsyncClient, url: str, number: int, sent: Counter[str]) -> None:
        self._client = client
        self._url = url
        self._sent = sent
        self._headers = {"authorization": f"Bearer token-{number}"}
        self._tasks: list[str] = []

    async def visit(self, until: float, turn: int) -> None:
        """Do things until the event loop's clock says so.

        Parameters:
            until: In seconds of the event loop's clock.
            turn: Of this visitor. Between them they do everything once, however little time there is.
        """
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
            (2, self._preview),
            (1, self._sign_in),
            (1, self._sign_up),
            (1, self._upload),
        ]
        weights, choices = zip(*deeds, strict=True)
        loop = asyncio.get_running_loop()
        first = [choices[(2 * turn + number) % len(choices)] for number in range(2)]
        while first or loop.time() < until:
            deed = first.pop() if first else random.choices(choices, weights)[0]
            try:
                await deed()
            except httpx.TransportError:  # as in `_status`
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
        bought = {"amount": random.choice((100, 200, 500)), "channel": random.choice(("alipay", "wechat"))}
        await self._request("POST", "/api/v1/credits/purchase", json=bought)

    async def _page(self) -> None:
        await self._request("GET", random.choice(("/", "/explore", "/gallery/flux/latest")), signed_in=False)

    async def _get_lost(self) -> None:
        path = random.choice(("/api/v1/tasks/none", "/api/v1/images/nobody", "/api/v1/broken", "/api/v1/tasks"))
        await self._request("GET", path, signed_in=random.random() < 0.7)

    async def _preview(self) -> None:
        path = f"/api/v1/images/{random.choice(SERVICES)}/preview"
        await self._request("POST", path, json={"prompt": random.choice(PROMPTS)})

    async def _sign_in(self) -> None:
        number = random.randint(1, USERS)
        password = random.choice((f"password-{number}", "123456"))
        who = {"name": f"user-{number}", "password": password}
        await self._request("POST", "/api/v1/auth/login", signed_in=False, json=who)

    async def _sign_up(self) -> None:
        who = {"name": f"user-{uuid.uuid4().hex}", "password": "a-long-one"}
        await self._request("POST", "/api/v1/auth/register", signed_in=False, json=who)

    async def _upload(self) -> None:
        size = random.choice((1_000, 50_000, 150_000))
        await self._request("PUT", "/api/v1/files/sketch.png", content=b"x" * size)

    async def _report(self) -> None:
        await self._request("GET", "/api/v1/credits/report")


async def _status(client: httpx.AsyncClient, sent: Counter[str], method: str, path: str, **content: object) -> str:
    """Send a request, and count and return the status of the response; "no answer" if the connection is closed.

    uvicorn closes the connection of an endpoint that raised, and the next request on it may come too late.
    """
    try:
        status = str((await client.request(method, path, **content)).status_code)  # type: ignore[arg-type] # json, content or headers
    except httpx.TransportError:
        status = "no answer"
    sent[status] += 1
    return status


async def _scan(client: httpx.AsyncClient, sent: Counter[str]) -> None:
    """Somebody who is no user looks for doors that are open, and guesses one user's password."""
    for number in range(SCANNED):
        await _status(client, sent, "GET", f"/gallery/{number}/admin")
    for guess in range(GUESSED):
        who = {"name": "user-1", "password": f"guess-{guess}"}
        await _status(client, sent, "POST", "/api/v1/auth/login", json=who)


async def _err(client: httpx.AsyncClient, sent: Counter[str]) -> None:
    """Have what rarely goes wrong go wrong at least once."""
    rare: list[tuple[str, str, str, dict[str, object]]] = [
        ("402", "POST", "/api/v1/credits/purchase", {"json": {"amount": 100, "channel": "alipay"}}),
        ("413", "PUT", "/api/v1/files/sketch.png", {"content": b"x" * 150_000}),
        ("502", "POST", "/api/v1/images/kling/preview", {"json": {"prompt": PROMPTS[0]}}),
        ("500", "GET", "/api/v1/broken", {}),
    ]
    for status, method, path, content in rare:
        for _ in range(TRIES):
            if (
                await _status(client, sent, method, path, headers={"authorization": "Bearer token-1"}, **content)
                == status
            ):
                break


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
        visits = [
            asyncio.create_task(Visitor(client, url, number, sent).visit(start + seconds, turn))
            for turn, number in enumerate(numbers)
        ]
        visits += [asyncio.create_task(_scan(client, sent)), asyncio.create_task(_err(client, sent))]
        try:
            while not all(visit.done() for visit in visits):
                advance(min(loop.time() - start, seconds))
                await asyncio.sleep(0.1)
            await asyncio.gather(*visits)
        finally:
            for visit in visits:
                visit.cancel()
    return sent
