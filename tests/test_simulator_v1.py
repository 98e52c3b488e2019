"""The simulator serves REST API v1 as Cloud keeps it and as Data Center has it, and lets in whom the real thing lets in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from confluence_sync.simulator.access import TOKEN, USER, Access
from confluence_sync.simulator.server import Simulator
from confluence_sync.simulator.site import Options
from tests.simulator_client import Client, family, page

NOW = datetime(2026, 1, 5, 9, 0, 40, tzinfo=UTC)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator([*family(), page(50, "Disk full", space="LAB")], Options(clock=lambda: NOW)) as running:
        yield running


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Client]:
    with Client(simulator) as made:
        yield made


def ids(client: Client, cql: str, **more: Any) -> list[str]:
    return [item["id"] for item in client.v1("/content/search", cql=cql, limit=100, **more)["results"]]


@pytest.mark.parametrize(
    ("cql", "found"),
    [
        ("type = page and space = OPS", "1234567"),
        ('type=page AND space="ops" AND id in (2, 3, 99)', "23"),
        ("space in (OPS, LAB) and label = even and type=page order by id desc", ["50", "6", "4", "2"]),
        ("label not in (even) and space = OPS", "1357"),
        ("ancestor = 3", "67"),
        ("parent = 1 order by title desc", "32"),
        ('title = "disk FULL"', ["50"]),
        ('title ~ "disk*" and not space = OPS', ["50"]),
        ('title !~ "page"', ["50"]),
        ('text ~ "full"', ["50"]),
        ('(id = 1 or id = 2) and space.title = "Ops handbook"', "12"),
        ("id = 1 or id = 2 and label = even", "12"),
        ('space.key = LAB and content = 50 and creator != "nobody"', ["50"]),
        ('lastmodified > "2026-01-06 08:00" and space = OPS', "67"),
        ('lastmodified >= "2026/01/06 08:00" and space = OPS', "567"),
        ('lastmodified <= "2026-01-03" and created < 2026-01-09', "1"),
        ('lastmodified >= now("-25h") and lastmodified < now()', "34"),
        ('lastmodified > startOfDay("-1d") and lastmodified <= startOfDay()', "3"),
        ("order by lastmodified desc, title", ["50", "7", "6", "5", "4", "3", "2", "1"]),
        ("type = comment", []),
        ("title = 'single \\' quoted'", []),
    ],
)
def test_cql_selects_as_confluence_does(client: Client, cql: str, found: list[str] | str) -> None:
    """Each form of query selects these pages in this order; dates compare by the minute."""
    assert ids(client, cql) == list(found)


@pytest.mark.parametrize(
    "cql",
    [
        *(
            "",
            "type",
            "type = ",
            "type = plant",
            "colour = red",
            "type = page and",
            "(type = page",
            "type = and",
            "type ~ page",
            "type = 'page",
        ),
        *('title > "a"', "id in 5", "id in (1 2)", "type = page space = OPS", "order by size"),
        *('lastmodified = "soon"', "lastmodified ~ 5", 'lastmodified > never("-1d")'),
    ],
)
def test_a_query_that_is_not_cql_is_a_400(client: Client, cql: str) -> None:
    """What cannot be read, or names a field that does not exist, is refused with the query in the message."""
    answer = client.raw("/rest/api/content/search", cql=cql)
    assert answer.status_code == 400
    assert "cql" in answer.json()["message"]


def test_dates_are_meant_in_the_time_zone_of_the_user() -> None:
    """A date in a query is read in the user's time zone, which is what makes literal dates dangerous."""
    with Simulator(family(3), Options(time_zone="Asia/Tokyo")) as simulator, Client(simulator) as client:
        assert ids(client, 'lastmodified > "2026-01-03 16:59"') == ["2", "3"]
        assert ids(client, 'lastmodified > "2026-01-03 17:00"') == ["3"]
        assert ids(client, 'lastmodified > "2026-01-04 17:00"') == []
        assert client.v1("/user/current")["timeZone"] == "Asia/Tokyo"


