"""The files that `oc apply -f openshift/...` takes, as they are or after envsubst."""

from __future__ import annotations

import os
import shutil
import subprocess
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from kubernetes_validate import ValidationError

from confluence_sync import errors
from tests import manifests
from tests.manifests import OPENSHIFT, ROOT, check_hardened, check_mounts, check_strictly, containers, documents, job_spec, pod_spec

PLAIN = sorted(OPENSHIFT.glob("*.yaml"))
EVERY = sorted([*OPENSHIFT.rglob("*.yaml"), *(ROOT / "monitoring").rglob("*.yaml")])
BUILT = [file for file in EVERY if file.name != "kustomization.yaml" and file.name != "secret-files.yaml"]
WITH_PODS = [f"openshift/{name}.yaml" for name in ("job", "cronjob", "job-llama", "cronjob-llama", "base/cronjob")]
FILLED = {
    "NAMESPACE": "docs",
    "IMAGE": "registry.example/confluence-sync:1",
    "CRON_SCHEDULE": "0 2 * * *",
    "LLAMA_BASE_URL": "http://llama:8321",
    "CONF_CLOUD_ID": "84927973",
    "SPACE_NAME": "Known Issues",
    "VECTOR_DB_ID": "conf-known-issues",
    "LABELS": "",
    "SINCE_HOURS": "24",
    "BATCH_SIZE": "100",
    "CONF_USER": "bot@example.com",
    "CONF_API_TOKEN": "t",
}


def shown(file: Path) -> str:
    return str(file.relative_to(ROOT))


def filled(file: Path, **values: str) -> list[dict]:
    """The documents of a file after the real envsubst."""
    if shutil.which("envsubst") is None:
        pytest.skip("envsubst (Debian: gettext-base) is not installed here")
    environment = {"PATH": os.environ["PATH"]} | FILLED | values
    text = subprocess.run(["envsubst"], input=file.read_text(encoding="utf-8"), env=environment, text=True, capture_output=True, check=True)
    return list(yaml.safe_load_all(text.stdout))


def test_the_documented_files_are_there():
    """Every file that the older README names exists."""
    names = {"secret", "configmap", "cronjob", "job", "configmap-llama", "job-llama", "cronjob-llama"}
    assert {file.stem for file in PLAIN} == names
    assert (OPENSHIFT / "template.ocp").is_file()


@pytest.mark.parametrize("file", BUILT, ids=shown)
def test_every_document_is_strictly_valid(file):
    """No misspelt field and no wrong type in any file, on the lowest and the newest platform."""
    for thing in documents(file):
        if thing["kind"] not in manifests.FOREIGN_KINDS:
            check_strictly(thing)


def test_validator_catches_what_it_is_there_for():
    """The strict check refuses a misspelt field and a number where a text belongs."""
    good = documents(OPENSHIFT / "cronjob.yaml")[0]
    check_strictly(good)
    misspelt, mistyped = deepcopy(good), deepcopy(good)
    misspelt["spec"]["concurencyPolicy"] = misspelt["spec"].pop("concurrencyPolicy")
    mistyped["spec"]["jobTemplate"]["spec"]["backoffLimit"] = "three"
    for bad in (misspelt, mistyped):
        with pytest.raises(ValidationError):
            check_strictly(bad)


@pytest.mark.parametrize("name", WITH_PODS)
def test_pods_are_locked_down(name):
    """Every Pod passes the restricted policies, mounts what it declares and goes by the name that scripts expect."""
    thing = documents(ROOT / name)[0]
    check_hardened(thing)
    check_mounts(thing)
    assert [container["name"] for container in containers(thing)] == ["working-sync"]


@pytest.mark.parametrize("name", WITH_PODS)
def test_exit_codes_decide_about_retries(name):
    """Wrong settings and refusals fail the Job at once, evictions do not count, and everything else is tried again."""
    job = job_spec(documents(ROOT / name)[0])
    first, second = job["podFailurePolicy"]["rules"]
    assert first["action"] == "FailJob"
    assert first["onExitCodes"]["values"] == [errors.SettingsError.exit_code, errors.Refused.exit_code]
    assert first["onExitCodes"]["containerName"] == "working-sync"
    assert second == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    assert job["backoffLimit"] > 0
    assert job["activeDeadlineSeconds"] >= 3600
    assert job["ttlSecondsAfterFinished"] >= 3600


