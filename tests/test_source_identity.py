"""Who am I comes before anything else, and every way of being nobody gets a message that says what to do."""

from __future__ import annotations

import pytest

from confluence_sync.errors import CredentialsError, RemoteError, ServerFailed, SettingsError
from confluence_sync.model import Account
from confluence_sync.settings_files import read_settings
from confluence_sync.simulator.access import Access
from confluence_sync.simulator.faults import read_rules
from confluence_sync.simulator.server import Simulator
from confluence_sync.simulator.site import Options
from confluence_sync.source.connect import open_source
from confluence_sync.source.credentials import describe_auth
from tests.conftest import HASTY, SettingsFor, environment_for
from tests.simulator_client import family

SHAPES = ("gateway", "site", "dc")
WRONG = "wr0ng-s3cret-token"


def who(simulator: Simulator, environment: dict[str, str]) -> Account:
    source = open_source(read_settings({}, environment), HASTY)
    try:
        return source.whoami()
    finally:
        source.close()


def refused(simulator: Simulator, environment: dict[str, str]) -> str:
    """What a person reads who comes with these settings; exit 2, and without the secret."""
    with pytest.raises(CredentialsError) as caught:
        who(simulator, environment)
    assert caught.value.exit_code == 2
    assert WRONG not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_good_token_has_an_account(simulator: Simulator, shape: str) -> None:
    """The account has an id and a name in every shape."""
    account = who(simulator, environment_for(simulator, shape))
    assert account.id
    assert account.name


@pytest.mark.parametrize(("shape", "name"), [("gateway", "CONF_API_TOKEN"), ("site", "CONF_API_TOKEN")])
def test_a_wrong_token_is_explained(simulator: Simulator, shape: str, name: str) -> None:
    """401 from the gateway or the site: wrong, revoked, expired, another user's or of the other kind."""
    said = refused(simulator, environment_for(simulator, shape) | {name: WRONG})
    for hint in ("refuses these credentials", "expired", "CONF_USER", "CONF_BASE_URL", "401"):
        assert hint in said


def test_the_other_kind_of_token_is_explained(simulator: Simulator) -> None:
    """A token without scopes at the gateway, or one with scopes at the site, is told which address it belongs to."""
    access = simulator.options.access
    at_gateway = refused(simulator, environment_for(simulator) | {"CONF_API_TOKEN": access.site_token})
    at_site = refused(simulator, environment_for(simulator, "site") | {"CONF_API_TOKEN": access.token})
    assert "with CONF_CLOUD_ID a token with scopes is needed" in at_gateway
    assert "at the site's own address (CONF_BASE_URL) one without" in at_site


def test_a_dead_token_that_gets_200_is_found(simulator: Simulator) -> None:
    """Data Center answers 200 as anonymous to a dead token: that is an error, not an empty wiki."""
    assert "treats us as anonymous" in refused(simulator, environment_for(simulator, "dc") | {"CONF_PAT": WRONG})


def test_a_wrong_password_on_data_center_is_explained(simulator: Simulator) -> None:
    """401 with an HTML page is the credentials' trouble, and is not tried again: a captcha would follow."""
    environment = {"CONF_BASE_URL": simulator.data_center_url, "CONF_USER": "reader@example.com", "CONF_PASSWORD": "x"}
    said = refused(simulator, environment | {"CONFLUENCE_PASSWORD": WRONG})
    assert "refuses these credentials" in said
    assert simulator.requests["GET /rest/api/user/current"] == 1


@pytest.mark.parametrize("cloud_id", ["00000000-0000-0000-0000-000000000000", "nonsense"])
def test_a_wrong_cloud_id_is_explained(simulator: Simulator, cloud_id: str) -> None:
    """404 from the gateway: check the cloud id, or the token has expired."""
    said = refused(simulator, environment_for(simulator) | {"CONF_CLOUD_ID": cloud_id})
    assert "nothing answers as Confluence" in said
    assert "CONF_CLOUD_ID" in said


def test_a_wrong_host_is_explained(simulator: Simulator) -> None:
    """A server that is no Confluence: check the address."""
    said = refused(simulator, {"CONF_BASE_URL": f"{simulator.url}/nowhere", "CONF_PAT": "x"})
    assert "check CONF_CLOUD_ID or CONF_BASE_URL" in said


@pytest.mark.parametrize("fault", ["html200", "half-json", "not-an-object", "redirect=https://login.invalid/sso", "wrong-types"])
def test_what_is_no_answer_is_explained(simulator: Simulator, fault: str) -> None:
    """A login page with 200, half a document or a redirect to a login host: check address and token."""
    simulator.faults.put(read_rules(f"user/current -> {fault}"))
    said = refused(simulator, environment_for(simulator))
    assert "check the address and the token" in said or "anonymous" in said