def test_statuses_come_through_the_context_of_a_query(simulator: Simulator, client: Client) -> None:
    """A search finds current contents only, others where cqlcontext asks for them."""
    simulator.archive("2")
    assert ids(client, "id in (1,2)") == ["1"]
    assert ids(client, "id in (1,2)", cqlcontext='{"contentStatuses":["archived"]}') == ["2"]
    assert client.raw("/rest/api/content/search", cql="id=1", cqlcontext="[").status_code == 400


def test_search_ignores_start_and_goes_on_by_cursor(client: Client) -> None:
    """`start` has no effect on Cloud; `next` carries a cursor, begins at /rest and the context is given beside it."""
    first = client.v1("/content/search", cql="space=OPS", limit=3, start=3)
    assert [item["id"] for item in first["results"]] == ["1", "2", "3"]
    assert first["_links"]["next"].startswith("/rest/api/content/search?")
    assert first["_links"]["context"] == "/wiki"
    assert first["_links"]["base"] == client.simulator.site_url
    assert client.all_ids("/rest/api/content/search", cql="space=OPS", limit=3) == list("1234567")


def test_a_cursor_of_another_query_is_refused(client: Client) -> None:
    """A cursor belongs to the text of its query."""
    following = client.v1("/content/search", cql="space=OPS", limit=3)["_links"]["next"]
    assert client.raw(following.replace("OPS", "LAB")).status_code == 400


@pytest.mark.parametrize(
    ("expand", "most"), [("", 260), ("version", 200), ("body.storage,version", 50), ("body.export_view", 25), ("body.styled_view", 25)]
)
def test_what_is_expanded_caps_a_page_of_answers(expand: str, most: int) -> None:
    """Expanding anything overrides the limit: 200 without bodies, 50 with, 25 with rendered ones."""
    with Simulator([page(number) for number in range(1, 261)]) as simulator, Client(simulator) as client:
        answer = client.v1("/content/search", cql="type=page", limit=1000, expand=expand)
        assert len(answer["results"]) == answer["size"] == most
        assert ("next" in answer["_links"]) is (most < 260)


def test_expand_decides_what_a_content_holds(client: Client) -> None:
    """What is expanded is there, what is not is listed under _expandable."""
    expand = "body.storage,version,space,ancestors,metadata.labels,history"
    full = client.v1("/content/search", cql="id=6", expand=expand)["results"][0]
    assert full["body"]["storage"]["value"] == "<p>Page 6</p>"
    assert (full["version"]["number"], full["space"]["key"], full["history"]["latest"]) == (3, "OPS", True)
    assert [above["id"] for above in full["ancestors"]] == ["1", "3"]
    assert full["metadata"]["labels"]["results"][0]["name"] == "even"
    deeper = client.v1("/content/search", cql="id=6", expand="body.export_view.value")["results"][0]
    assert deeper["body"]["export_view"]["value"] == "<p>Page 6</p>"
    bare = client.v1("/content/search", cql="id=6")["results"][0]
    assert "body" not in bare
    assert bare["_expandable"]["body"] == ""
    assert "labels" not in client.v1("/content/search", cql="id=6", expand="metadata")["results"][0]["metadata"]


def test_spaces_are_found_by_title_in_a_search(simulator: Simulator, client: Client) -> None:
    """A search for type=space brings spaces; archived ones only with includeArchivedSpaces."""
    simulator.archive_space("LAB")

    def keys(cql: str, **more: str) -> list[str]:
        return [row["space"]["key"] for row in client.v1("/search", cql=cql, **more)["results"]]

    assert keys('type=space and space.title ~ "handbook"') == ["OPS"]
    assert keys("type = space", includeArchivedSpaces="true") == ["LAB", "OPS"]
    assert keys('type=space and (space.key = ops or title !~ "lab") and not space.type = personal') == ["OPS"]
    assert keys('type in (space) and title not in ("Ops handbook")') == []
    assert client.raw("/rest/api/search", cql="type=space and label = x").status_code == 400
    assert client.raw("/rest/api/search", cql="type=space and title > x").status_code == 400


def test_a_search_for_pages_brings_rows_with_totals(client: Client) -> None:
    """/search wraps contents in rows, with a total and a cursor."""
    answer = client.v1("/search", cql="space=OPS", limit=4)
    assert (answer["totalSize"], answer["size"], answer["results"][0]["content"]["id"]) == (7, 4, "1")
    assert "cursor=" in answer["_links"]["next"]


