"""`confluence-sync check`: step by step it says what works, what is missing and what to fix, and changes nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from confluence_sync.cli import main
from confluence_sync.commands.checking import check_source
from confluence_sync.simulator.access import Access
from confluence_sync.simulator.faults import read_rules
from confluence_sync.simulator.server import Simulator
from confluence_sync.simulator.site import Options
from tests.answering import Got, Reply, answering
from tests.conftest import SettingsFor, environment_for
from tests.simulator_client import family, page


@pytest.fixture
def told(simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment that reaches the simulator."""
    use(simulator, monkeypatch, tmp_path)


def use(simulator: Simulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shape: str = "gateway") -> None:
    for name, value in (environment_for(simulator, shape) | {"STATE_DIR": str(tmp_path / "state")}).items():
        monkeypatch.setenv(name, value)


def steps(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What was said, by step; the last of each."""
    return {line[:12].strip(): line[13:] for line in capsys.readouterr().out.splitlines()}


@pytest.mark.usefixtures("told")
def test_everything_is_well(simulator: Simulator, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Credentials, account, space with key and id, a page that was read, destination and embedding; exit 0; nothing was made."""
    assert main(["check"]) == 0
    said = steps(capsys)
    assert said["settings"] == f"read; cloud:{simulator.cloud_id}, Basic with CONF_USER and CONF_API_TOKEN"
    assert said["who am I"]
    [space] = simulator.wiki.spaces.values()
    assert said["space"] == f"Ops handbook (key OPS, id {space.id}): 7 pages"
    assert said["page"] == f"Page 1: 13 characters of storage, {simulator.url}/wiki/spaces/OPS/pages/1/Page+1"
    assert said["destination"].startswith("sqlite, because no destination is named")
    assert said["collection"] == "confluence"
    assert said["embedding"].startswith("keyword search only")
    assert "missing" not in said
    assert not (tmp_path / "state").exists()


def test_the_first_titles_with_their_dates(simulator: Simulator, settings_for: SettingsFor) -> None:
    """check_source shows the first TEST_LIMIT titles with their dates, and counts all pages."""
    out = io.StringIO()
    assert check_source(settings_for(simulator, TEST_LIMIT="2"), out) == 0
    titles = [line.strip() for line in out.getvalue().splitlines() if line.startswith(" ")]
    assert titles == ["2026-01-02  Page 1 (1)", "2026-01-03  Page 2 (2)"]
    assert ": 7 pages" in out.getvalue()


@pytest.mark.usefixtures("told")
def test_only_the_source(capsys: pytest.CaptureFixture[str]) -> None:
    """--source-only asks Confluence alone, and shows titles."""
    assert main(["check", "--source-only"]) == 0
    out = capsys.readouterr().out
    assert "Page 7 (7)" in out
    assert "destination" not in out


@pytest.mark.parametrize(("shape", "words"), [("site", "Basic with CONF_USER"), ("dc", "Bearer with CONF_PAT")])
def test_which_credentials_are_used(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, shape: str, words: str
) -> None:
    """At the site and on Data Center the same steps are taken, and the kind of credentials is named."""
    use(simulator, monkeypatch, tmp_path, shape)
    assert main(["check"]) == 0
    said = steps(capsys)
    assert words in said["settings"]
    assert said["space"].endswith(": 7 pages")


def test_a_large_space_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Without titles the first requests of a listing are enough: more follow."""
    with Simulator(family(800)) as simulator:
        use(simulator, monkeypatch, tmp_path)
        assert main(["check"]) == 0
        assert steps(capsys)["space"].endswith(": 250 pages, and more follow")
        assert simulator.requests["GET /api/v2/spaces/{id}/pages"] == 2


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"CONF_API_TOKEN": "wr0ng-s3cret"}, 2, "refuses these credentials"),
        ({"CONF_CLOUD_ID": "other"}, 2, "nothing answers as Confluence"),
        ({"SPACE_NAME": "Nowhere"}, 2, "no visible space is called 'Nowhere'"),
        ({"SPACE_NAME": ""}, 2, "SPACE_NAME: not set"),
        ({"CONFLUENCE_SYNC_IMAGE": "1"}, 2, "no destination"),
        ({"FILTER_FOLDER_ID": "title"}, 2, "no page or folder id"),
        ({"FILTER_FOLDER_ID": "999"}, 2, "no page or folder 999 is visible"),
        ({"VECTOR_BACKEND": "underscore"}, 2, "VECTOR_BACKEND=underscore needs the server's address"),
    ],
)
@pytest.mark.usefixtures("told")
def test_what_fails_says_what_to_fix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], change: dict[str, str], code: int, words: str
) -> None:
    """A step that fails is a line FAILED with the remedy, and the exit code a sync would have; the secret is not in it."""
    for name, value in change.items():
        monkeypatch.setenv(name, value)
    assert main(["check"]) == code
    out = capsys.readouterr().out
    assert any(line.startswith("FAILED") and words in line for line in out.splitlines()), out
    assert "wr0ng-s3cret" not in out


@pytest.mark.usefixtures("told")
def test_several_problems_are_several_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A good space is still looked at when another one is not there."""
    monkeypatch.setenv("SPACE_NAME", "Nowhere, OPS, Elsewhere")
    assert main(["check"]) == 2
    out = capsys.readouterr().out
    assert len([line for line in out.splitlines() if line.startswith("FAILED")]) == 2
    assert "Ops handbook (key OPS" in out


def test_missing_scopes_are_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A token that lacks scopes still passes where another route serves; each question and the scope it lacks is a line."""
    access = Access(scopes=frozenset({"read:confluence-user", "search:confluence"}))
    with Simulator(family(3), Options(access=access)) as simulator:
        use(simulator, monkeypatch, tmp_path)
        assert main(["check"]) == 0
    missing = [line for line in capsys.readouterr().out.splitlines() if line.startswith("missing")]
    for what in ("spaces", "the listing of pages", "bodies"):
        assert any(line[13:].startswith(f"{what} is not served by v2") for line in missing), missing
    assert all("read:page:confluence and read:space:confluence; a sync does without" in line for line in missing)


@pytest.mark.usefixtures("told")
def test_a_page_that_cannot_be_read_is_said(simulator: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    """The body of one page is asked for, so that what only shows there is seen."""
    simulator.faults.put(read_rules("v2/pages -> half-json"))
    assert main(["check"]) == 3
    assert "page 1 could not be read" in steps(capsys)["FAILED"]


@pytest.mark.usefixtures("told")
def test_an_empty_space_is_doubted(simulator: Simulator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A space without a visible page may be one that this account may not view; an archived one is called so."""
    simulator.make_space("EMPTY")
    simulator.archive_space("EMPTY")
    monkeypatch.setenv("SPACE_NAME", "EMPTY")
    assert main(["check"]) == 0
    said = steps(capsys)["space"]
    assert "archived" in said
    assert "no page is visible; if EMPTY is not empty, this account may not view it" in said


@pytest.mark.usefixtures("told")
def test_the_scope_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder and labels are shown as they were understood, with the number of pages that carry one."""
    monkeypatch.setenv("FILTER_FOLDER_ID", "https://x.atlassian.net/wiki/spaces/OPS/pages/2/Title")
    monkeypatch.setenv("LABELS", "even,odd")
    assert main(["check"]) == 0
    said = steps(capsys)
    assert said["folder"] == "only what lies below 2"
    assert said["labels"] == "3 pages of OPS carry even or odd"


def test_titles_cannot_move_the_cursor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Control characters of a title do not reach the terminal."""
    with Simulator([page(1, "a\x1b[2Jb")]) as simulator:
        use(simulator, monkeypatch, tmp_path)
        assert main(["check", "--source-only"]) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.usefixtures("told")
def test_every_probe_of_a_destination_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Each question to a server, its answer and why the variant was chosen; who makes vectors there."""
    paths = {"/v1/vector_io/documents": {"post": {}}, "/v1/vector_io/collections": {"post": {}}}

    def reply(got: Got, number: int) -> Reply:
        return Reply(body=json.dumps({"paths": paths}).encode()) if got.path == "/openapi.json" else Reply(404)

    with answering(reply) as server:
        monkeypatch.setenv("VECTOR_API_BASE_URL", server.url)
        assert main(["check"]) == 0
    said = steps(capsys)
    assert said["asked"].startswith("GET /openapi.json -> 200: 2 routes: underscore")
    assert said["destination"].startswith("underscore, because ")
    assert said["embedding"] == "by the server"
    assert all(got.method == "GET" for got in server.got)


@pytest.mark.usefixtures("told")
def test_a_model_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With an embedding endpoint its model and dimension are shown."""

    def reply(got: Got, number: int) -> Reply:
        if got.method == "GET":
            return Reply(body=b'{"data": [{"id": "small-model"}]}')
        texts = json.loads(got.body)["input"]
        rows = [{"index": i, "embedding": [1.0, 0.0, 0.0]} for i in range(len(texts) if isinstance(texts, list) else 1)]
        return Reply(body=json.dumps({"data": rows, "model": "small-model"}).encode())

    with answering(reply) as server:
        monkeypatch.setenv("EMBEDDING_URL", f"{server.url}/v1")
        monkeypatch.setenv("EMBEDDING_MODEL_ID", "small-model")
        assert main(["check"]) == 0
    assert steps(capsys)["embedding"] == "small-model, 3 dimensions"
