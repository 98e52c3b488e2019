"""What the simulator's tests share: a few content objects and a client for each of the three shapes."""

from __future__ import annotations

from typing import Any

import requests

from confluence_sync.simulator.access import PAT, SITE_TOKEN, TOKEN, USER
from confluence_sync.simulator.server import Simulator


def page(number: int, title: str = "", *, parent: int = 0, space: str = "OPS", **more: Any) -> dict[str, Any]:
    """A page in v1 shape, with a body that says its title."""
    title = title or f"Page {number}"
    return {
        "id": str(number),
        "type": "page",
        "status": "current",
        "title": title,
        "space": {"key": space, "name": f"{space.title()} handbook", "type": "global"},
        "version": {"number": 3, "when": f"2026-01-{number % 27 + 1:02}T08:00:30.000Z"},
        "ancestors": [{"id": str(parent), "type": "page", "title": f"Page {parent}"}] if parent else [],
        "metadata": {"labels": {"results": [{"name": "even"}] if number % 2 == 0 else []}},
        "body": {"storage": {"value": f"<p>{title}</p>", "representation": "storage"}},
        **more,
    }


def family(count: int = 7) -> list[dict[str, Any]]:
    """Page 1 is the root, each other page is below the one with half its number."""
    return [page(number, parent=number // 2) for number in range(1, count + 1)]


class Client:
    """Asks a simulator through the gateway, the site or Data Center. Answers are JSON unless `raw` is asked for."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.session = requests.Session()
        self.gateway = f"{simulator.gateway_url}/ex/confluence/{simulator.cloud_id}/wiki"

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.session.close()

    def raw(self, path: str, **params: Any) -> requests.Response:
        """Through the gateway; v2 paths begin with /api/v2, v1 paths with /rest/api."""
        return self.session.get(self.gateway + path, params=params, auth=(USER, TOKEN), timeout=10, allow_redirects=False)

    def get(self, path: str, **params: Any) -> Any:
        answer = self.raw(path, **params)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text[:300]}"
        return answer.json()

    def v2(self, path: str, **params: Any) -> Any:
        return self.get("/api/v2" + path, **params)

    def v1(self, path: str, **params: Any) -> Any:
        return self.get("/rest/api" + path, **params)

    def site(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(self.simulator.site_url + path, params=params, auth=(USER, SITE_TOKEN), timeout=10)

    def data_center(self, path: str, token: str = PAT, **params: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.session.get(f"{self.simulator.data_center_url}/rest/api{path}", params=params, headers=headers, timeout=10)

    def all_ids(self, path: str, **params: Any) -> list[str]:
        """The ids of a whole listing, following `next` by its path, as it is written."""
        found, answer = [], self.get(path, **params)
        while True:
            found += [item["id"] for item in answer["results"]]
            following = answer["_links"].get("next")
            if not following:
                return found
            answer = self.get(following.removeprefix("/wiki"))
