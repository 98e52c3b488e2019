"""The simulator serves REST API v2 as Confluence Cloud does: shapes, paging, statuses and limits."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from confluence_sync.errors import SettingsError
from confluence_sync.simulator import source, wire
from confluence_sync.simulator.access import TOKEN, USER
from confluence_sync.simulator.messages import Answer, Request
from confluence_sync.simulator.server import Simulator
from confluence_sync.simulator.site import Options
from tests.simulator_client import Client, family, page


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(family()) as running:
        yield running


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Client]:
    with Client(simulator) as made:
        yield made


def space_id(client: Client, key: str = "OPS") -> str:
    return str(client.v2("/spaces", keys=key)["results"][0]["id"])


def test_a_space_is_found_by_key_and_id(client: Client) -> None:
    """A space answers to its key in any case, and by id with the same object and the base of its links."""
    [found] = client.v2("/spaces", keys="ops")["results"]
    alone = client.v2(f"/spaces/{found['id']}")
    assert (found["name"], found["status"], found["homepageId"]) == ("Ops handbook", "current", "1")
    assert alone["key"] == "OPS"
    assert alone["_links"]["base"] == client.simulator.site_url


def test_spaces_are_filtered_and_sorted(simulator: Simulator, client: Client) -> None:
    """Type, status and ids select spaces; sort orders them either way."""
    simulator.make_space("ZOO", "A zoo")
    simulator.make_space("~jo", "Jo")
    simulator.archive_space("ZOO")
    keys = [s["key"] for s in client.v2("/spaces", sort="-key")["results"]]
    assert keys == ["~jo", "ZOO", "OPS"]
    assert [s["key"] for s in client.v2("/spaces", status="archived")["results"]] == ["ZOO"]
    assert [s["key"] for s in client.v2("/spaces", type="personal")["results"]] == ["~jo"]
    assert [s["key"] for s in client.v2("/spaces", ids=space_id(client))["results"]] == ["OPS"]
    assert [s["key"] for s in client.v2("/spaces", sort="name")["results"]] == ["ZOO", "~jo", "OPS"]


def test_spaces_are_paged_by_cursor(simulator: Simulator, client: Client) -> None:
    """A listing of spaces goes on by cursor until there is no next."""
    for number in range(5):
        simulator.make_space(f"S{number}")
    assert len(set(client.all_ids("/api/v2/spaces", limit=2))) == 6


def test_a_listing_without_bodies_shows_what_a_sync_compares(client: Client) -> None:
    """Each page of a listing has id, version, title, parent and status, and an empty body."""
    found = client.v2(f"/spaces/{space_id(client)}/pages", limit=250, status="current", sort="id")
    third = found["results"][2]
    assert (third["id"], third["parentId"], third["parentType"], third["title"]) == ("3", "1", "page", "Page 3")
    assert third["version"]["number"] == 3
    assert third["body"] == {}
    assert found["results"][0]["parentId"] is None
    assert "next" not in found["_links"]


@pytest.mark.parametrize("sort", ["id", "-id", "title", "-title", "modified-date", "-modified-date", "created-date"])
def test_every_order_pages_through_each_page_once(client: Client, sort: str) -> None:
    """Whatever the order, a listing in steps of two shows every page once."""
    ids = client.all_ids(f"/api/v2/spaces/{space_id(client)}/pages", limit=2, sort=sort)
    assert sorted(ids) == [str(number) for number in range(1, 8)]
    assert (ids == sorted(ids, reverse=True)) is sort.startswith("-")


def test_next_leads_to_the_site_and_not_through_the_gateway(client: Client) -> None:
    """`next` begins with /wiki and `base` is the site's, although the request came through the gateway."""
    links = client.v2(f"/spaces/{space_id(client)}/pages", limit=2)["_links"]
    assert links["next"].startswith("/wiki/api/v2/spaces/")
    assert links["base"] == client.simulator.site_url