@pytest.mark.parametrize("name", [name for name in WITH_PODS if "cronjob" in name])
def test_nights_do_not_pile_up(name):
    """A nightly run names its zone, never overlaps the one before, survives missed starts and keeps a short history."""
    thing = documents(ROOT / name)[0]
    spec = thing["spec"]
    assert len(thing["metadata"]["name"]) <= 52
    assert spec["timeZone"] == "Etc/UTC"
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] >= 600
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (3, 3)


def test_all_forms_run_the_same_pod():
    """Files, base and template differ in image, state volume and account only, so a fix in one place cannot be missed in another."""

    def core(thing: dict) -> dict:
        pod = deepcopy(pod_spec(thing))
        pod.pop("serviceAccountName", None)
        pod["containers"][0].pop("image")
        pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] != "state"]
        return pod

    first, *others = [core(documents(ROOT / name)[0]) for name in WITH_PODS]
    assert all(other == first for other in others)


def test_environment_names_exist():
    """Every environment name set in a file of ours is one that the program reads."""
    known = manifests.setting_names() | {"HOME", "OLLAMA_MODELS", "MODEL", "PIPELINE_TITLE", "PIPELINES_URLS"}
    for file in BUILT:
        for thing in documents(file):
            assert set(manifests.environment_names(thing)) <= known, file
    assert "LLAMA_BASE_URL" in set(manifests.environment_names(documents(OPENSHIFT / "configmap-llama.yaml")[0]))


@pytest.mark.parametrize("value", ["yes", "100", "a: b", "#x", 'say "hi"', "it's", "back\\slash", ""])
def test_envsubst_keeps_any_value_as_text(value):
    """Whatever stands in the environment arrives in the ConfigMap and the Secret as that text."""
    config = filled(OPENSHIFT / "configmap-llama.yaml", SPACE_NAME=value, LABELS=value)[0]
    assert (config["data"]["SPACE_NAME"], config["data"]["LABELS"]) == (value, value)
    assert filled(OPENSHIFT / "secret.yaml", CONF_API_TOKEN=value)[0]["stringData"]["CONF_API_TOKEN"] == value


@pytest.mark.parametrize("file", PLAIN, ids=shown)
def test_filled_files_are_valid_and_complete(file):
    """After envsubst with the documented variables every file is strictly valid and no placeholder is left."""
    for thing in filled(file):
        check_strictly(thing)
        assert "${" not in str(thing)


def test_folder_form_starts_at_most_one_job():
    """`oc apply -f openshift/` takes only what has no placeholders, one Job among it; the rest is refused by its namespace's name."""
    things = [thing for file in PLAIN for thing in documents(file)]
    unfilled = [thing for thing in things if "${" in str(thing)]
    assert all(thing["metadata"].get("namespace") == "${NAMESPACE}" for thing in unfilled)
    assert [thing["kind"] for thing in things if thing not in unfilled].count("Job") == 1
    assert "Secret" not in [thing["kind"] for thing in things if thing not in unfilled]


def test_an_unset_image_is_refused_by_name():
    """envsubst turns an unset variable into an empty text, which the API server refuses for an image and for a schedule."""
    job = filled(OPENSHIFT / "job-llama.yaml", IMAGE="")[0]
    assert pod_spec(job)["containers"][0]["image"] == ""
    assert filled(OPENSHIFT / "cronjob-llama.yaml", CRON_SCHEDULE="")[0]["spec"]["schedule"] == ""


def test_no_file_carries_a_credential():
    """Secrets are placeholders or references, never values."""
    for file in EVERY:
        for thing in documents(file):
            if thing["kind"] == "Secret":
                assert all(value.startswith("${") for value in thing["stringData"].values()), file
