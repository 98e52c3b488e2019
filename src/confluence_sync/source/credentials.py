"""Whether the settings say where Confluence is and who we are; light enough to be asked before anything else is loaded."""

from __future__ import annotations

from confluence_sync.config import Settings
from confluence_sync.errors import SettingsError


def check_credentials(settings: Settings) -> None:
    """Raises SettingsError with one line for each thing that is missing."""
    problems = []
    if not (settings.conf_cloud_id or settings.conf_base_url):
        problems.append(
            "CONF_CLOUD_ID: not set; it must be your site's cloud id (open https://<site>.atlassian.net/_edge/tenant_info), "
            "or set CONF_BASE_URL to the site or Data Center address"
        )
    if not (settings.conf_api_token or settings.conf_pat):
        problems.append("CONF_API_TOKEN: not set; it must be an API token (or set CONF_PAT for Data Center)")
    if any(ord(c) < 32 for c in settings.conf_cloud_id) or "/" in settings.conf_cloud_id:
        problems.append(f"CONF_CLOUD_ID: {settings.conf_cloud_id!r} is not an id; it looks like 84927973-adf1-4112-be18-59ea4f9c3d60")
    problems += _broken_tokens(settings)
    if problems:
        raise SettingsError(*problems)


def describe_auth(settings: Settings) -> str:
    """Which credentials are sent, in words, without them."""
    if settings.conf_pat and not settings.conf_cloud_id:
        return "Bearer with CONF_PAT"
    return "Basic with CONF_USER and CONF_API_TOKEN" if settings.conf_user else "Bearer with CONF_API_TOKEN (no CONF_USER is set)"


def _broken_tokens(settings: Settings) -> list[str]:
    """A token goes into a header, where nothing but visible ASCII fits; a password that goes with a user is encoded and may hold more."""
    as_bearer = {"CONF_API_TOKEN": settings.conf_api_token if not settings.conf_user else None, "CONF_PAT": settings.conf_pat}
    tokens = {name: secret.reveal() for name, secret in as_bearer.items() if secret}
    broken = [name for name, token in tokens.items() if not all("!" <= character <= "~" for character in token)]
    return [f"{name}: it holds a blank, a line break or a character that no token has; it must be copied whole" for name in broken]
