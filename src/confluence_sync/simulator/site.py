"""Finds the route of a request: which of the three shapes it came to, who asks, and what answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from confluence_sync.simulator import routes_v1, routes_v2
from confluence_sync.simulator.access import Access, anonymous, check_scope
from confluence_sync.simulator.calls import Call, Clock, Place, Route, real_time
from confluence_sync.simulator.messages import GONE, Answer, Refusal, Request, gateway_problem, html, ok, v1_problem, v2_problem
from confluence_sync.simulator.wiki import Wiki

CLOUD_ID = "5b0e7c0a-51b1-4a7e-9d3c-0c0ff1ee2026"
V2, V1 = "/api/v2", "/rest/api"


@dataclass(frozen=True, slots=True)
class Options:
    """How the simulated site is set up. `site` is its address, as links show it; `context` is Data Center's path."""

    site: str = ""
    cloud_id: str = CLOUD_ID
    context: str = "/dc"
    access: Access = field(default_factory=Access)
    v1_on_gateway: bool = False
    time_zone: str = "UTC"
    clock: Clock = real_time


def gone(call: Call) -> Answer:
    raise Refusal(GONE)


def table(prefix: str, routes: tuple[Route, ...]) -> list[tuple[str, re.Pattern[str], Route]]:
    return [(route.method, re.compile(prefix + route.pattern.pattern), route) for route in routes]


CLOUD = table(V2, routes_v2.ROUTES) + table(V1, routes_v1.ON_BOTH + routes_v1.ON_CLOUD)
OLD = table(V1, routes_v1.REMOVED_ON_CLOUD)
REMOVED = table(V1, tuple(Route(r.method, r.template, gone) for r in routes_v1.REMOVED_ON_CLOUD))
TABLES = {
    Place.GATEWAY: CLOUD + REMOVED,
    Place.SITE: CLOUD + OLD,
    Place.DATA_CENTER: table(V1, routes_v1.ON_DATA_CENTER + routes_v1.ON_BOTH + routes_v1.REMOVED_ON_CLOUD),
}


def place_of(path: str, options: Options) -> tuple[Place, str] | None:
    """The shape a path belongs to and what follows its base; None when it belongs to none."""
    gateway = f"/ex/confluence/{options.cloud_id}/wiki"
    bases = ((gateway, Place.GATEWAY), ("/wiki", Place.SITE), (options.context, Place.DATA_CENTER))
    return next(((place, path[len(base) :]) for base, place in bases if path.startswith(base + "/")), None)


def answer(request: Request, wiki: Wiki, options: Options) -> Answer:
    """What Confluence would answer to this request."""
    path = request.path
    if path == "/_edge/tenant_info":
        return ok({"cloudId": options.cloud_id})
    found = place_of(path, options)
    if found is None:
        return gateway_problem(404, "Not Found") if path.startswith("/ex/") else html(404, "Page Not Found")
    try:
        return _answer_at(*found, request, wiki, options)
    except Refusal as refusal:
        return refusal.answer


def _answer_at(place: Place, path: str, request: Request, wiki: Wiki, options: Options) -> Answer:
    nobody = anonymous(options.access, place, request)
    matched = _route(place, request.method, path, options)
    if matched is None:
        return _no_route(path)
    route, params = matched
    check_scope(options.access, place, route)
    shown = Wiki() if nobody else wiki
    base = options.site + (options.context if place is Place.DATA_CENTER else "/wiki")
    about = (options.cloud_id, options.access.user, nobody, options.clock, options.time_zone)
    return route.answer(Call(shown, request, place, base, params, request.query, *about))


def _route(place: Place, method: str, path: str, options: Options) -> tuple[Route, tuple[str, ...]] | None:
    routes = CLOUD + OLD if place is Place.GATEWAY and options.v1_on_gateway else TABLES[place]
    for allowed, pattern, route in routes:
        match = pattern.fullmatch(path) if allowed == method else None
        if match is not None:
            return route, match.groups()
    return None


def _no_route(path: str) -> Answer:
    if path.startswith(V2):
        return v2_problem(404, "NOT_FOUND", "Not Found")
    return v1_problem(404, "NotFoundException", "null for uri") if path.startswith(V1) else html(404, "Page Not Found")


def route_name(request: Request, options: Options) -> str:
    """The route of a request with its ids as {id}, for counting; the path itself where there is no such route."""
    path = request.path
    found = place_of(path, options)
    matched = _route(found[0], request.method, found[1], options) if found else None
    return path if found is None or matched is None else f"{V2 if found[1].startswith(V2) else V1}{matched[0].template}"
