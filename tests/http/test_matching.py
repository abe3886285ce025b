"""A request's route is matched as often as without telemetry: once by each route that the router tries."""

from collections import Counter
from collections.abc import Iterator

import pytest
from fastapi import APIRouter, FastAPI
from fastapi import routing as fastapi_routing
from starlette.routing import BaseRoute, Mount, Route

from tests.asgi import request
from wxiai_otel import setup_telemetry

REQUESTS = (
    ("GET", "/plain"),
    ("GET", "/r0/1"),
    ("GET", "/last/1"),
    ("POST", "/last/1"),
    ("GET", "/api/deep/in/1"),
    ("GET", "/mounted/r0/1"),
    ("GET", "/mounted/nothing"),
    ("GET", "/last/1/"),
    ("GET", "/nothing"),
)


def matching_classes() -> Iterator[type]:
    def below(cls: type) -> Iterator[type]:
        yield cls
        for subclass in cls.__subclasses__():
            yield from below(subclass)

    candidates = [*below(BaseRoute), getattr(fastapi_routing, "_EffectiveRouteContext", object)]
    yield from (cls for cls in dict.fromkeys(candidates) if "matches" in vars(cls))


@pytest.fixture
def matches(monkeypatch) -> Counter[str]:
    """How often the `matches` of each class is called."""
    calls: Counter[str] = Counter()

    def counting(cls: type) -> None:
        original = vars(cls)["matches"]

        def matches(self, scope):
            calls[cls.__name__] += 1
            return original(self, scope)

        monkeypatch.setattr(cls, "matches", matches)

    for cls in list(matching_classes()):
        counting(cls)
    return calls


def application(routes: int) -> FastAPI:
    async def plain(request):
        return None

    app = FastAPI()
    app.add_route("/plain", plain)
    mounted = FastAPI()
    for number in range(routes):
        app.get(f"/r{number}/{{n}}")(lambda n: n)
        mounted.get(f"/r{number}/{{n}}")(lambda n: n)
    deep = APIRouter(prefix="/deep")
    deep.get("/in/{n}")(lambda n: n)
    app.include_router(deep, prefix="/api")
    app.mount("/mounted", mounted)
    app.router.routes.append(Mount("/more", routes=[Route("/{n}", plain)]))
    app.get("/last/{n}")(lambda n: n)
    return app


async def matched(app: FastAPI, matches: Counter[str]) -> list[Counter[str]]:
    """The calls of each request, after one that has FastAPI build what it keeps."""
    for method, path in REQUESTS:
        await request(app, method, path)
    found = []
    for method, path in REQUESTS:
        matches.clear()
        await request(app, method, path)
        found.append(Counter(matches))
    return found


@pytest.mark.parametrize("routes", [1, 50, 600])
async def test_no_route_is_matched_a_second_time(routes, matches):
    bare = await matched(application(routes), matches)
    app = application(routes)
    setup_telemetry(app)

    assert await matched(app, matches) == bare
    assert all(bare)
    assert bare[2].total() > routes


async def test_upstreams_engine_matches_again(matches):
    bare = await matched(application(50), matches)
    app = application(50)
    setup_telemetry(app, http_engine="contrib")
    again = await matched(app, matches)

    assert all(more.total() > fewer.total() for more, fewer in zip(again, bare, strict=True))
