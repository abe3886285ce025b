"""Users whose requests all succeed while nothing is wrong, and the two kinds of attackers."""

import asyncio
import contextlib
import itertools
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

SERVICES = ("midjourney", "flux", "dreamwork", "jimeng", "kling")
USERS = 8
PAUSE_SECONDS = (0.3, 0.6)
LOGINS_PER_SECOND = 30
ABUSE_REQUESTS = 1200
_GIVE_UP_SECONDS = 40


async def _user(client: httpx.AsyncClient, number: int) -> None:
    headers = {"authorization": f"Bearer token-{number}"}
    tasks: list[str] = []
    deeds = ["draw"] * 4 + ["look"] * 4 + ["list"] * 3 + ["balance"] * 3 + ["page"] * 2 + ["chat", "preview"]
    while True:
        deed, service = random.choice(deeds), random.choice(SERVICES)
        with contextlib.suppress(httpx.HTTPError, KeyError):
            match deed:
                case "draw":
                    order = {"prompt": "a lake at dawn"}
                    answer = await client.post(f"/api/v1/images/{service}", json=order, headers=headers)
                    if answer.is_success:
                        tasks = [*tasks[-5:], answer.json()["task"]]
                case "look" if tasks:
                    await client.get(f"/api/v1/tasks/{random.choice(tasks)}", headers=headers)
                case "balance":
                    await client.get("/api/v1/credits/balance", headers=headers)
                case "page":
                    await client.get("/explore")
                case "chat":
                    await client.post("/api/v1/chat", json={"text": "hello", "words": 3}, headers=headers)
                case "preview":
                    await client.post(f"/api/v1/images/{service}/preview", json={"prompt": "x"}, headers=headers)
                case _:
                    await client.get("/api/v1/tasks?limit=5", headers=headers)
        await asyncio.sleep(random.uniform(*PAUSE_SECONDS))


async def _all(url: str, ended: threading.Event) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=_GIVE_UP_SECONDS, trust_env=False) as client:
        # Several at work for each user: one that waits for a pool does not keep the others from asking.
        visits = [asyncio.create_task(_user(client, number)) for number in range(1, USERS + 1)]
        while not ended.is_set():  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(0.2)
        for visit in visits:
            visit.cancel()
        await asyncio.gather(*visits, return_exceptions=True)


@contextmanager
def healthy(url: str) -> Iterator[None]:
    """Users at work until the block ends, whatever happens to the application."""
    ended = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_all(url, ended)))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _from(address: str, url: str) -> httpx.Client:
    # A connection of its own for each request would be spread over the workers: an abuser's would not add up.
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(base_url=url, transport=transport, timeout=10, trust_env=False)


class LoginFlood:
    """Logins that fail, from many addresses so that none of them is an abuser by itself."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ended = threading.Event()
        self.first_failure: float | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(_from(f"127.0.1.{n}", self._url)) for n in range(1, 21)]
            due = time.monotonic()
            for number in itertools.count():
                if self._ended.wait(max(0.0, due - time.monotonic())):
                    return
                due += 1 / LOGINS_PER_SECOND
                who = {"name": f"user-{number % 60 + 1}", "password": "guess"}
                with contextlib.suppress(httpx.HTTPError):
                    if clients[number % 20].post("/api/v1/auth/login", json=who).status_code == 401:
                        self.first_failure = self.first_failure or time.time()

    def end(self) -> None:
        self._ended.set()
        self._thread.join()


def abuse(url: str) -> float:
    """More requests of one client than anybody needs in a minute; when the one that was too many was answered."""
    with _from("127.0.2.1", url) as client:
        for _ in range(ABUSE_REQUESTS):
            client.get("/explore").raise_for_status()
        return time.time()
