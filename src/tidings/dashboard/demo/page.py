"""The demo page as routes: its files, and the session that its client starts with.

Everything the browser loads comes from here. The Content Security Policy says so to the browser too: no inline script
or style, no other origin, no frame around the page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

NAME_LIMIT = 24
LOOPBACK = ("127.0.0.1", "localhost", "::1")

MEDIA_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "style.css": "text/css; charset=utf-8",
    "mark.svg": "image/svg+xml",
    "app.js": "text/javascript; charset=utf-8",
    "identity.js": "text/javascript; charset=utf-8",
    "latency.js": "text/javascript; charset=utf-8",
    "messages.js": "text/javascript; charset=utf-8",
    "people.js": "text/javascript; charset=utf-8",
    "protocol.js": "text/javascript; charset=utf-8",
    "status.js": "text/javascript; charset=utf-8",
    "subscription.js": "text/javascript; charset=utf-8",
    "tidings.js": "text/javascript; charset=utf-8",
}

HEADERS = {
    # 'self' covers ws: and wss: of the same origin (CSP Level 3, section 6.7.2.8).
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # A restarted server may be a newer one, and the page must not run with half of the older one's files.
    "Cache-Control": "no-store",
}


def routes(mint: Callable[[str], str], channel: str, curl: str) -> list[BaseRoute]:
    """The routes to add to an application, for `/` and everything below `/demo/`.

    `mint` makes the connection token of a fresh user who is shown by the given name; `channel` is where the page
    subscribes; `curl` is the line, shown as it is, that publishes there from a terminal.
    """

    async def session(request: Request) -> Response:
        if request.url.hostname not in LOOPBACK:
            # A page from elsewhere whose name was made to point here would otherwise read keys.
            return JSONResponse({"error": "the demo answers on this machine's own names only"}, 403, HEADERS)
        name = request.query_params.get("name", "").strip()
        if not is_name(name):
            error = f"name must be 1 to {NAME_LIMIT} printable characters"
            return JSONResponse({"error": error}, 400, HEADERS)
        return JSONResponse({"token": mint(name), "channel": channel, "curl": curl}, headers=HEADERS)

    return [
        Route("/", asset("index.html")),
        Route("/demo/session", session),
        *(Route(f"/demo/{name}", asset(name)) for name in MEDIA_TYPES if name != "index.html"),
    ]


def is_name(name: str) -> bool:
    """Whether a visitor may be shown by this name."""
    return 1 <= len(name) <= NAME_LIMIT and name.isprintable()


def asset(name: str) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that answers with a file of this package, read once."""
    content = files("tidings.dashboard.demo").joinpath(name).read_bytes()
    headers = HEADERS | {"Content-Type": MEDIA_TYPES[name]}

    async def endpoint(request: Request) -> Response:
        return Response(content, headers=headers)

    return endpoint
