"""As much of a Kubernetes API server as kubectl needs to apply files: discovery, and objects that are stored and given back."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from urllib.parse import unquote, urlsplit

KINDS = {
    "v1": {"configmaps": "ConfigMap", "secrets": "Secret", "persistentvolumeclaims": "PersistentVolumeClaim"},
    "batch/v1": {"jobs": "Job", "cronjobs": "CronJob"},
}


def _resources(version: str) -> dict:
    listed = [
        {"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": ["get", "create"]}
        for name, kind in KINDS[version].items()
    ]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": listed}


BATCH = {"groupVersion": "batch/v1", "version": "v1"}
DISCOVERY = {
    "/api": {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [{"name": "batch", "versions": [BATCH], "preferredVersion": BATCH}],
    },
    "/api/v1": _resources("v1"),
    "/apis/batch/v1": _resources("batch/v1"),
}


class KubernetesApi(ThreadingHTTPServer):
    """A context manager that serves on 127.0.0.1; `stored` has every object by its path. Only `namespaces` exist."""

    def __init__(self, *namespaces: str) -> None:
        super().__init__(("127.0.0.1", 0), _Requests)
        self.namespaces = namespaces
        self.stored: dict[str, dict] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def names(self) -> list[str]:
        return sorted(f"{thing['kind']} {thing['metadata']['name']}" for thing in self.stored.values())

    def __enter__(self) -> KubernetesApi:
        self.thread = Thread(target=self.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


class _Requests(BaseHTTPRequestHandler):
    server: KubernetesApi

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        found = DISCOVERY.get(path) or self.server.stored.get(path)
        self._answer(200, found) if found else self._not_found(f"{path} not found")

    def do_POST(self) -> None:
        thing = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path = urlsplit(self.path).path
        namespace = unquote(path.split("/namespaces/")[1].split("/")[0])
        if namespace not in self.server.namespaces:
            return self._not_found(f'namespaces "{namespace}" not found')
        self.server.stored[f"{path}/{thing['metadata']['name']}"] = thing
        return self._answer(201, thing)

    def _answer(self, status: int, body: dict) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _not_found(self, message: str) -> None:
        self._answer(
            404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "message": message, "code": 404}
        )

    def log_message(self, *words: object) -> None:
        """Quiet."""
