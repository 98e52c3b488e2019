"""Asks Confluence who we are, before anything else, and says what to do when it is nobody."""

from __future__ import annotations

import logging

from confluence_sync.errors import BadAnswer, CredentialsError, Gone, NotAllowed, NotFound, Rejected
from confluence_sync.http import Link
from confluence_sync.jsonvalue import JsonObject, as_object, text
from confluence_sync.model import Account

log = logging.getLogger(__name__)

TOKEN_HELP = (
    "the token is wrong, revoked or expired (Atlassian's tokens last a year at most), belongs to another CONF_USER, "
    "or is of the other kind: "
    "with CONF_CLOUD_ID a token with scopes is needed, at the site's own address (CONF_BASE_URL) one without"
)


def whoami(link: Link, path: str) -> Account:
    """The account behind the token.

    Raises CredentialsError for an anonymous answer too: Data Center answers 200 to a dead token, and everything would look empty.
    """
    try:
        account = _account(as_object(link.get(path), "user"))
    except NotAllowed as error:
        if "scope" in str(error):
            log.warning("who we are cannot be asked, the token lacks the scope read:confluence-user; going on")
            return Account("", "an account that may not ask for its name")
        raise CredentialsError(f"Confluence refuses these credentials: {TOKEN_HELP}. {error}") from error
    except (NotFound, Gone, Rejected) as error:
        raise CredentialsError(
            f"nothing answers as Confluence at {link.base}{path}: check CONF_CLOUD_ID or CONF_BASE_URL, and whether the token has expired "
            f"(the gateway then answers 404). {error}"
        ) from error
    except BadAnswer as error:
        raise CredentialsError(f"{link.base} does not answer as Confluence does; check the address and the token. {error}") from error
    if account is None:
        raise CredentialsError(f"Confluence at {link.base} treats us as anonymous: {TOKEN_HELP}")
    return account


def _account(answer: JsonObject) -> Account | None:
    """None for the anonymous user."""
    account = text(answer, "accountId", "user", default="") or text(answer, "userKey", "user", default="")
    name = text(answer, "displayName", "user", default="") or text(answer, "username", "user", default="")
    if text(answer, "type", "user", default="known") == "anonymous" or not (account or name):
        return None
    return Account(account or name, name)
