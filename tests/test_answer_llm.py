"""Models over real local HTTP: both protocols, and everything an endpoint can do wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from confluence_sync.config import Settings
from confluence_sync.errors import BadAnswer, NotAllowed, NotFound, RateLimited, RemoteError, ServerFailed, SettingsError
from confluence_sync.llm import Endpoint, Model, open_model
from confluence_sync.llm_ollama import Ollama
from confluence_sync.llm_openai import OpenAI
from confluence_sync.llm_wire import Wire
from confluence_sync.settings_kinds import Secret
from tests.llm_stub import Stub, llm_stub

ASKED = [{"role": "user", "content": "How do I mend the printer?"}]
KINDS = ("openai", "ollama")


@pytest.fixture
def stub() -> Iterator[Stub]:
    with llm_stub() as running:
        yield running


def model(stub: Stub, kind: str, name: str = "good", timeout: float = 5.0, tries: int = 3) -> Model:
    base = stub.url + ("/v1" if kind == "openai" else "")
    endpoint = Endpoint(base, name, Secret("k3y"), timeout, tries, first_wait=0.01)
    return OpenAI(endpoint, Wire(endpoint, None)) if kind == "openai" else Ollama(endpoint, Wire(endpoint, None))


def written(asked: Model) -> str:
    async def whole() -> str:
        return "".join([piece async for piece in asked.stream(ASKED)])

    return asyncio.run(whole())


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_writes_in_pieces(stub: Stub, kind: str) -> None:
    """The pieces of a stream join to the answer, and the key goes along as Bearer."""
    assert written(model(stub, kind)) == "Restart the print service [1]."
    assert stub.seen[0]["messages"] == ASKED
    assert stub.keys == ["Bearer k3y"]


@pytest.mark.parametrize("kind", KINDS)
def test_models_are_listed(stub: Stub, kind: str) -> None:
    """The endpoint's models come by name."""
    assert "codestral-latest" in asyncio.run(model(stub, kind).models())


def test_a_providers_prefix_is_dropped_where_it_is_unknown(stub: Stub) -> None:
    """mistral/codestral-latest is asked for as codestral-latest at an endpoint that lists it so."""
    assert written(model(stub, "openai", "mistral/codestral-latest"))
    assert stub.seen[0]["model"] == "codestral-latest"


@pytest.mark.parametrize("kind", KINDS)
def test_a_missing_model_is_named(stub: Stub, kind: str) -> None:
    """A model that is not there is told with its name and what to do."""
    with pytest.raises(NotFound, match=r"nope.*(?s:.*)(LITELLM_MODEL)"):
        written(model(stub, kind, "nope"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "failure", "words"),
    [
        ("die", ServerFailed, "broke off"),
        ("garbage", BadAnswer, "no JSON|JSON line|expected"),
        ("html", BadAnswer, "expected"),
        ("broken", ServerFailed, "out of memory"),
        ("error", ServerFailed, "context window exceeded"),
    ],
)
def test_what_an_endpoint_does_wrong_is_said(stub: Stub, kind: str, name: str, failure: type[RemoteError], words: str) -> None:
    """Half answers, garbage, login pages and errors in the stream never pass for an answer, and no key is repeated."""
    with pytest.raises(failure, match=words) as caught:
        written(model(stub, kind, name))
    assert "k3y" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_hangs_is_given_up(stub: Stub, kind: str) -> None:
    """Silence ends with the time-out and says which setting to raise."""
    started = time.monotonic()
    with pytest.raises(ServerFailed, match=r"nothing for 0\.3 s.*LLM_TIMEOUT"):
        written(model(stub, kind, "hang", timeout=0.3))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_busy_endpoint_is_asked_again(stub: Stub, kind: str) -> None:
    """429 is repeated, and given up with RateLimited after the last try."""
    assert written(model(stub, kind, "busy")) == "Done [1]"
    stub.busy_for = 5
    with pytest.raises(RateLimited, match="slow down"):
        written(model(stub, kind, "busy", tries=2))


@pytest.mark.parametrize("kind", KINDS)
def test_a_listener_who_leaves_ends_the_request(stub: Stub, kind: str) -> None:
    """Closing the stream closes the connection to the model."""

    async def leave() -> None:
        async with aclosing(model(stub, kind, "hang", timeout=30).stream(ASKED)) as pieces:
            async for _ in pieces:
                break

    asyncio.run(leave())
    assert stub.gone.wait(5)


def test_nobody_listens(stub: Stub) -> None:
    """An address where nothing listens is told with the setting to check."""
    endpoint = Endpoint("http://127.0.0.1:9/v1", "good", Secret(), 2, 2, 0.01)
    with pytest.raises(ServerFailed, match=r"cannot be reached.*LITELLM_API_BASE"):
        written(OpenAI(endpoint, Wire(endpoint, None)))


def test_ollama_loads_models(stub: Stub) -> None:
    """A pull ends with Ollama's last word, and an error in the stream is an error."""
    ollama = model(stub, "ollama")
    assert isinstance(ollama, Ollama)
    assert asyncio.run(ollama.pull("good")) == "success"
    with pytest.raises(NotFound, match="does not exist"):
        asyncio.run(ollama.pull("nope"))


@pytest.mark.parametrize(
    ("settings", "kind", "base"),
    [
        (Settings(litellm_model="gpt-4o-mini"), OpenAI, "https://api.openai.com/v1"),
        (Settings(litellm_model="mistral/codestral-latest"), OpenAI, "https://api.mistral.ai/v1"),
        (Settings(litellm_model="llama3.2:1b", litellm_api_base="http://ollama-service:11434"), Ollama, "http://ollama-service:11434"),
        (Settings(litellm_model="ollama/llama3"), Ollama, "http://127.0.0.1:11434"),
        (Settings(litellm_model="m", litellm_api_base="https://ai.example/api/v1"), OpenAI, "https://ai.example/api/v1"),
    ],
)
def test_settings_name_a_model(settings: Settings, kind: type, base: str) -> None:
    """The model's name and address decide who is asked, and how."""
    opened = open_model(settings)
    assert isinstance(opened, kind)
    assert opened.endpoint.base == base  # type: ignore[attr-defined]  # both kinds have one


def test_no_model_and_half_a_model() -> None:
    """No name: no model. An address without a name, and a provider that needs a package, are told."""
    assert open_model(Settings()) is None
    with pytest.raises(SettingsError, match="LITELLM_MODEL"):
        open_model(Settings(litellm_api_base="http://x"))
    with pytest.raises(SettingsError, match=r"confluence-sync\[litellm\]"):
        open_model(Settings(litellm_model="bedrock/claude"))


def test_a_wrong_key_is_told(stub: Stub) -> None:
    """401 becomes NotAllowed, without the key that the endpoint repeats."""
    endpoint = Endpoint(stub.url + "/v1", "good", Secret("bad"))
    with pytest.raises(NotAllowed, match=r"401: Incorrect API key provided: \*\*\*"):
        written(OpenAI(endpoint, Wire(endpoint, None)))
