"""What all endpoints have in common: they are read only."""

from starlette.responses import PlainTextResponse
from starlette.types import Scope


def not_allowed(scope: Scope) -> PlainTextResponse | None:
    """405 for anything but GET and HEAD."""
    if scope["method"] in ("GET", "HEAD"):
        return None
    return PlainTextResponse("Method Not Allowed", 405, {"Allow": "GET, HEAD"})
