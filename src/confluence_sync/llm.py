"""The model that writes answers: an OpenAI-compatible endpoint, Ollama, or a provider through litellm; streamed, never silently cut."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from confluence_sync.config import Settings
from confluence_sync.errors import SettingsError
from confluence_sync.settings_kinds import Secret

Message = dict[str, str]

KNOWN = {
    "openai": "https://api.openai.com/v1",
    "mistral": "https://api.mistral.ai/v1",
    "ollama": "http://127.0.0.1:11434",
}
FAMILIES = (("gpt-", "openai"), ("o1", "openai"), ("o3", "openai"), ("o4", "openai"), ("mistral-", "mistral"), ("codestral", "mistral"))


class Model(Protocol):
    """A model somewhere. `name` is what it is called there."""

    name: str

    def stream(self, messages: Sequence[Message]) -> AsyncGenerator[str, None]:
        """The answer's pieces as they are written. Closing the iterator ends the request.

        Raises RateLimited, ServerFailed (no answer, a time-out, an answer that breaks off), BadAnswer (garbage), NotFound (no such
        model; the message names those there are) or NotAllowed.
        """

    async def models(self) -> list[str]:
        """The names of the models the endpoint offers; raises as stream() does."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is. `timeout` is how many seconds the next piece may take; `tries` how often a request that had no effect is sent."""

    base: str
    model: str
    key: Secret
    timeout: float = 60.0
    tries: int = 3
    first_wait: float = 0.5


def open_model(settings: Settings) -> Model | None:
    """The model the settings name; None when they name none. Raises SettingsError when they cannot be understood."""
    name, base = settings.litellm_model, settings.litellm_api_base
    if not name:
        if base:
            raise SettingsError(f"LITELLM_MODEL: empty, but LITELLM_API_BASE={base!r} is set; name the model that is to answer")
        return None
    provider = _provider(name)
    if not base and provider not in KNOWN:
        return _through_litellm(settings)
    endpoint = Endpoint(base or KNOWN[provider], name, settings.litellm_api_key, float(settings.llm_timeout))
    return _speaking(endpoint, settings, provider)


def _provider(name: str) -> str:
    """The part before the slash, or the family of a well-known name; "" when nothing tells."""
    prefix, slash, _ = name.partition("/")
    return prefix if slash else next((provider for start, provider in FAMILIES if name.startswith(start)), "")


def _speaking(endpoint: Endpoint, settings: Settings, provider: str) -> Model:
    """An address without a path is Ollama's own; OpenAI-compatible ones (Ollama's too) end in /v1 or the like."""
    from confluence_sync.llm_wire import Wire

    wire = Wire(endpoint, settings.conf_ca_bundle)
    if provider == "ollama" or not urlsplit(endpoint.base).path.strip("/"):
        from confluence_sync.llm_ollama import Ollama

        return Ollama(endpoint, wire)
    from confluence_sync.llm_openai import OpenAI

    return OpenAI(endpoint, wire)


def _through_litellm(settings: Settings) -> Model:
    from confluence_sync.llm_litellm import Litellm

    return Litellm(settings.litellm_model, settings.litellm_api_key, float(settings.llm_timeout))
