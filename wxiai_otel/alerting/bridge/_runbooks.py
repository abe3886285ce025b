"""The runbooks as pages: where the links in the alerts lead."""

import re
from html import escape
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_STYLE = """body{max-width:52rem;margin:2rem auto;padding:0 1rem;font:16px/1.6 system-ui,sans-serif;color:#222}
pre,code{background:#f4f4f4;border-radius:4px}pre{padding:.8rem;overflow-x:auto}code{padding:.1rem .3rem}
pre code{padding:0}table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3rem .6rem;text-align:left}"""
# Runbooks are text: whatever gets into one does nothing in a browser.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


def routes(folder: Path) -> list[Route]:
    """``/runbooks`` and a page for each alert.

    Parameters:
        folder: ``<AlertName>.md`` for each.
    """
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])

    def index(_request: Request) -> Response:
        names = sorted(path.stem for path in folder.glob("*.md") if _NAME.fullmatch(path.stem))
        items = "".join(
            f'<li><a href="/runbooks/{name}">{name}</a> {escape(_title(folder, name))}</li>' for name in names
        )
        return _page("处置手册 Runbooks", f"<h1>处置手册 Runbooks</h1><ul>{items}</ul>")

    def runbook(request: Request) -> Response:
        name = request.path_params["name"]
        path = folder / f"{name}.md"
        if not _NAME.fullmatch(name) or not path.is_file():
            raise HTTPException(404, "there is no such runbook: /runbooks lists all")
        return _page(
            name, markdown.render(path.read_text(encoding="utf-8")) + '<p><a href="/runbooks">处置手册</a></p>'
        )

    return [Route("/runbooks", index), Route("/runbooks/{name}", runbook)]


def _title(folder: Path, name: str) -> str:
    with (folder / f"{name}.md").open(encoding="utf-8") as file:
        return file.readline().lstrip("#").strip().removeprefix(name).strip()


def _page(title: str, body: str) -> HTMLResponse:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return HTMLResponse(
        f"<!doctype html><html lang=zh><head>{head}<style>{_STYLE}</style></head>{body}</html>", headers=_HEADERS
    )