@pytest.mark.parametrize("path", ["/space", "/space/OPS", "/content", "/content/1", "/content/1/label"])
def test_the_gateway_has_removed_the_old_routes(client: Client, path: str) -> None:
    """v1 spaces and contents answer 410 through the gateway, and work at the site itself."""
    gone = client.raw("/rest/api" + path)
    assert gone.status_code == 410
    assert "GoneException" in gone.json()["message"]
    assert client.site("/rest/api" + path).status_code == 200


def test_the_gateway_can_keep_the_old_routes() -> None:
    """With v1_on_gateway the removed routes answer there too."""
    with Simulator(family(), Options(v1_on_gateway=True)) as simulator, Client(simulator) as client:
        assert client.v1("/space")["results"][0]["key"] == "OPS"


def test_a_page_that_is_seen_has_no_restrictions(simulator: Simulator, client: Client) -> None:
    """The loaders that ask page by page for restrictions get an answer for a page they see, and 404 for one they do not."""
    answer = client.v1("/content/3/restriction/byOperation")
    assert [answer[kind]["restrictions"][who]["results"] for kind in ("read", "update") for who in ("user", "group")] == [[]] * 4
    simulator.restrict("3")
    assert client.raw("/rest/api/content/3/restriction/byOperation").status_code == 404


def test_data_center_pages_by_start(client: Client) -> None:
    """On Data Center listings go on by `start`, and links show its own context."""
    answer = client.data_center("/content", spaceKey="OPS", limit=3, start=3, expand="version").json()
    assert [item["id"] for item in answer["results"]] == ["4", "5", "6"]
    assert answer["_links"]["next"].startswith("/rest/api/content?start=6")
    assert (answer["_links"]["context"], answer["_links"]["base"]) == ("/dc", client.simulator.data_center_url)
    found = client.data_center("/content/search", cql="space=OPS", limit=2, start=6).json()
    assert ([item["id"] for item in found["results"]], found["start"]) == (["7"], 6)
    assert "start=2" in client.data_center("/content/search", cql="space=OPS", limit=2).json()["_links"]["next"]


def test_data_center_scans_by_cursor(client: Client) -> None:
    """/content/scan goes through every content of a space by cursor."""
    first = client.data_center("/content/scan", spaceKey="OPS", limit=4).json()
    rest = client.data_center(first["_links"]["next"].removeprefix("/rest/api")).json()
    assert [item["id"] for item in first["results"] + rest["results"]] == list("1234567")
    assert "next" not in rest["_links"]


def test_data_center_selects_contents(simulator: Simulator, client: Client) -> None:
    """Title, type and status select; a homepage and labels can be had; v2 does not exist there."""
    simulator.trash("7")
    assert [c["id"] for c in client.data_center("/content", title="Page 2").json()["results"]] == ["2"]
    assert [c["id"] for c in client.data_center("/content", spaceKey="OPS", status="trashed").json()["results"]] == ["7"]
    assert len(client.data_center("/content", spaceKey="OPS", status="any").json()["results"]) == 7
    assert client.data_center("/space/OPS", expand="homepage").json()["homepage"]["id"] == "1"
    assert client.data_center("/content/2/label").json()["results"][0]["name"] == "even"
    assert [c["id"] for c in client.data_center("/content/3/descendant/page").json()["results"]] == ["6"]
    assert client.data_center("/content/7").status_code == 404
    assert client.data_center("/content/7", status="any").json()["status"] == "trashed"
    assert client.data_center("/server-information").json()["version"]
    assert client.session.get(client.simulator.data_center_url + "/api/v2/pages", timeout=10).status_code == 404


def test_spaces_of_data_center_are_listed_by_type_and_status(simulator: Simulator, client: Client) -> None:
    """v1 /space filters by key, type and status and goes on by start."""
    simulator.archive_space("LAB")
    assert [s["key"] for s in client.data_center("/space", status="current").json()["results"]] == ["OPS"]
    assert [s["key"] for s in client.data_center("/space", spaceKey="lab").json()["results"]] == ["LAB"]
    assert client.data_center("/space", type="personal").json()["results"] == []
    assert "start=1" in client.data_center("/space", limit=1).json()["_links"]["next"]


