"""Tokens of an identity provider (JWT) in place of keys: signature by its published keys, issuer and audience as set."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from confluence_sync.config import Settings
from confluence_sync.errors import RemoteError, SettingsError
from confluence_sync.http import Link, Patience
from confluence_sync.keys import SCOPES, Caller
from confluence_sync.service.problems import Problem
from confluence_sync.wires import HttpxWire

if TYPE_CHECKING:
    from jwt import PyJWK

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]  # never HS*: a public key is no shared secret
REFRESH = 60.0  # seconds; an unknown key id makes the key set be read again, at most this often
LEEWAY = 30  # seconds that two clocks may differ


@dataclass
class TokenCheck:
    """Accepts tokens of one issuer for one audience. `keys` gives the provider's key set as JSON."""

    issuer: str
    audience: str
    keys: Callable[[], object]
    _known: dict[str, PyJWK] = field(default_factory=dict)
    _read_at: float = float("-inf")

    def caller(self, token: str) -> Caller:
        """Who the token names; they may ask, and whatever else its scope says. Raises a Problem (401, or 503 without a key set)."""
        import jwt

        try:
            key = self._key(str(jwt.get_unverified_header(token).get("kid", "")))
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self.audience,
                issuer=self.issuer,
                leeway=LEEWAY,
                options={"require": ["exp", "sub"]},
            )
        except jwt.InvalidTokenError as error:
            raise Problem(401, f"the token is not accepted: {error}", headers={"www-authenticate": "Bearer"}) from error
        said = claims.get("scope", claims.get("scp", claims.get("roles", "")))
        words = said.split() if isinstance(said, str) else [str(word) for word in said] if isinstance(said, list) else []
        return Caller(f"jwt:{claims['sub']}", frozenset({"query"} | (set(words) & set(SCOPES))))

    def _key(self, kid: str) -> PyJWK:
        import jwt

        if kid not in self._known and time.monotonic() - self._read_at > REFRESH:
            self._read_at = time.monotonic()
            self._known = self._published()
        if kid not in self._known:
            raise jwt.InvalidTokenError("its key is none that the issuer publishes")
        return self._known[kid]

    def _published(self) -> dict[str, PyJWK]:
        import jwt

        try:
            found = jwt.PyJWKSet.from_dict(self.keys())  # type: ignore[arg-type]  # raises PyJWKSetError for anything else
        except (RemoteError, jwt.PyJWTError, AttributeError, TypeError) as error:
            raise Problem(503, f"the key set of JWT_JWKS_URL cannot be read: {error}", "not_ready") from error
        return {key.key_id or "": key for key in found.keys}


def open_tokens(settings: Settings) -> TokenCheck | None:
    """None when no key set is named. Raises SettingsError when issuer or audience is missing: any token would do then."""
    if not settings.jwt_jwks_url:
        return None
    if not settings.jwt_issuer or not settings.jwt_audience:
        raise SettingsError("JWT_JWKS_URL: set JWT_ISSUER and JWT_AUDIENCE as well, or tokens made for other services would be accepted")
    try:
        import jwt  # noqa: F401
    except ModuleNotFoundError as error:
        raise SettingsError("JWT_JWKS_URL needs a package: pip install 'confluence-sync[jwt]'") from error
    wire = HttpxWire(settings.conf_ca_bundle, tls=settings.jwt_jwks_url.startswith("https:"))
    link = Link(settings.jwt_jwks_url, wire, patience=Patience(tries=2, timeout=10))
    return TokenCheck(settings.jwt_issuer, settings.jwt_audience, lambda: link.get("", limit=1024 * 1024))
