"""What people do to the simulated wiki shows in its answers as it would in Confluence, from Python and through /_control."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from confluence_sync.errors import SettingsError
from confluence_sync.simulator import source
from confluence_sync.simulator.server import Simulator
from tests.simulator_client import Client, family, page


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(family(), control=True) as running:
        yield running


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Client]:
    with Client(simulator) as made:
        yield made


def body(client: Client, number: int) -> str:
    return str(client.v2(f"/pages/{number}", **{"body-format": "storage"})["body"]["storage"]["value"])


def test_edits_and_renames_raise_the_version(simulator: Simulator, client: Client) -> None:
    """An edit and a rename each make a new version with a new date."""
    before = client.v2("/pages/2")["version"]
    simulator.edit("2", "<p>new</p>")
    simulator.rename("2", "Renamed")
    after = client.v2("/pages/2")
    assert body(client, 2) == "<p>new</p>"
    assert after["title"] == "Renamed"
    assert after["version"]["number"] == before["number"] + 2
    assert after["version"]["createdAt"] > before["createdAt"]


def test_moves_and_labels_do_not_raise_the_version(simulator: Simulator, client: Client) -> None:
    """A move changes the parent, a label the labels, and neither the version nor its date."""
    before = client.v2("/pages/6")["version"]
    simulator.move("6", "2")
    simulator.relabel("6", ("red",))
    after = client.v2("/pages/6")
    assert after["version"] == before
    assert after["parentId"] == "2"
    assert client.v1("/content/search", cql="label = red")["results"][0]["id"] == "6"
    simulator.move("6", "")
    assert client.v2("/pages/6")["parentId"] is None


def test_a_deleted_page_is_gone_and_its_children_move_up(simulator: Simulator, client: Client) -> None:
    """Deleting answers 404 afterwards; the pages below go to the parent."""
    simulator.delete("3")
    assert client.raw("/api/v2/pages/3").status_code == 404
    assert client.v2("/pages/6")["parentId"] == "1"


def test_trash_archive_and_restore_change_the_status(simulator: Simulator, client: Client) -> None:
    """A page goes to the bin or the archive and comes back with the same id."""
    for change, status in ((simulator.trash, "trashed"), (simulator.archive, "archived"), (simulator.restore, "current")):
        change("4")
        assert client.v2("/pages/4")["status"] == status


def test_a_restricted_page_looks_deleted(simulator: Simulator, client: Client) -> None:
    """A restriction hides a page from lists and by id, and can be taken back."""
    simulator.restrict("5")
    assert client.raw("/api/v2/pages/5").status_code == 404
    assert "5" not in client.all_ids("/api/v2/pages")
    assert client.all_ids("/rest/api/content/search", cql="id in (4, 5)") == ["4"]
    simulator.restrict("5", False)
    assert client.v2("/pages/5")["id"] == "5"


def test_a_page_moves_to_another_space(simulator: Simulator, client: Client) -> None:
    """A page moved to a new space is listed there under the same id."""
    simulator.move_space("7", "NEW", "New place")
    [space] = client.v2("/spaces", keys="NEW")["results"]
    assert client.all_ids(f"/api/v2/spaces/{space['id']}/pages") == ["7"]
    assert space["name"] == "New place"


def test_a_closed_space_vanishes_with_status_200(simulator: Simulator, client: Client) -> None:
    """Losing the permission for a space empties every list without any error."""
    simulator.close_space("OPS")
    assert client.v2("/spaces")["results"] == []
    assert client.all_ids("/api/v2/pages") == []
    simulator.close_space("OPS", False)
    assert len(client.all_ids("/api/v2/pages")) == 7


def test_pages_are_added_and_spaces_renamed(simulator: Simulator, client: Client) -> None:
    """A new page gets an id and a place in the tree; a space keeps its id under another name."""
    before = client.v2("/spaces")["results"][0]["id"]
    new = simulator.add_page("Fresh", "<p>hello</p>", "OPS", parent_id="7")
    simulator.rename_space("OPS", "Operations")
    assert client.v2(f"/pages/{new}")["parentId"] == "7"
    assert client.v2("/spaces")["results"][0] | {"x": 0} == client.v2(f"/spaces/{before}") | {"x": 0, "_links": {"webui": "/spaces/OPS"}}
    assert client.v2("/spaces")["results"][0]["name"] == "Operations"


def test_everything_can_be_replaced(simulator: Simulator, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another source takes the place of the present one, also one that stays on disk."""
    monkeypatch.setattr(source, "HELD_BELOW", 1)
    path = tmp_path / "space.jsonl"
    path.write_text('{"id": "11", "title": "Only one", "body": {"storage": {"value": "x"}}}\n')
    simulator.replace_all(path)
    assert client.all_ids("/api/v2/pages") == ["11"]
    assert body(client, 11) == "x"
    simulator.replace_all(family(2))
    assert client.all_ids("/api/v2/pages") == ["1", "2"]


