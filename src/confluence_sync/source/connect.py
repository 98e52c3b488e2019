"""Opens the Confluence that the settings name: through Atlassian's gateway, at the site, or on Data Center."""

from __future__ import annotations

import base64
from urllib.parse import urlsplit

from confluence_sync.config import Settings
from confluence_sync.errors import RemoteError
from confluence_sync.http import Link, Patience
from confluence_sync.jsonvalue import as_object, text
from confluence_sync.source.ahead import AskedAhead
from confluence_sync.source.confluence import Confluence
from confluence_sync.source.credentials import check_credentials
from confluence_sync.source.routing import Routes
from confluence_sync.source.v1 import V1, Cql, DataCenter
from confluence_sync.source.v2 import SPACES, V2
from confluence_sync.wires import RequestsWire

API = "/wiki/rest/api"


def open_source(settings: Settings, patience: Patience | None = None, ahead: bool = False) -> Confluence:
    """Raises SettingsError when address or credentials are missing; asks whether a site is Cloud.

    With `ahead`, for a caller that will ask who we are and for the spaces, both are on their way through the gateway already.
    """
    check_credentials(settings)
    authorization, secrets = _authorization(settings)
    headers = {**authorization, "accept": "application/json"}
    wire = RequestsWire(settings.conf_ca_bundle, settings.concurrency)
    base = settings.conf_base_url.removesuffix("/wiki")
    patient = patience or Patience()
    if settings.conf_cloud_id:
        gateway = f"{settings.conf_gateway_url}/ex/confluence/{settings.conf_cloud_id}"
        # Not at a site's own address: there a wrong password that is tried twice at a time is sooner locked out.
        first = [f"{gateway}{API}/user/current", f"{gateway}{SPACES}?limit=250"]
        asked = AskedAhead(wire, first, headers, patient.timeout) if ahead else wire
        return _cloud(settings.conf_cloud_id, Link(gateway, asked, headers, secrets, patient), f"{base}/wiki" if base else "")
    cloud_id = _cloud_id(Link(base, wire, patience=patience or Patience(tries=2)))
    link = Link(base, wire, headers, secrets, patient)
    return _cloud(cloud_id, link, f"{base}/wiki") if cloud_id else _data_center(link, base)


def _authorization(settings: Settings) -> tuple[dict[str, str], tuple[str, ...]]:
    """The header, and every text that must never be printed."""
    token = settings.conf_api_token.reveal() or settings.conf_pat.reveal()
    if settings.conf_pat and not settings.conf_cloud_id:
        token = settings.conf_pat.reveal()
    elif settings.conf_user:
        pair = base64.b64encode(f"{settings.conf_user}:{token}".encode()).decode()
        return {"authorization": f"Basic {pair}"}, (token, pair)
    return {"authorization": f"Bearer {token}"}, (token,)


def _cloud_id(anonymous: Link) -> str:
    """The cloud id of a Cloud site, asked without credentials; "" for a Data Center, which does not know the question."""
    try:
        answer = as_object(anonymous.get("/_edge/tenant_info", limit=100_000), "tenant_info")
        return text(answer, "cloudId", "tenant_info", default="")
    except RemoteError as error:
        if error.status == 0:
            raise
        return ""


def _cloud(cloud_id: str, link: Link, site: str) -> Confluence:
    v2, cql = V2(link), Cql(link, API)
    routes = Routes(f"cloud:{cloud_id}", (v2, cql, V1(link, API)), site)
    return Confluence(routes.id, link, f"{API}/user/current", routes, cql, v2)


def _data_center(link: Link, base: str) -> Confluence:
    cql = Cql(link, "/rest/api")
    parts = urlsplit(base)
    routes = Routes(f"dc:{parts.netloc}{parts.path}", (DataCenter(link, "/rest/api"), cql), base)
    return Confluence(routes.id, link, "/rest/api/user/current", routes, cql, None)
