"""Who may ask what: tokens as Atlassian's gateway, a site and Data Center check them, and the scopes of a token."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from confluence_sync.simulator.calls import Place, Route
from confluence_sync.simulator.messages import Refusal, Request, gateway_problem, html

TOKEN, SITE_TOKEN, PAT, USER = "simulated-scoped-token", "simulated-site-token", "simulated-access-token", "reader@example.com"


@dataclass(frozen=True, slots=True)
class Access:
    """What is accepted. A scoped token works at the gateway only and a site token at the site only, as with Atlassian.

    `bearer` also lets the gateway take the token as a Bearer, as it does for service accounts.
    `scopes` are those granted to the token; None grants all.
    """

    user: str = USER
    token: str = TOKEN
    site_token: str = SITE_TOKEN
    pat: str = PAT
    bearer: bool = False
    scopes: frozenset[str] | None = None


def anonymous(access: Access, place: Place, request: Request) -> bool:
    """Whether the request counts as nobody's. Raises Refusal where the server would answer 401 instead."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if place is Place.DATA_CENTER:
        return _anonymous_at_data_center(access, kind.lower(), secret)
    accepted = access.token if place is Place.GATEWAY else access.site_token
    basic = kind.lower() == "basic" and _basic(secret) == (access.user, accepted)
    if not basic and not (access.bearer and place is Place.GATEWAY and kind.lower() == "bearer" and secret == accepted):
        raise Refusal(gateway_problem(401, "Unauthorized"))
    return False


def _anonymous_at_data_center(access: Access, kind: str, secret: str) -> bool:
    """An unknown access token is no error there: the request goes on as nobody's. A wrong password is one."""
    if kind == "basic" and _basic(secret) != (access.user, access.pat):
        raise Refusal(html(401, "Unauthorized", X_Seraph_LoginReason="AUTHENTICATED_FAILED", WWW_Authenticate='Basic realm="Confluence"'))
    return kind != "basic" and not (kind == "bearer" and secret == access.pat)


def _basic(secret: str) -> tuple[str, str]:
    try:
        user, _, password = base64.b64decode(secret, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return ("", "")
    return user, password


def check_scope(access: Access, place: Place, route: Route) -> None:
    """Raises what the gateway answers to a token that lacks the scope of this route: 401, not 403."""
    if place is not Place.GATEWAY or access.scopes is None or not route.scopes:
        return
    if access.scopes.isdisjoint(route.scopes):
        raise Refusal(gateway_problem(401, "Unauthorized; scope does not match"))