def test_a_cursor_survives_changes(simulator: Simulator, client: Client) -> None:
    """A page deleted between two requests makes neither a repeat nor a gap in a listing by id."""
    first = client.v2(f"/spaces/{space_id(client)}/pages", limit=3)
    simulator.delete("3")
    rest = client.all_ids(first["_links"]["next"].removeprefix("/wiki"))
    assert rest == ["4", "5", "6", "7"]


def test_bodies_come_in_bulk_for_the_ids_asked(client: Client) -> None:
    """Up to 250 ids bring their storage bodies at once; unknown ids are left out without an error."""
    found = client.v2("/pages", id=["5", "2", "999"], limit=250, **{"body-format": "storage"})["results"]
    assert [(p["id"], p["body"]["storage"]["value"]) for p in found] == [("2", "<p>Page 2</p>"), ("5", "<p>Page 5</p>")]


def test_pages_are_selected_by_space(simulator: Simulator, client: Client) -> None:
    """space-id selects the pages of a space; an unknown one selects nothing rather than everything."""
    simulator.add(page(50, space="LAB"))
    assert client.all_ids("/api/v2/pages", **{"space-id": space_id(client, "LAB")}) == ["50"]
    assert client.all_ids("/api/v2/pages", **{"space-id": "1"}) == []
    assert len(client.all_ids("/api/v2/pages")) == 8


@pytest.mark.parametrize(
    "path",
    [
        "/pages?limit=251",
        "/pages?limit=0",
        "/pages?limit=x",
        "/pages?body-format=view",
        "/pages?sort=size",
        "/pages?cursor=zzz",
        "/spaces?cursor=zzz",
    ],
)
def test_what_v2_does_not_take_is_a_400(client: Client, path: str) -> None:
    """A limit above 250, a format that bulk does not have, an unknown order or a foreign cursor is refused."""
    answer = client.raw("/api/v2" + path)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "INVALID_REQUEST_PARAMETER"


def test_more_than_250_ids_are_refused(client: Client) -> None:
    """251 ids, or keys, are one too many."""
    assert client.raw("/api/v2/pages", id=[str(n) for n in range(251)]).status_code == 400
    assert client.raw("/api/v2/pages", id=[str(n) for n in range(250)]).status_code == 200
    for name in ("keys", "ids"):
        assert client.raw("/api/v2/spaces", **{name: [str(n) for n in range(251)]}).status_code == 400


def test_statuses_decide_what_a_listing_shows(simulator: Simulator, client: Client) -> None:
    """Without a status archived pages are listed too, which is the trap of the real thing; trashed ones only when asked for."""
    simulator.archive("2")
    simulator.trash("3")
    path = f"/api/v2/spaces/{space_id(client)}/pages"
    assert "2" in client.all_ids(path)
    assert "3" not in client.all_ids(path)
    assert client.all_ids(path, status="current") == ["1", "4", "5", "6", "7"]
    assert client.all_ids("/api/v2/pages", id=["2", "3", "4"], status=["trashed", "archived"]) == ["2", "3"]
    assert client.v2("/pages/3")["status"] == "trashed"


def test_one_page_has_every_representation(client: Client) -> None:
    """A single page can be had as storage, view, export_view or a document; the answer names the site."""
    for form in ("storage", "view", "export_view", "atlas_doc_format"):
        found = client.v2("/pages/2", **{"body-format": form})
        assert "Page 2" in found["body"][form]["value"]
    assert found["_links"]["base"] == client.simulator.site_url
    assert client.v2("/pages/2", **{"include-labels": "true"})["labels"]["results"][0]["name"] == "even"


def test_a_view_is_made_from_storage_with_its_code(simulator: Simulator, client: Client) -> None:
    """The view of a code macro is its text, escaped, without its parameters."""
    macro = '<ac:structured-macro ac:name="code"><ac:parameter ac:name="language">c</ac:parameter><ac:plain-text-body>'
    simulator.edit("1", f"{macro}<![CDATA[a < b]]></ac:plain-text-body></ac:structured-macro>")
    assert client.v2("/pages/1", **{"body-format": "view"})["body"]["view"]["value"] == "<pre>a &lt; b</pre>"


