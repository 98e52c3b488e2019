"""The image, run with podman as OpenShift runs it: any user id, group 0, read-only, no capabilities, the manifests' memory limit."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from confluence_sync.config_text import env_example
from confluence_sync.simulator.access import TOKEN, USER
from confluence_sync.simulator.site import Options
from tests.integration.containers import ANY_USER, TAG, Podman, as_arguments, built, free_port, restricted

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def podman() -> Podman:
    return built()


@pytest.fixture(scope="module")
def confluence(podman: Podman) -> Iterator[dict[str, str]]:
    """A simulated Confluence in a container of its own; gives the settings that reach it."""
    port, name = free_port(), "confluence-sync-test-wiki"
    podman.server(name, {}, f"http://127.0.0.1:{port}/", "simulate", "--port", str(port))
    yield {
        "CONF_GATEWAY_URL": f"http://127.0.0.1:{port}",
        "CONF_CLOUD_ID": Options().cloud_id,
        "CONF_USER": USER,
        "CONF_API_TOKEN": TOKEN,
        "SPACE_NAME": "Known Issues",
    }
    podman("rm", "--force", name)


@pytest.fixture
def vector_api(podman: Podman) -> Iterator[str]:
    """An empty Vector API in a container of its own; gives its address."""
    port, name = free_port(), "confluence-sync-test-vectors"
    url, store = f"http://127.0.0.1:{port}", {"VECTOR_BACKEND": "sqlite", "EMBEDDING_BACKEND": "none"}
    podman.server(name, store, f"{url}/health", "serve", "--host", "127.0.0.1", "--port", str(port))
    yield url
    podman("rm", "--force", name)


def post(url: str, body: dict[str, object]) -> dict:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def documents_in(vector_api: str) -> int:
    with urllib.request.urlopen(f"{vector_api}/v1/vector_io/collections/confluence", timeout=10) as answer:
        return json.load(answer)["document_count"]


def report_of(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A folder as a cluster hands out a volume: of root, writable for group 0."""
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o775)
    return folder


def test_syncs_from_one_container_into_another(podman, confluence, vector_api, volume):
    """As UID 1000710000 in group 0, read-only and within the limit, the job fills the Vector API; a second run finds nothing to do."""
    settings = confluence | {"VECTOR_API_BASE_URL": vector_api, "LOG_FORMAT": "json"}
    command = ("sync", "--report", "/var/lib/confluence-sync/report.json", "--html", "/var/lib/confluence-sync/report.html")
    first = podman.job(settings, *command, volume=volume)
    assert first.returncode == 0, first.stderr
    done = report_of(volume)
    assert done["pages"]["new"] == done["pages"]["listed"] > 50
    assert documents_in(vector_api) == done["chunks"]["written"] > 50
    assert all(json.loads(line)["level"] in ("info", "warning") for line in first.stderr.splitlines())
    assert "<svg" in (volume / "report.html").read_text(encoding="utf-8")

    second = podman.job(settings, *command, volume=volume)
    assert second.returncode == 0, second.stderr
    assert report_of(volume)["pages"]["unchanged"] == done["pages"]["listed"]
    assert report_of(volume)["chunks"]["written"] == 0
    status = podman.job(settings, "status", "--json", volume=volume)
    assert len(json.loads(status.stdout)) == 2


def test_last_words_are_where_kubernetes_looks(podman, confluence, vector_api, tmp_path):
    """The summary of a run, and the reason of a failure, stand in /dev/termination-log, which the kubelet mounts."""
    words = tmp_path / "termination-log"
    words.touch()
    words.chmod(0o666)
    mounted = (f"--volume={words}:/dev/termination-log",)
    assert podman.job(confluence | {"VECTOR_API_BASE_URL": vector_api}, more=mounted).returncode == 0
    assert "exit 0" in words.read_text(encoding="utf-8")
    assert podman.job(confluence, more=mounted).returncode == 2
    assert "VECTOR_API_BASE_URL" in words.read_text(encoding="utf-8")


def test_a_lost_volume_makes_no_duplicates(podman, confluence, vector_api):
    """Without a volume every run starts with no memory; the store can list what it holds, so nothing is written twice."""
    settings = confluence | {"VECTOR_API_BASE_URL": vector_api}
    assert podman.job(settings).returncode == 0
    before = documents_in(vector_api)
    again = podman.job(settings)
    assert again.returncode == 0, again.stderr
    assert "0 chunks written" in again.stdout
    assert documents_in(vector_api) == before