@pytest.mark.parametrize(
    "path", ["/content/99", "/content/99/label", "/content/99/descendant/page", "/space/NONE", "/nothing", "/content?limit=-2"]
)
def test_what_v1_does_not_have_is_an_error_of_v1(client: Client, path: str) -> None:
    """Unknown ids, keys and routes, and bad limits, answer in the shape of v1."""
    answer = client.data_center(path)
    assert answer.status_code == (400 if "limit" in path else 404)
    assert answer.json()["message"].startswith("com.atlassian.confluence.api")


def test_a_wrong_token_is_a_401_on_cloud(client: Client) -> None:
    """No, wrong or misplaced credentials answer 401 as JSON; a token works only at the host it was made for."""
    url = client.gateway + "/rest/api/user/current"
    for headers in ({}, {"Authorization": "Basic !"}, {"Authorization": "Basic eDp5"}, {"Authorization": f"Bearer {TOKEN}"}):
        answer = requests.get(url, headers=headers, timeout=10)
        assert (answer.status_code, answer.json()["message"]) == (401, "Unauthorized")
    assert requests.get(client.simulator.site_url + "/rest/api/user/current", auth=(USER, TOKEN), timeout=10).status_code == 401


def test_the_gateway_can_take_a_bearer() -> None:
    """With `bearer`, as for service accounts, the token is accepted as a Bearer too."""
    with Simulator(family(), Options(access=Access(bearer=True))) as simulator, Client(simulator) as client:
        answer = requests.get(client.gateway + "/api/v2/pages", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)
        assert answer.status_code == 200


def test_a_missing_scope_is_a_401_for_its_routes_only() -> None:
    """A token without a scope gets 401 with the gateway's words on those routes, and works on others."""
    access = Access(scopes=frozenset({"read:space:confluence", "read:confluence-user"}))
    with Simulator(family(), Options(access=access)) as simulator, Client(simulator) as client:
        assert client.v2("/spaces")["results"]
        answer = client.raw("/api/v2/pages")
        assert (answer.status_code, answer.json()) == (401, {"code": 401, "message": "Unauthorized; scope does not match"})
        assert client.raw("/rest/api/content/search", cql="type=page").status_code == 401


def test_an_unknown_access_token_is_nobody_on_data_center(client: Client) -> None:
    """An invalid or missing access token answers 200 as anonymous and shows an empty wiki: the trap of Data Center."""
    for token in ("wrong", ""):
        assert client.data_center("/user/current", token).json()["type"] == "anonymous"
        assert client.data_center("/space", token).json()["results"] == []
    known = client.data_center("/user/current")
    assert known.json()["username"] == USER
    assert known.headers["X-Seraph-LoginReason"] == "OK"


def test_a_wrong_password_is_html_on_data_center(client: Client) -> None:
    """Basic with a wrong password answers 401 as HTML and names the reason in a header."""
    url = client.simulator.data_center_url + "/rest/api/space"
    answer = requests.get(url, auth=(USER, "wrong"), timeout=10)
    assert (answer.status_code, answer.headers["X-Seraph-LoginReason"]) == (401, "AUTHENTICATED_FAILED")
    assert answer.headers["Content-Type"].startswith("text/html")
    assert requests.get(url, auth=(USER, client.simulator.options.access.pat), timeout=10).status_code == 200


def test_addresses_outside_the_three_shapes(simulator: Simulator, client: Client) -> None:
    """The cloud id can be asked without credentials; another cloud id or a plain path is a 404."""
    assert requests.get(f"{simulator.url}/_edge/tenant_info", timeout=10).json() == {"cloudId": simulator.cloud_id}
    assert requests.get(f"{simulator.url}/ex/confluence/other/wiki/api/v2/pages", timeout=10).json()["message"] == "Not Found"
    assert requests.get(f"{simulator.url}/login", timeout=10).status_code == 404
    assert client.site("/pages/viewpage.action").headers["Content-Type"].startswith("text/html")
    assert client.v1("/settings/systemInfo")["cloudId"] == simulator.cloud_id
