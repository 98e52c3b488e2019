"""Labels of pages, which v2 gives with no listing and no body: by search, many at once, and one by one where search does not serve them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from confluence_sync.errors import BadAnswer, Gone, NotAllowed, NotFound, ServerFailed, TooLarge
from confluence_sync.model import Account
from confluence_sync.source.gaps import Gaps
from confluence_sync.source.routing import Routes
from confluence_sync.source.v1 import V1, Cql
from confluence_sync.source.v2 import V2

log = logging.getLogger(__name__)

Found = dict[str, tuple[str, ...]]  # labels by page id


@dataclass
class Labels:
    """`whoami` raises when the token ended: pages must not lose their labels to that."""

    routes: Routes
    cql: Cql
    gaps: Gaps
    whoami: Callable[[], Account]

    def of(self, page_ids: Sequence[str], found: Found | None = None) -> Found:
        """Labels by page id, beginning with those `found` by search before. What CQL's index does not show yet is asked for one by
        one; without permission there are none."""
        if not page_ids:
            return {}
        found = self.by_search(page_ids) if found is None else found
        rest = [page_id for page_id in page_ids if page_id not in found]
        for route in self.routes.routes:
            if rest and isinstance(route, (V2, V1)):
                labels, rest = self._one_by_one(route, rest)
                found |= labels
        if any(f"{route.name} labels" in self.gaps for route in self.routes.routes) and len(found) < len(page_ids):
            self.gaps.leave_out("labels", "pages go in without their labels; each run asks for those again")
        return found

    def beside(self, page_ids: Sequence[str]) -> Found | None:
        """What need not wait for the bodies; None where bodies bring their labels along."""
        return self.by_search(page_ids) if isinstance(self.routes.first("bodies"), V2) else None

    def renewed(self, found: Found | None, changed: list[str]) -> Found | None:
        """`found` beside the bodies, asked again for pages that changed since: older labels under a newer version would stay for good."""
        if not found or not changed:
            return found
        return {page_id: labels for page_id, labels in found.items() if page_id not in changed} | self.by_search(changed)

    def by_search(self, page_ids: Sequence[str]) -> Found:
        if not page_ids or "CQL labels" in self.gaps:
            return {}
        try:
            return self.cql.labels(page_ids)
        except (Gone, NotAllowed) as error:
            why = f"labels cost a request a page, because search does not serve them: {error} (scope {self.cql.scope})"
            self.gaps.leave_out("CQL labels", why)
        except (ServerFailed, TooLarge, BadAnswer) as error:
            if not error.sent or not any(isinstance(route, V2) for route in self.routes.routes):
                raise
            log.warning("labels of %d pages are asked for one by one: %s", len(page_ids), error)
        return {}

    def _one_by_one(self, route: V2 | V1, page_ids: list[str]) -> tuple[Found, list[str]]:
        """What the route gave, and the ids of the pages that another may know more of."""
        if f"{route.name} labels" in self.gaps:
            return {}, page_ids
        found: Found = {}
        for asked, page_id in enumerate(page_ids):
            try:
                found[page_id] = route.labels(page_id)
            except NotFound:
                log.info("page %s went, or its space closed, between its body and its labels", page_id)
            except (Gone, NotAllowed) as error:
                self.whoami()
                self.gaps.leave_out(f"{route.name} labels", f"labels are not served by {route.name}: {error} (scope {route.label_scope})")
                return found, page_ids[asked:]
        return found, []