def test_the_documented_curl_finds_the_page(podman, confluence, vector_api):
    """The query of the README, sent to what the job filled, gives hits with a title and a link."""
    assert podman.job(confluence | {"VECTOR_API_BASE_URL": vector_api}).returncode == 0
    found = post(f"{vector_api}/v1/vector_io/query", {"collection_id": "confluence", "query": "disk full on /var", "top_k": 3})
    assert len(found["results"]) == 3
    assert "Disk full on /var" in [hit["metadata"]["title"] for hit in found["results"]]
    assert all(hit["metadata"]["url"].startswith("http") for hit in found["results"])


def test_nothing_set_says_what_is_needed(podman):
    """A container started with nothing set names the settings it needs, exits 2 and prints no traceback."""
    done = podman.job({})
    assert done.returncode == 2
    assert "CONF_CLOUD_ID" in done.stderr
    assert "CONF_API_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_destination_is_no_success(podman, confluence):
    """In the image a store inside the container would be lost with it, so a missing destination is exit 2."""
    done = podman.job(confluence)
    assert done.returncode == 2
    assert "VECTOR_API_BASE_URL" in done.stderr


def test_missing_space_lists_the_visible_ones(podman, confluence, vector_api):
    """Credentials and destination without SPACE_NAME, as in the quickstart: exit 2 with the spaces to choose from."""
    done = podman.job({name: value for name, value in confluence.items() if name != "SPACE_NAME"} | {"VECTOR_API_BASE_URL": vector_api})
    assert done.returncode == 2
    assert "Known Issues (KNOWN)" in done.stderr


def test_env_file_is_read_as_written(podman, confluence, vector_api, tmp_path):
    """podman's --env-file keeps the quotes around Known Issues; the job takes them off."""
    values = confluence | {"VECTOR_API_BASE_URL": vector_api}
    text = env_example()
    for name in ("CONF_CLOUD_ID", "VECTOR_API_BASE_URL"):
        text = text.replace(f"\n{name}=\n", f"\n{name}={values[name]}\n")
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    others = {name: values[name] for name in ("CONF_GATEWAY_URL", "CONF_USER", "CONF_API_TOKEN")}
    done = podman.job(others, more=(f"--env-file={tmp_path / '.env'}",))
    assert done.returncode == 0, done.stderr
    assert documents_in(vector_api) > 50


def test_stop_ends_a_run_that_the_next_one_continues(podman, confluence, vector_api, volume):
    """`podman stop` in the middle ends with 143 well before it would be killed; the next run finishes the work."""
    name = "confluence-sync-test-stopped"
    slow_port = free_port()
    slow_url = f"http://127.0.0.1:{slow_port}"
    podman.server("confluence-sync-test-slow", {}, slow_url, "simulate", "--port", str(slow_port), "--latency-ms", "1500")
    settings = confluence | {"VECTOR_API_BASE_URL": vector_api}
    slow = settings | {"CONF_GATEWAY_URL": slow_url}
    podman("rm", "--force", "--ignore", name)
    podman("run", "--detach", "--name", name, *restricted(volume), *as_arguments(slow), TAG)
    podman.wait_for_log(name, "looking for the spaces")
    podman("stop", "--time=10", name)
    code = podman("inspect", "--format={{.State.ExitCode}}", name).stdout.strip()
    podman("rm", "--force", name, "confluence-sync-test-slow")
    assert code == "143"
    assert podman.job(settings, volume=volume).returncode == 0
    assert documents_in(vector_api) > 50


def test_image_is_what_a_cluster_expects(podman):
    """Numeric user, entry point and default command, labels, no compiler, nothing of root's alone where the job writes."""
    (image,) = json.loads(podman("image", "inspect", TAG).stdout)
    config = image["Config"]
    assert config["User"] == "1001:0"
    assert (config["Entrypoint"], config["Cmd"]) == (["confluence-sync"], ["sync"])
    assert config["Labels"]["org.opencontainers.image.title"] == "confluence-sync"
    looks = (
        "id -u",
        "stat -c '%g %a' /var/lib/confluence-sync",
        "ls /app 2>&1",
        "command -v gcc cc make",
        "find /opt/confluence-sync -name pip",
    )
    done = podman(
        "run", "--rm", "--network=host", f"--user={ANY_USER}", "--read-only", "--entrypoint=sh", TAG, "-c", "; ".join(looks), check=False
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == ["1000710000", "0 775"]
    assert "No such file" in lines[2]
    assert lines[3:] == []


def test_help_and_version_need_nothing(podman):
    """--help and --version work in a locked-down container with no setting at all."""
    assert podman.job({}, "--version").stdout.endswith(" (compiled)\n")
    assert "CHUNK_TOKENS" in podman.job({}, "sync", "--help").stdout