@pytest.mark.parametrize(
    ("op", "shows"),
    [
        ({"op": "edit", "id": "2", "body": "<p>b</p>"}, {"version": 4}),
        ({"op": "replace", "id": "2", "old": "Page", "new": "Leaf"}, {"version": 4}),
        ({"op": "rename", "id": "2", "title": "T"}, {"title": "T"}),
        ({"op": "move", "id": "2", "parent": "7"}, {"parentId": "7"}),
        ({"op": "trash", "id": "2"}, {"status": "trashed"}),
        ({"op": "archive", "id": "2"}, {"status": "archived"}),
        ({"op": "restore", "id": "2"}, {"status": "current"}),
        ({"op": "delete", "id": "2"}, None),
        ({"op": "restrict", "id": "2"}, None),
        ({"op": "unrestrict", "id": "2"}, {"status": "current"}),
        ({"op": "relabel", "id": "2", "labels": ["x"]}, {"version": 3}),
        ({"op": "move_space", "id": "2", "space": "LAB"}, {"parentId": None}),
        ({"op": "close_space", "id": "OPS"}, None),
        ({"op": "open_space", "id": "OPS"}, {"status": "current"}),
        ({"op": "rename_space", "id": "OPS", "name": "N"}, {"status": "current"}),
        ({"op": "archive_space", "id": "OPS"}, {"status": "current"}),
        ({"op": "word", "id": "2", "content": page(2, "Whole new")}, {"title": "Whole new"}),
    ],
    ids=lambda value: value["op"] if isinstance(value, dict) and "op" in value else "",
)
def test_another_process_can_make_every_change(client: Client, op: dict[str, Any], shows: dict[str, Any] | None) -> None:
    """POST /_control makes one change, or each of a list."""
    assert requests.post(f"{client.simulator.url}/_control", json=op, timeout=10).json() == {"done": 1}
    answer = client.raw("/api/v2/pages/2")
    if shows is None:
        assert answer.status_code == 404
    else:
        found = answer.json() | {"version": answer.json()["version"]["number"]}
        assert {name: found[name] for name in shows} == shows


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"op": "explode", "id": "2"}, 400),
        ({"op": "rename", "id": "404", "title": "T"}, 404),
        ({"op": "replace", "id": "2", "old": "not there", "new": ""}, 400),
        (["edit"], 400),
        ({"faults": [{"route": ".", "action": "melt"}]}, 400),
    ],
)
def test_a_change_that_cannot_be_made_is_refused(simulator: Simulator, asked: Any, status: int) -> None:
    """An unknown change, page or fault is answered with an error that names it."""
    answer = requests.post(f"{simulator.url}/_control", json=asked, timeout=10)
    assert answer.status_code == status
    assert answer.json()["message"]


def test_counters_are_read_and_reset_from_outside(client: Client) -> None:
    """GET /_control/requests shows the counters, POST /_control/reset sets them to nothing; control requests do not count."""
    client.v2("/pages/1")
    url = f"{client.simulator.url}/_control"
    assert requests.get(f"{url}/requests", timeout=10).json()["requests"] == {"GET /api/v2/pages/{id}": 1}
    assert requests.post(f"{url}/reset", timeout=10).json() == {"done": 0}
    assert requests.get(f"{url}/requests", timeout=10).json()["total"] == 0
    assert requests.get(url, timeout=10).status_code == 404


def test_control_is_closed_unless_opened(simulator: Simulator) -> None:
    """Without control=True the endpoint does not exist, and never on a host that others can reach."""
    with Simulator(family()) as closed:
        assert requests.post(f"{closed.url}/_control", json={"op": "trash", "id": "1"}, timeout=10).status_code == 404
        assert closed.wiki.contents["1"].status == "current"
    with pytest.raises(SettingsError, match="loopback only"):
        Simulator(family(), host="0.0.0.0", control=True)