def test_a_page_with_a_view_only_has_no_storage_body(simulator: Simulator, client: Client) -> None:
    """Where the source holds only rendered HTML, the storage body is absent, not empty."""
    simulator.add({**page(60), "body": {"view": {"value": "<p>seen</p>"}}})
    assert client.v2("/pages", id="60", **{"body-format": "storage"})["results"][0]["body"] == {}
    assert client.v2("/pages/60", **{"body-format": "export_view"})["body"]["export_view"]["value"] == "<p>seen</p>"
    assert client.v2("/pages/60", **{"body-format": "atlas_doc_format"})["body"] == {}


def test_labels_and_ancestors_of_a_page(client: Client) -> None:
    """Labels have names, ancestors run from the root down."""
    assert [label["name"] for label in client.v2("/pages/4/labels")["results"]] == ["even"]
    assert client.v2("/pages/7/ancestors")["results"] == [{"id": "1", "type": "page"}, {"id": "3", "type": "page"}]


def test_folders_are_contents_of_their_own(client: Client, simulator: Simulator) -> None:
    """A folder that is named only as an ancestor answers by id and lists what is below it."""
    simulator.replace_all([*family(), page(20, ancestors=[{"id": "9", "type": "folder", "title": "Runbooks"}]), page(21, parent=20)])
    assert client.v2("/folders/9")["title"] == "Runbooks"
    assert [(c["id"], c["depth"]) for c in client.v2("/folders/9/descendants", depth=5)["results"]] == [("20", 1), ("21", 2)]
    assert [c["id"] for c in client.v2("/folders/9/direct-children")["results"]] == ["20"]
    assert client.v2("/pages/20")["parentType"] == "folder"
    assert client.raw("/api/v2/pages/9").status_code == 404
    assert client.v2("/folders/9/ancestors")["results"] == []


def test_descendants_end_at_the_depth_asked(client: Client) -> None:
    """Descendants go two levels deep unless told otherwise, ten at most."""
    assert client.all_ids("/api/v2/pages/1/descendants", limit=2) == ["2", "3", "4", "5", "6", "7"]
    assert client.all_ids("/api/v2/pages/1/descendants", depth=1) == ["2", "3"]
    assert client.raw("/api/v2/pages/1/descendants", depth=11).status_code == 400
    assert client.all_ids("/api/v2/pages/1/direct-children") == ["2", "3"]


@pytest.mark.parametrize("path", ["/pages/99", "/spaces/1", "/spaces/1/pages", "/folders/1", "/pages/99/labels", "/nothing"])
def test_what_is_not_there_is_a_404_of_v2(client: Client, path: str) -> None:
    """Unknown ids and routes answer 404 in the shape of v2."""
    answer = client.raw("/api/v2" + path)
    assert answer.status_code == 404
    assert answer.json()["errors"][0]["code"] == "NOT_FOUND"


def test_a_draft_is_shown_only_when_asked_for(simulator: Simulator, client: Client) -> None:
    """Drafts are in no listing and answer 404 by id without get-draft."""
    simulator.add({**page(70), "status": "draft"})
    assert "70" not in client.all_ids("/api/v2/pages")
    assert client.raw("/api/v2/pages/70").status_code == 404
    assert client.v2("/pages/70", **{"get-draft": "true"})["status"] == "draft"


def test_users_are_named_in_bulk(client: Client) -> None:
    """users-bulk answers a display name for each account id, and 400 to anything else."""
    url = f"{client.gateway}/api/v2/users-bulk"
    named = client.session.post(url, json={"accountIds": ["a:1", "a:2"]}, auth=(USER, TOKEN), timeout=10).json()
    assert [user["accountId"] for user in named["results"]] == ["a:1", "a:2"]
    assert all(user["displayName"] for user in named["results"])
    assert client.session.post(url, data="[]", auth=(USER, TOKEN), timeout=10).status_code == 400


