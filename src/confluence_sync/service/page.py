"""The page at /: a few files of our own, served as they are; nothing comes from another host."""

from __future__ import annotations

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as HttpRoute

from confluence_sync.service.problems import Problem

KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
NAMES = ("app.js", "markdown.js", "net.js", "words.js", "plot.js", "style.css")
ICON = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#2f5bd0"/>
<path d="M8 10h16M8 16h11M8 22h7" stroke="#fff" stroke-width="3" stroke-linecap="round"/>
<circle cx="23" cy="21" r="4" fill="none" stroke="#9fe3c8" stroke-width="2.5"/></svg>"""


def routes() -> list[HttpRoute]:
    return [
        HttpRoute("/", _index, methods=["GET"]),
        HttpRoute("/favicon.ico", _icon, methods=["GET"]),
        HttpRoute("/static/icon.svg", _icon, methods=["GET"]),
        HttpRoute("/static/{name}", _static, methods=["GET"]),
    ]


async def _index(request: Request) -> Response:
    return _file("index.html")


async def _icon(request: Request) -> Response:
    return Response(ICON, media_type=KINDS["svg"])


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in NAMES:
        raise Problem(404, f"there is no {request.url.path} here")
    return _file(name)


def _file(name: str) -> Response:
    body = files("confluence_sync.service").joinpath("static", name).read_bytes()
    return Response(body, headers={"content-type": KINDS[name.rpartition(".")[2]], "cache-control": "no-cache"})
