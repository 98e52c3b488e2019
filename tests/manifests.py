"""What the manifest tests share: reading, strict validation, and what every Pod of ours must be like."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import kubernetes_validate
import yaml

from confluence_sync.config import declared

ROOT = Path(__file__).parent.parent
OPENSHIFT = ROOT / "openshift"
LOWEST, NEWEST = "1.27", kubernetes_validate.latest_version()
FOREIGN_KINDS = {"Application", "ExternalSecret", "Kustomization", "PrometheusRule", "Route"}
OURS = {"app.kubernetes.io/name", "app.kubernetes.io/part-of"}
LOCKED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


def documents(file: Path) -> list[dict]:
    return [document for document in yaml.safe_load_all(file.read_text(encoding="utf-8")) if document]


def check_strictly(thing: dict) -> None:
    """Raises for a misspelt field or a wrong type, on the lowest platform we name and on the newest one known."""
    _check(json.dumps(thing))


@cache  # overlays share most of their objects, and each check costs a tenth of a second
def _check(thing: str) -> None:
    for version in (LOWEST, NEWEST):
        kubernetes_validate.validate(json.loads(thing), version, strict=True)


def pod_spec(thing: dict) -> dict | None:
    """The Pod spec inside a Job, CronJob or Deployment."""
    spec = thing.get("spec", {})
    if thing["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    return spec["template"]["spec"] if thing["kind"] in ("Job", "CronJob", "Deployment") else None


def job_spec(thing: dict) -> dict | None:
    """The Job spec of a Job or CronJob."""
    if thing["kind"] == "CronJob":
        return thing["spec"]["jobTemplate"]["spec"]
    return thing["spec"] if thing["kind"] == "Job" else None


def containers(thing: dict) -> list[dict]:
    pod = pod_spec(thing) or {}
    return [*pod.get("initContainers", []), *pod.get("containers", [])]


def check_hardened(thing: dict) -> None:
    """Passes Pod Security "restricted" and OpenShift's restricted-v2: no user of its own, nothing writable but volumes, bounded memory."""
    pod = pod_spec(thing)
    assert pod is not None
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"runAsUser", "runAsGroup"} & set(pod["securityContext"])
    for container in containers(thing):
        assert container["securityContext"] == LOCKED, container["name"]
        assert "memory" in container["resources"]["limits"]
        assert set(container["resources"]["requests"]) >= {"cpu", "memory"}
        assert "/tmp" in [mount["mountPath"] for mount in container["volumeMounts"]]


def check_mounts(thing: dict) -> None:
    """Every mount names a volume of the Pod and every volume is mounted."""
    pod = pod_spec(thing) or {}
    mounted = {mount["name"] for container in containers(thing) for mount in container.get("volumeMounts", [])}
    assert mounted == {volume["name"] for volume in pod.get("volumes", [])}


def setting_names() -> set[str]:
    """Every environment name that the program reads, older names and files of secrets included."""
    names = {name for setting in declared().values() for name in (setting.env, *setting.aliases)}
    return names | {f"{name}_FILE" for setting in declared().values() if setting.secret for name in (setting.env, *setting.aliases)}


def environment_names(thing: dict) -> Iterator[str]:
    """The environment that a ConfigMap, Secret or container of ours sets."""
    if thing["kind"] in ("ConfigMap", "Secret"):
        yield from thing.get("data", {})
        yield from thing.get("stringData", {})
    for container in containers(thing):
        yield from (variable["name"] for variable in container.get("env", []))
