"""openshift/template.ocp, processed as oc does it."""

from __future__ import annotations

import re

import pytest

from confluence_sync.config import declared
from confluence_sync.config_text import is_credential
from tests.manifests import OPENSHIFT, OURS, check_hardened, check_mounts, check_strictly, environment_names, pod_spec, setting_names
from tests.openshift_template import load, process

TEXT = (OPENSHIFT / "template.ocp").read_text(encoding="utf-8")
LEAST = {"IMAGE": "registry.example/confluence-sync:1", "SPACE_NAME": "Known Issues", "CONF_API_TOKEN": "t"}
ONE_COMMAND = LEAST | {
    "CRON_SCHEDULE": "0 2 * * *",
    "LLAMA_BASE_URL": "http://llama:8321",
    "CONF_CLOUD_ID": "84927973",
    "VECTOR_DB_ID": "conf-known-issues",
    "LABELS": "",
    "BATCH_SIZE": "100",
    "CONF_USER": "bot@example.com",
}


def made(**more: str) -> dict[str, dict]:
    """The processed objects by kind; there is one of each."""
    return {thing["kind"]: thing for thing in process(TEXT, ONE_COMMAND | more)}


def test_the_documented_command_makes_valid_objects():
    """The parameters of the one-command apply give seven objects, each strictly valid on the lowest and the newest platform."""
    objects = made()
    assert set(objects) == {"ConfigMap", "Secret", "ServiceAccount", "NetworkPolicy", "PersistentVolumeClaim", "Job", "CronJob"}
    for thing in objects.values():
        check_strictly(thing)
        assert set(thing["metadata"]["labels"]) >= OURS


def test_names_that_others_rely_on():
    """ConfigMap, Secret, CronJob and container have the names that scripts around them use."""
    objects = made()
    assert objects["ConfigMap"]["metadata"]["name"] == "working-sync-config"
    assert objects["Secret"]["metadata"]["name"] == "confluence-creds"
    assert objects["CronJob"]["metadata"]["name"] == "confluence-to-llama-nightly"
    assert objects["Job"]["metadata"]["name"].startswith("confluence-to-llama-once-")
    assert pod_spec(objects["Job"])["containers"][0]["name"] == "working-sync"


def test_applying_twice_makes_a_second_job():
    """A Job cannot be changed, so processing again gives it another name and everything else the same one."""
    first, second = made(), made(IMAGE="registry.example/confluence-sync:2")
    assert first["Job"]["metadata"]["name"] != second["Job"]["metadata"]["name"]
    same = [kind for kind in first if first[kind]["metadata"]["name"] == second[kind]["metadata"]["name"]]
    assert set(first) - set(same) == {"Job"}


def test_job_and_cron_job_run_the_same_pod():
    """The one-off run and the nightly one differ in nothing but when they start and how long they are kept."""
    objects = made()
    once, nightly = objects["Job"]["spec"], objects["CronJob"]["spec"]["jobTemplate"]["spec"]
    assert once | {"ttlSecondsAfterFinished": 0} == nightly | {"ttlSecondsAfterFinished": 0}
    for kind in ("Job", "CronJob"):
        check_hardened(objects[kind])
        check_mounts(objects[kind])


@pytest.mark.parametrize("name", LEAST)
def test_missing_parameter_is_named(name):
    """Without one of the required parameters nothing is made, and the message names it."""
    with pytest.raises(ValueError, match=f"parameter {name} is required"):
        process(TEXT, {**ONE_COMMAND, name: ""})


@pytest.mark.parametrize("value", ["yes", "100", "a: b", "#x", 'say "hi"', "it's", "${HOME}", "back\\slash"])
def test_any_value_arrives_as_text(value):
    """What a parameter holds is what the job's environment holds, whatever YAML would make of it."""
    assert made(LABELS=value)["ConfigMap"]["data"]["LABELS"] == value
    assert made(CONF_API_TOKEN=value)["Secret"]["stringData"]["CONF_API_TOKEN"] == value


def test_settings_go_where_they_belong():
    """Every name set exists in the program; credentials stand in the Secret and nothing else does."""
    objects, by_name = made(), {s.env: s for s in declared().values()}
    assert {name for thing in objects.values() for name in environment_names(thing)} <= setting_names()
    assert not [name for name in objects["ConfigMap"]["data"] if is_credential(by_name[name])]
    assert all(is_credential(by_name[name]) for name in objects["Secret"]["stringData"])


def test_parameters_are_described():
    """Each parameter has a display name, a full sentence of its own, no misspelt field, and no default where it is a credential."""
    credentials = {s.env for s in declared().values() if is_credential(s)}
    for parameter in load(TEXT)["parameters"]:
        assert set(parameter) <= {"name", "displayName", "description", "value", "required", "generate", "from"}, parameter
        assert parameter["description"].endswith("."), parameter
        assert len(parameter["description"].split()) > 4, parameter
        assert parameter["displayName"] != parameter["description"]
        assert not (parameter["name"] in credentials and "value" in parameter)
        assert isinstance(parameter.get("value", ""), str), parameter


def test_template_has_no_misspelt_field_of_its_own():
    """oc ignores fields it does not know, so they are checked here; every placeholder is declared, every parameter used."""
    template = load(TEXT)
    assert set(template) == {"apiVersion", "kind", "metadata", "labels", "message", "parameters", "objects"}
    assert (template["apiVersion"], template["kind"]) == ("template.openshift.io/v1", "Template")
    names = {parameter["name"] for parameter in template["parameters"]}
    assert set(re.findall(r"\$\{+(\w+)\}+", str([template["objects"], template["labels"], template["message"]]))) == names


def test_unknown_parameter_is_named():
    """A misspelt -p is refused, as oc does."""
    with pytest.raises(ValueError, match='unknown parameter name "LABLES"'):
        process(TEXT, ONE_COMMAND | {"LABLES": "x"})