def test_titles_of_every_kind_travel(simulator: Simulator, client: Client) -> None:
    """Quotes, emoji, NUL and lone surrogates in a title arrive as they are."""
    for number, title in enumerate(['say "hi"', "fire 🔥", "nul\0byte", "half \ud83d"], 80):
        simulator.add(page(number, title))
        assert client.v2(f"/pages/{number}")["title"] == title


def test_a_folder_of_files_is_read(tmp_path: Path) -> None:
    """A folder of JSON files is a source; an id that comes twice gets a number of its own."""
    for name, number in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / f"{name}.json").write_text(json.dumps(page(number)))
    simulator = Simulator(tmp_path)
    assert len(simulator.wiki.contents) == 3
    assert simulator.wiki.renumbered == 1


def test_a_big_file_leaves_its_bodies_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit a JSONL file is indexed by offset, and answers hold the same bodies."""
    monkeypatch.setattr(source, "HELD_BELOW", 100)
    path = tmp_path / "space.jsonl"
    path.write_text(
        "\n".join(json.dumps(thing, ensure_ascii=False) for thing in [page(1, "Émile"), *family()[1:]]) + "\n\n", encoding="utf-8"
    )
    with Simulator(path) as running, Client(running) as client:
        bodies = client.v2("/pages", limit=250, **{"body-format": "storage"})["results"]
        assert [p["body"]["storage"]["value"] for p in bodies][:2] == ["<p>Émile</p>", "<p>Page 2</p>"]
        running.edit("1", "<p>new</p>")
        assert client.v2("/pages/1", **{"body-format": "storage"})["body"]["storage"]["value"] == "<p>new</p>"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.jsonl", None, "no such folder or file"),
        ("bad.jsonl", "{", "bad.jsonl:1: is not JSON"),
        ("list.jsonl", "[]", "not a content object"),
    ],
)
def test_a_source_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: str | None, says: str) -> None:
    """A missing or broken source is an error that names the file and the line."""
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(SettingsError, match=says):
        Simulator(tmp_path / name)


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    """A folder without JSON files is an error, not an empty wiki."""
    with pytest.raises(SettingsError, match=r"holds no \*.json file"):
        Simulator(tmp_path)


def test_everything_can_be_served_as_pages() -> None:
    """as_pages turns comments and drafts into current pages, for measurements over everything."""
    things = [page(1), {**page(2), "type": "comment"}, {**page(3), "status": "draft"}]
    assert len(Simulator(things).wiki.in_spaces([], ["current"]).contents) == 1
    assert len(Simulator(things, as_pages=True).wiki.in_spaces([], ["current"]).contents) == 3


def test_a_content_object_may_lack_nearly_everything(client: Client, simulator: Simulator) -> None:
    """An object with an id alone is a page without title, body or parent."""
    simulator.add({"id": "90", "version": {"when": "yesterday", "number": "x"}, "ancestors": "none", "extensions": {"position": "x"}})
    found = client.v2("/pages/90", **{"body-format": "storage"})
    assert (found["title"], found["body"], found["parentId"], found["version"]["number"]) == ("", {}, None, 1)


def test_dates_are_told_in_utc(simulator: Simulator, client: Client) -> None:
    """A date with an offset, as some sites export it, is served in UTC with milliseconds."""
    simulator.add({**page(91), "version": {"when": "2026-01-05T10:00:00.5+09:00"}})
    assert client.v2("/pages/91")["version"]["createdAt"] == "2026-01-05T01:00:00.500Z"


def test_a_parent_that_is_nowhere_ends_the_chain(simulator: Simulator, client: Client) -> None:
    """A page whose parent nobody knows has no ancestors, and is still served."""
    orphan = simulator.add_page("Orphan", "", "OPS", parent_id="777")
    assert client.v2(f"/pages/{orphan}/ancestors")["results"] == []
    assert client.v2(f"/pages/{orphan}")["parentId"] == "777"


def test_an_ancestor_outside_the_source_has_a_title_only(simulator: Simulator, client: Client) -> None:
    """An ancestor that the source only mentions is named in v1 chains and answers 404 itself."""
    simulator.add({**page(30), "ancestors": [{"id": "29", "type": "page", "title": "Elsewhere"}]})
    [found] = client.v1("/content/search", cql="id = 30", expand="ancestors")["results"]
    assert found["ancestors"][0]["title"] == "Elsewhere"
    assert client.raw("/api/v2/pages/29").status_code == 404


def test_only_pages_and_folders_have_a_place_in_the_tree(simulator: Simulator, client: Client) -> None:
    """A comment below a page is not among its children, and loops in the tree end."""
    simulator.add({**page(40, parent=2), "type": "comment"})
    simulator.move("2", "5")
    assert client.all_ids("/api/v2/pages/2/direct-children") == ["4", "5"]
    assert client.all_ids("/api/v2/pages/2/descendants", depth=10) == ["4", "5"]
    assert len(client.v2("/pages/2/ancestors")["results"]) == 2


def test_only_the_youngest_lists_are_kept(simulator: Simulator, client: Client) -> None:
    """Many different queries do not fill the memory: 64 lists are kept, and every answer is right."""
    for number in range(100):
        assert len(client.v1("/content/search", cql=f"id = {number}")["results"]) == (1 <= number <= 7)
    assert len(simulator.wiki._lists) == 64


def test_links_can_show_another_address() -> None:
    """With `site` the links of all answers begin with that address, as a site's do behind the gateway."""
    with Simulator(family(), Options(site="https://wiki.example")) as running, Client(running) as client:
        assert client.v2("/pages")["_links"]["base"] == "https://wiki.example/wiki"


