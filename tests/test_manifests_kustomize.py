"""The kustomize base and overlays, built by the real kubectl, and what else stands around them."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.manifests import FOREIGN_KINDS, OPENSHIFT, ROOT, check_hardened, check_mounts, check_strictly, documents, pod_spec

OVERLAYS = sorted(path.name for path in (OPENSHIFT / "overlays").iterdir())


@cache
def built(folder: Path) -> dict[tuple[str, str], dict]:
    """The objects of a kustomization by kind and name."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl, which builds kustomizations, is not installed here")
    done = subprocess.run(["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=True)
    things = [thing for thing in yaml.safe_load_all(done.stdout) if thing]
    return {(thing["kind"], thing["metadata"]["name"]): thing for thing in things}


def overlay(name: str) -> dict[tuple[str, str], dict]:
    return built(OPENSHIFT / "overlays" / name)


def test_the_overlays_are_those_documented():
    """There is one overlay for each use that docs/deploy.md names."""
    text = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert [name for name in OVERLAYS if f"openshift/overlays/{name}" in text] == OVERLAYS
    assert len(OVERLAYS) == 8


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_builds_valid_hardened_objects(name):
    """Everything an overlay makes is strictly valid, and every Pod in it passes the restricted policies."""
    objects = overlay(name)
    pods = [thing for thing in objects.values() if pod_spec(thing)]
    assert pods
    for thing in objects.values():
        if thing["kind"] not in FOREIGN_KINDS:
            check_strictly(thing)
    for thing in pods:
        check_hardened(thing)
        check_mounts(thing)
        images = [container["image"] for container in pod_spec(thing)["containers"]]
        assert all(":" in image.rpartition("/")[2] for image in images), images


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_makes_no_secret_and_refers_to_what_it_has(name):
    """Secrets are only named; every ConfigMap, volume claim and account that a Pod names is part of the overlay."""
    objects = overlay(name)
    assert "Secret" not in [kind for kind, _ in objects]
    for thing in objects.values():
        for kind, wanted in _referred(pod_spec(thing) or {}):
            assert (kind, wanted) in objects, (thing["metadata"]["name"], kind, wanted)


def _referred(pod: dict) -> list[tuple[str, str]]:
    maps = [
        source["configMapRef"]["name"] for c in pod.get("containers", []) for source in c.get("envFrom", []) if "configMapRef" in source
    ]
    claims = [v["persistentVolumeClaim"]["claimName"] for v in pod.get("volumes", []) if "persistentVolumeClaim" in v]
    maps += [v["configMap"]["name"] for v in pod.get("volumes", []) if "configMap" in v]
    accounts = [pod["serviceAccountName"]] if "serviceAccountName" in pod else []
    named = [("ConfigMap", maps), ("PersistentVolumeClaim", claims), ("ServiceAccount", accounts)]
    return [(kind, name) for kind, names in named for name in names]


def test_plain_kubernetes_gets_a_group_for_its_volumes():
    """On plain Kubernetes nobody assigns a group, so the overlay does, in a namespace that enforces the restricted policy."""
    objects = overlay("kubernetes")
    assert pod_spec(objects["CronJob", "confluence-to-vector-nightly"])["securityContext"]["fsGroup"] == 1001
    labels = objects["Namespace", "confluence-sync"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_openshift_assigns_user_and_group_itself():
    """On OpenShift the Pod names neither, and trusts the cluster's own certificate authorities."""
    pod = pod_spec(overlay("openshift")["CronJob", "confluence-to-vector-nightly"])
    assert "fsGroup" not in pod["securityContext"]
    assert {"name": "CONF_CA_BUNDLE", "value": "/etc/confluence-sync/ca/ca-bundle.crt"} in pod["containers"][0]["env"]


def test_indexed_job_counts_its_shards_once():
    """Completions, parallelism and SHARD_COUNT say the same number, and no two shards share a volume."""
    objects = overlay("indexed-job")
    job = objects["CronJob", "confluence-to-vector-nightly"]["spec"]["jobTemplate"]["spec"]
    (shards,) = [variable["value"] for variable in job["template"]["spec"]["containers"][0]["env"]]
    assert job["completionMode"] == "Indexed"
    assert job["completions"] == job["parallelism"] == int(shards)
    assert "PersistentVolumeClaim" not in [kind for kind, _ in objects]


def test_vector_api_answers_where_the_job_looks():
    """Service, port, probes and NetworkPolicy of the Vector API fit the address in the job's settings."""
    objects = overlay("vector-api")
    assert objects["ConfigMap", "working-sync-config"]["data"]["VECTOR_API_BASE_URL"] == "http://vector-api:8001"
    service, deployment = objects["Service", "vector-api"], objects["Deployment", "vector-api"]
    assert service["spec"]["selector"].items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    container = pod_spec(deployment)["containers"][0]
    assert service["spec"]["ports"][0]["port"] == container["ports"][0]["containerPort"] == int(container["args"][-1]) == 8001
    assert deployment["spec"]["strategy"]["type"] == "Recreate"


def test_export_keeps_the_names_of_older_set_ups():
    """`kubectl create job --from=cronjob/confluence-crawler` works, and the files land in the shared volume."""
    objects = overlay("export")
    pod = pod_spec(objects["CronJob", "confluence-crawler"])
    assert pod["containers"][0]["args"] == ["export"]
    assert objects["PersistentVolumeClaim", "rag-confluence-pvc"]["spec"]["accessModes"] == ["ReadWriteMany"]
    assert {"secretRef": {"name": "confluence-credentials"}} in pod["containers"][0]["envFrom"]
    assert objects["ConfigMap", "confluence-crawler-config"]["data"]["EXPORT_BASE_DIR"] == "/data/confluence"


def test_only_the_bot_reaches_ollama():
    """Ollama's names are those of the older guide, and its NetworkPolicy lets in the answering service alone."""
    objects = overlay("ollama")
    assert objects["Service", "ollama-service"]["spec"]["ports"][0]["port"] == 11434
    assert objects["PersistentVolumeClaim", "ollama-pvc"]["spec"]["resources"]["requests"]["storage"] == "10Gi"
    assert pod_spec(objects["Deployment", "ollama"])["initContainers"][0]["name"] == "model-downloader"
    (rule,) = objects["NetworkPolicy", "ollama"]["spec"]["ingress"]
    bot = objects["Deployment", "confluence-answers"]["spec"]["template"]["metadata"]["labels"]
    assert rule["from"][0]["podSelector"]["matchLabels"].items() <= bot.items()
    assert "from" in rule


def test_route_has_tls_and_replaces_the_ingress():
    """On OpenShift the service is published by a Route with TLS instead of the Ingress."""
    objects = overlay("answers-openshift")
    assert objects["Route", "confluence-answers"]["spec"]["tls"]["insecureEdgeTerminationPolicy"] == "Redirect"
    assert "Ingress" not in [kind for kind, _ in objects]
    assert overlay("answers")["Ingress", "confluence-answers"]["spec"]["tls"]


def test_secrets_as_files_is_a_patch_that_fits(tmp_path):
    """The example patch gives the job its token as a file and takes the Secret out of its environment."""
    shutil.copytree(OPENSHIFT, tmp_path / "openshift")
    own = tmp_path / "openshift" / "overlays" / "own"
    own.mkdir()
    shutil.copy(OPENSHIFT / "examples" / "secret-files.yaml", own)
    (own / "kustomization.yaml").write_text("resources: [../../base]\npatches: [{path: secret-files.yaml}]\n", encoding="utf-8")
    thing = built(own)["CronJob", "confluence-to-vector-nightly"]
    check_strictly(thing)
    check_mounts(thing)
    check_hardened(thing)
    assert pod_spec(thing)["containers"][0]["envFrom"] == [{"configMapRef": {"name": "working-sync-config"}}]


def test_argo_cd_syncs_no_job():
    """Argo CD would run a Job again once its time to live removed it, so the synced path has none; the server compares drift."""
    (application,) = documents(OPENSHIFT / "argocd" / "application.yaml")
    source = application["spec"]["source"]
    objects = built(ROOT / source["path"])
    assert "Job" not in [kind for kind, _ in objects]
    assert application["spec"]["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert application["metadata"]["annotations"]["argocd.argoproj.io/compare-options"] == "ServerSideDiff=true"
    assert source["kustomize"]["images"][0].rpartition(":")[0] in {
        container["image"].rpartition(":")[0] for thing in objects.values() for container in (pod_spec(thing) or {}).get("containers", [])
    }
