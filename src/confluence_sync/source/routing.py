"""Decides which of several routes serves a question, and remembers which do not and why."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from confluence_sync.errors import Gone, NotAllowed, NotFound, RemoteError
from confluence_sync.source.route import Route

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass
class Routes:
    """The routes of one Confluence in order of preference. `site` is the reader's address, once an answer has shown it."""

    id: str
    routes: tuple[Route, ...]
    site: str
    _proven: set[str] = field(default_factory=set)
    _refused: dict[tuple[str, str], RemoteError] = field(default_factory=dict)

    def one(self, what: str, ask: Callable[[Route], T]) -> T:
        return next(self.each(what, lambda route: _lazily(ask, route)))

    def each(self, what: str, ask: Callable[[Route], Iterator[T]]) -> Iterator[T]:
        """What the first serving route answers. A route that fails after its first answer is not replaced: half a listing is none."""
        for route in self.routes:
            if (what, route.name) in self._refused:
                continue
            try:
                answers = ask(route)
                first = next(answers, None)
            except (Gone, NotAllowed, NotFound) as error:
                self._refuse(what, route, error)
                continue
            self._proven |= {route.name, f"{what} {route.name}"}
            self.site = self.site or route.site
            if first is not None:
                yield first
                yield from answers
            return
        raise self._nothing_serves(what)

    def first(self, what: str) -> Route | None:
        """The route that is asked for `what` first; None where none of them serves it."""
        return next((route for route in self.routes if (what, route.name) not in self._refused), None)

    def bulk(self, what: str) -> int:
        """How many bodies the route that serves `what` takes in one request."""
        serving = self.first(what)
        return serving.bulk if serving else 1

    def refusals(self) -> list[str]:
        """One line for each question that a preferred route did not serve, with the scope that would probably change that."""
        by_name = {route.name: route for route in self.routes}
        return [f"{what} is not served by {name} ({error}){hint(by_name[name], error)}" for (what, name), error in self._refused.items()]

    def _refuse(self, what: str, route: Route, error: RemoteError) -> None:
        """Notes that a route does not serve, unless it served before: then the trouble is the page's or the token's, and it is raised."""
        if not isinstance(error, Gone) and f"{what} {route.name}" in self._proven:
            raise error
        if isinstance(error, NotFound) and route.name in self._proven:
            raise error
        self._refused[(what, route.name)] = error
        log.warning("%s: %s is not served by %s (%s)%s", self.id, what, route.name, error, hint(route, error))

    def _nothing_serves(self, what: str) -> RemoteError:
        tried = "; ".join(f"{r.name}: {self._refused[(what, r.name)]}{hint(r, self._refused[(what, r.name)])}" for r in self.routes)
        last = self._refused[(what, self.routes[0].name)]
        return type(last)(f"Confluence does not give {what} by any route. {tried}", last.status)


def hint(route: Route, error: RemoteError) -> str:
    return f"; the token lacks a scope, probably {route.scope}" if error.status in (401, 403) else ""


def _lazily(ask: Callable[[Route], T], route: Route) -> Iterator[T]:
    """Asks only when the answer is taken, where a refusal is understood as the route's."""
    yield ask(route)