def test_answers_are_compressed_when_asked(client: Client) -> None:
    """Bodies above a kilobyte travel gzipped to a client that takes it, plain to one that does not."""
    assert client.raw("/api/v2/pages").headers["Content-Encoding"] == "gzip"
    plain = client.session.get(client.gateway + "/api/v2/pages", headers={"Accept-Encoding": "identity"}, auth=(USER, TOKEN), timeout=10)
    assert "Content-Encoding" not in plain.headers
    assert len(plain.json()["results"]) == 7


def test_an_answer_is_packed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks again gets the same bytes, and only so many are kept."""
    request, packings = Request("GET", "/", {"accept-encoding": "gzip"}, b""), list[int]()
    whole = zlib.compressobj
    monkeypatch.setattr("confluence_sync.simulator.wire.zlib.compressobj", lambda **how: packings.append(1) or whole(**how))
    bodies = [f"{number} ".encode() * 1000 for number in range(100, 100 + wire.PACKED_KEPT + 1)]
    first, again = (wire.packed(request, Answer(200, bytes(bytearray(bodies[0]))))[0] for _ in range(2))
    assert zlib.decompress(first, wbits=31) == bodies[0]
    assert (again, len(packings)) == (first, 1)
    for body in bodies:
        assert zlib.decompress(wire.packed(request, Answer(200, body))[0], wbits=31) == body
    assert len(packings) == len(bodies)
    assert len(wire._PACKED) <= wire.PACKED_KEPT


def test_requests_are_counted_by_route(simulator: Simulator, client: Client) -> None:
    """Counters go by route with ids left out; every request line is kept."""
    client.v2("/pages/1")
    client.v2("/pages/2")
    requests.get(f"{simulator.url}/_edge/tenant_info", timeout=10)
    assert simulator.requests["GET /api/v2/pages/{id}"] == 2
    assert simulator.requests["GET /_edge/tenant_info"] == 1
    assert simulator.lines[0].endswith("/wiki/api/v2/pages/1")
    simulator.forget_requests()
    assert not simulator.lines
    assert not simulator.requests
