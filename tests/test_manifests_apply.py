"""What the real kubectl does with the files, against a server that stores what it is sent."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kubernetes_api import KubernetesApi
from tests.manifests import OPENSHIFT, documents


@pytest.fixture
def cluster() -> Iterator[KubernetesApi]:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed here")
    with KubernetesApi("docs", "default") as server:
        yield server


def kubectl(cluster: KubernetesApi, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    command = ["kubectl", f"--server={cluster.url}", "--namespace=docs", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_folder_form_takes_one_job_and_leaves_the_secret_alone(cluster, tmp_path):
    """`apply -f openshift/` makes the settings, one Job and the CronJob; the files with placeholders are refused by name."""
    done = kubectl(cluster, tmp_path, "apply", "--validate=false", "-f", str(OPENSHIFT))
    assert cluster.names() == ["ConfigMap working-sync-config", "CronJob confluence-to-vector-nightly", "Job confluence-to-vector-once"]
    assert done.stderr.count('"${NAMESPACE}" does not match the namespace "docs"') == 6


def test_an_unfilled_secret_is_refused_without_a_namespace_too(cluster, tmp_path):
    """The Secret as shipped names a namespace that exists nowhere, so it cannot overwrite a real one in the current project."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = ["kubectl", f"--server={cluster.url}", "apply", "--validate=false", "-f", str(OPENSHIFT / "secret.yaml")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'namespaces "${NAMESPACE}" not found' in done.stderr
    assert cluster.names() == []


def test_a_job_is_made_from_the_cron_job(cluster, tmp_path):
    """`create job --from=cronjob/...` starts the very Pod of the nightly run, with its retries, deadline and failure policy."""
    assert kubectl(cluster, tmp_path, "apply", "--validate=false", "-f", str(OPENSHIFT / "cronjob.yaml")).returncode == 0
    asked = ("create", "job", "--from=cronjob/confluence-to-vector-nightly", "manual-sync", "--dry-run=client", "-o", "json")
    done = kubectl(cluster, tmp_path, *asked)
    assert done.returncode == 0, done.stderr
    job = json.loads(done.stdout)
    template = documents(OPENSHIFT / "cronjob.yaml")[0]["spec"]["jobTemplate"]["spec"]
    for field in ("backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"):
        assert job["spec"][field] == template[field]
    assert job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"] == template["podFailurePolicy"]["rules"][0]["onExitCodes"]
    assert job["spec"]["template"]["spec"]["containers"][0]["envFrom"] == template["template"]["spec"]["containers"][0]["envFrom"]


def test_config_and_secret_from_the_env_files(cluster, tmp_path):
    """The two `create ... --from-env-file` commands of the guide make exactly the objects that the Pods refer to."""
    root = OPENSHIFT.parent
    config = ["create", "configmap", "working-sync-config", f"--from-env-file={root / '.env.example'}"]
    creds = ["create", "secret", "generic", "confluence-creds", f"--from-env-file={root / '.env.secrets.example'}"]
    for command in (config, creds):
        made = kubectl(cluster, tmp_path, *command, "-o", "yaml", "--dry-run=client")
        file = tmp_path / "made.yaml"
        file.write_text(made.stdout, encoding="utf-8")
        done = kubectl(cluster, tmp_path, "apply", "--validate=false", "-f", str(file))
        assert done.returncode == 0, made.stderr + done.stderr
    assert cluster.names() == ["ConfigMap working-sync-config", "Secret confluence-creds"]
    (secret,) = [thing for thing in cluster.stored.values() if thing["kind"] == "Secret"]
    assert set(secret["data"]) == {"CONF_USER", "CONF_API_TOKEN"}
