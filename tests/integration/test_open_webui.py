"""The real Open WebUI connected to our service: the model by its name, the answer, and citation chips in its own page."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from confluence_sync.settings_kinds import Secret
from tests.integration.environments import environment
from tests.llm_stub import Stub, llm_stub
from tests.service_fixture import Service, serve_answers

pytestmark = [pytest.mark.integration, pytest.mark.slow]

ASKED = "The journal fills the disk"


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with llm_stub() as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, stub: Stub) -> Iterator[Service]:
    with serve_answers(
        tmp_path_factory.mktemp("state"),
        litellm_api_base=stub.url + "/v1",
        litellm_model="good",
        api_key=Secret("sk-test"),
        rate_limit=0,
    ) as running:
        yield running


@pytest.fixture(scope="module")
def open_webui(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address, booted without any network but ours."""
    with booted(environment("open-webui") / "open-webui", tmp_path_factory.mktemp("webui"), service.base) as base:
        yield base


@contextmanager
def booted(program: Path, folder: Path, service: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "DATA_DIR": str(folder),
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "HF_HUB_OFFLINE": "1",
        "OFFLINE_MODE": "true",
        "WEBUI_AUTH": "False",
        "WEBUI_SECRET_KEY": "x",
        "ENABLE_OLLAMA_API": "False",
        "ENABLE_PERSISTENT_CONFIG": "False",
        "RAG_EMBEDDING_ENGINE": "openai",
        "RAG_EMBEDDING_MODEL": "",
        "OPENAI_API_BASE_URL": service + "/v1",
        "OPENAI_API_KEY": "sk-test",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", "--host", "127.0.0.1", "--port", str(port)], env=settings, cwd=folder, stdout=log, stderr=log
        )
    try:
        base = f"http://127.0.0.1:{port}"
        wait_for(base + "/health", process, folder / "log")
        yield base
    finally:
        process.terminate()
        process.wait(30)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert process.poll() is None, log.read_text(errors="replace")[-3000:]
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    pytest.fail(f"Open WebUI did not start: {log.read_text(errors='replace')[-3000:]}")


@pytest.fixture
def client(open_webui: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=open_webui, timeout=60) as client:
        token = client.post("/api/v1/auths/signin", json={"email": "admin@localhost", "password": "admin"}).json()["token"]
        client.headers["authorization"] = f"Bearer {token}"
        yield client


def test_the_model_has_its_name(client: httpx.Client) -> None:
    """Open WebUI lists our one model as Confluence."""
    assert ("confluence", "Confluence") in [(model["id"], model["name"]) for model in client.get("/api/models").json()["data"]]


def test_chat_over_its_api(client: httpx.Client) -> None:
    """Its chat route streams our text and our citations through."""
    asked = {"model": "confluence", "messages": [{"role": "user", "content": ASKED}], "stream": True}
    lines = client.post("/api/chat/completions", json=asked).text.splitlines()
    events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    deltas = [event["choices"][0]["delta"] for event in events if event.get("choices")]
    assert "".join(delta.get("content") or "" for delta in deltas).startswith("Restart the print service [1].")
    [notes] = [delta["annotations"] for delta in deltas if delta.get("annotations")]
    assert notes[0]["url_citation"]["title"] == "Page 1 › Symptoms"


def test_chat_in_its_page(open_webui: str) -> None:
    """In a browser the answer shows our source as a chip in place of [1], and its link among the sources."""
    pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
    from playwright.sync_api import expect

    from tests.browser import chromium, shoot

    with chromium() as browser:
        page = browser.new_context(locale="en-GB", viewport={"width": 1280, "height": 820}).new_page()
        page.goto(f"{open_webui}/?models=confluence")
        page.wait_for_selector("#chat-input", timeout=60_000)
        close = page.get_by_role("button", name="Okay, Let's Go!")
        if close.count():
            close.click()
        page.locator("#chat-input").click()
        page.keyboard.type(ASKED)
        page.keyboard.press("Enter")
        expect(page.get_by_text("Restart the print service").first).to_be_visible(timeout=60_000)
        expect(page.get_by_text("1 Source").first).to_be_visible(timeout=30_000)
        shoot(page, "open-webui-answer")
        chip = page.get_by_role("button", name="Page 1").first
        expect(chip).to_be_visible()


def test_requests_about_the_chat(stub: Stub) -> None:
    """After the answer Open WebUI asked for a title and tags; those prompts went to the model without passages."""
    tasks = [str(seen["messages"]) for seen in stub.seen if "### Task:" in str(seen["messages"])]
    assert tasks
    assert not any("Passages:" in task for task in tasks)