def test_a_token_that_may_not_ask_who_it_is_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """The scope read:confluence-user is not needed for a sync: its lack is a warning that names it."""
    with Simulator(family(1), Options(access=Access(scopes=frozenset({"read:space:confluence"})))) as simulator:
        account = who(simulator, environment_for(simulator))
    assert account == Account("", "an account that may not ask for its name")
    assert "read:confluence-user" in caplog.text


def test_a_server_that_is_down_is_no_matter_of_credentials(simulator: Simulator) -> None:
    """500 and a refused connection are exit 5."""
    simulator.faults.put(read_rules("user/current -> 503"))
    with pytest.raises(ServerFailed):
        who(simulator, environment_for(simulator))
    with pytest.raises(RemoteError) as caught:
        who(simulator, {"CONF_BASE_URL": "http://127.0.0.1:9", "CONF_PAT": "x"})
    assert caught.value.exit_code == 5


@pytest.mark.parametrize("bearer", [True, False])
def test_a_service_account_sends_bearer(bearer: bool) -> None:
    """Without CONF_USER the token goes as Bearer, which the gateway takes for service accounts only."""
    with Simulator(family(1), Options(access=Access(bearer=bearer))) as simulator:
        environment = environment_for(simulator) | {"CONF_USER": ""}
        if bearer:
            assert who(simulator, environment).id
        else:
            refused(simulator, environment)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "Basic with CONF_USER and CONF_API_TOKEN"),
        ({"CONF_USER": ""}, "Bearer with CONF_API_TOKEN (no CONF_USER is set)"),
        ({"CONF_CLOUD_ID": "", "CONF_BASE_URL": "http://x", "CONF_PAT": "p"}, "Bearer with CONF_PAT"),
    ],
)
def test_which_credentials_are_sent_is_said(simulator: Simulator, more: dict[str, str], words: str) -> None:
    """The kind of credentials is told in words, without them."""
    assert describe_auth(read_settings({}, environment_for(simulator) | more)) == words


# before anything is asked


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({}, ["CONF_CLOUD_ID: not set", "tenant_info", "CONF_API_TOKEN: not set"]),
        ({"CONF_CLOUD_ID": "a"}, ["CONF_API_TOKEN: not set", "CONF_PAT"]),
        ({"CONF_API_TOKEN": "x"}, ["CONF_CLOUD_ID: not set"]),
        ({"CONF_CLOUD_ID": "https://x.atlassian.net/", "CONF_API_TOKEN": "x"}, ["'https://x.atlassian.net/' is not an id", "84927973-"]),
        ({"CONF_CLOUD_ID": "a\tb", "CONF_API_TOKEN": "x"}, ["is not an id"]),
        ({"CONF_CLOUD_ID": "a", "CONF_API_TOKEN": f"{WRONG}\nsecond line"}, ["CONF_API_TOKEN", "line break"]),
        ({"CONF_CLOUD_ID": "a", "CONF_API_TOKEN": f"{WRONG}…"}, ["CONF_API_TOKEN", "copied whole"]),
        ({"CONF_BASE_URL": "http://x", "CONF_PAT": f"{WRONG} x"}, ["CONF_PAT", "copied whole"]),
    ],
)
def test_settings_that_cannot_work_are_all_named(environment: dict[str, str], named: list[str]) -> None:
    """Missing or impossible addresses and tokens are exit 2 before the first request, each with what is accepted."""
    with pytest.raises(SettingsError) as caught:
        open_source(read_settings({}, environment), HASTY)
    for words in named:
        assert words in str(caught.value)
    assert WRONG not in str(caught.value)


def test_a_password_may_hold_anything(settings_for: SettingsFor, simulator: Simulator) -> None:
    """With a user the secret travels encoded, so spaces and accents in a Data Center password are fine."""
    environment = {"CONF_BASE_URL": simulator.data_center_url, "CONF_USER": "reader@example.com", "CONF_API_TOKEN": "pässwort mit Raum"}
    assert "refuses these credentials" in refused(simulator, environment)


@pytest.mark.parametrize("tail", ["/wiki", "/wiki/", "", "/"])
def test_the_address_of_a_site_may_end_in_wiki(simulator: Simulator, tail: str) -> None:
    """With or without /wiki and a slash, it is the same site."""
    environment = environment_for(simulator, "site") | {"CONF_BASE_URL": simulator.url + tail}
    assert who(simulator, environment).id
