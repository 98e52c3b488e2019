"""The page in a real Chromium: asking, sources, hostile Markdown, keyboard, phone, both languages, history and sync."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")

from playwright.sync_api import Browser, Page, expect

from confluence_sync.service.syncing import Asked, Outcome
from confluence_sync.settings_kinds import Secret
from tests.browser import CHROMIUM, MISSING, chromium, shoot
from tests.llm_stub import Stub, llm_stub
from tests.service_fixture import Service, remember_runs, serve_answers

pytestmark = [pytest.mark.integration, pytest.mark.skipif(not CHROMIUM, reason=MISSING)]

ANSWER = [
    "The journal grows until the disk is full [1]. To free space:\n\n1. Look at its size: `journalctl --disk-usage`\n",
    "2. Shrink it:\n   ```bash\n   journalctl --vacuum-size=1G\n   ```\n3. Check the **limit** in `/etc/systemd/journald.conf` [2]\n\n",
    "| Setting | Value |\n|---|---|\n| SystemMaxUse | 1G |\n| MaxRetentionSec | *2 weeks* |\n",
]
HOSTILE = (
    '<img src=x onerror="window.hacked=1"> <script>window.hacked=1</script>\n\n[click](javascript:window.hacked=1) '
    "[data](data:text/html,x) [ok](https://example.com/a) ![i](https://evil.example/x.png) **<b>bold</b>** https://example.org/b. [1] [99]"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def stub() -> Iterator[Stub]:
    with llm_stub() as running:
        yield running


@pytest.fixture
def service(tmp_path: Path, stub: Stub) -> Iterator[Service]:
    stub.reply = lambda messages: ANSWER
    remember_runs(tmp_path)

    def sync_now(asked: Asked, started: Callable[..., None]) -> Outcome:
        return Outcome(0, {"pages": {"new": 1, "changed": 2, "unchanged": 37}})

    with serve_answers(tmp_path, sync_now=sync_now, litellm_api_base=stub.url + "/v1", litellm_model="good", rate_limit=0) as running:
        yield running


def opened(browser: Browser, service: Service, **options: object) -> Page:
    """The page, in a fresh profile."""
    context = browser.new_context(**{"locale": "en-GB", "viewport": {"width": 1280, "height": 820}, **options})  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(service.base)
    expect(page.locator("#facts dd")).to_have_count(5)
    return page


def ask(page: Page, text: str = "The journal fills the disk") -> None:
    page.fill("#question", text)
    page.keyboard.press("Enter")
    expect(page.locator("article.answer[aria-busy=false]").last).to_be_visible()


def test_asking(browser: Browser, service: Service) -> None:
    """The answer comes as formatted text, its citations lead to sources, and the sources are links to the pages."""
    page = opened(browser, service)
    shoot(page, "page-empty")
    ask(page)
    answer = page.locator("article.answer .body")
    expect(answer.locator("ol > li").nth(1)).to_contain_text("Shrink it")
    expect(answer.locator("pre code")).to_have_text("journalctl --vacuum-size=1G")
    expect(answer.locator("td").first).to_have_text("SystemMaxUse")
    source = answer.locator(".sources a").first
    expect(source).to_have_text("Page 1 › Symptoms")
    assert source.get_attribute("href") == "https://example.atlassian.net/wiki/spaces/KNOWN/pages/1"
    assert source.get_attribute("rel") == "noopener noreferrer"
    answer.locator("a.cite").first.click()
    expect(answer.locator(".sources li").first).to_be_focused()
    shoot(page, "page-answer")


def test_hostile_text_does_nothing(browser: Browser, service: Service, stub: Stub) -> None:
    """HTML and javascript: links in an answer stay text; nothing is loaded from another host; unknown citations vanish."""
    stub.reply = lambda messages: [HOSTILE]
    page = opened(browser, service)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    ask(page)
    answer = page.locator("article.answer .body")
    expect(answer).to_contain_text('<img src=x onerror="window.hacked=1">')
    assert page.evaluate("window.hacked") is None
    assert answer.locator("img, script, b").count() == 0
    links = [link.get_attribute("href") for link in answer.locator("a:not(.cite)").all()]
    assert links[:3] == ["https://example.com/a", "https://evil.example/x.png", "https://example.org/b"]  # a picture is only a link
    assert all(str(link).startswith("https://") for link in links)
    assert all(url.startswith(service.base) for url in asked)
    expect(answer.locator("a.cite")).to_have_count(1)
    shoot(page, "page-hostile")


def test_a_hostile_question_and_title(browser: Browser, tmp_path: Path) -> None:
    """What was typed, and what a page is called, is shown as text too."""
    from dataclasses import replace

    from tests.store_contract import DISK

    evil = DISK.metadata._replace(title="<img src=x onerror=window.hacked=1>", url="javascript:window.hacked=1")
    with serve_answers(tmp_path, chunks=(replace(DISK, metadata=evil),)) as service:
        page = opened(browser, service)
        ask(page, "journal <img src=x onerror=window.hacked=1>")
        expect(page.locator("article.you")).to_contain_text("<img")
        expect(page.locator(".sources")).to_contain_text("<img")
        assert page.locator(".sources a").count() == 0
        assert page.evaluate("window.hacked") is None


def test_french_by_the_browsers_language(browser: Browser, service: Service) -> None:
    """A French browser gets French words, and the document says so."""
    page = opened(browser, service, locale="fr-FR")
    expect(page.locator("#welcome h2")).to_have_text("Que souhaitez-vous savoir ?")
    expect(page.locator("#send")).to_have_text("Envoyer")
    assert page.evaluate("document.documentElement.lang") == "fr"
    ask(page)
    shoot(page, "page-french")


def test_on_a_phone(browser: Browser, service: Service) -> None:
    """At 360 pixels nothing is wider than the screen, and the freshness panel opens on request."""
    page = opened(browser, service, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    ask(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    shoot(page, "page-phone")
    expect(page.locator("#panel")).to_be_hidden()
    page.locator("#open-panel").click()
    expect(page.locator("#panel")).to_be_visible()
    assert page.locator("#open-panel").get_attribute("aria-expanded") == "true"
    shoot(page, "page-phone-panel")


def test_in_the_dark(browser: Browser, service: Service) -> None:
    """The dark scheme has its own colours."""
    page = opened(browser, service, color_scheme="dark")
    ask(page)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 21, 27)"
    shoot(page, "page-dark")


def test_freshness_and_sync(browser: Browser, service: Service) -> None:
    """The panel shows counts and a plot with a table behind it; Sync runs and tells its counts."""
    page = opened(browser, service)
    expect(page.locator("#facts")).to_contain_text("1 Mar 2024")
    assert page.locator("#plot rect").count() == 9
    assert page.locator("#plot table tr").count() == 9
    page.locator("#sync").click()
    expect(page.locator("#sync-state")).to_have_text("Done: 3 updated, 37 unchanged, 0 failed.")


def test_by_keyboard(browser: Browser, service: Service) -> None:
    """Everything is reached with Tab, shows its focus, and has a name for a screen reader."""
    page = opened(browser, service)
    page.locator(".skip").focus()
    seen = ["skip"]
    for _ in range(8):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert [name for name in seen if name in ("skip", "clear", "question", "send", "space", "sync")][:6] == [
        "skip", "clear", "question", "send", "space", "sync",
    ]  # fmt: skip
    tree = page.locator("body").aria_snapshot()
    assert 'textbox "Your question"' in tree
    assert 'combobox "Space"' in tree
    assert 'button "Ask"' in tree
    assert 'button "Sync now"' in tree


def test_history_comes_back(browser: Browser, service: Service) -> None:
    """After a reload the conversation is there with its sources; a new one is empty, also after a reload."""
    page = opened(browser, service)
    ask(page)
    page.reload()
    expect(page.locator("article.answer .sources a").first).to_have_text("Page 1 › Symptoms")
    page.locator("#clear").click()
    expect(page.locator("article")).to_have_count(0)
    page.reload()
    expect(page.locator("#welcome")).to_be_visible()
    expect(page.locator("article")).to_have_count(0)


def test_stopping_an_answer(browser: Browser, tmp_path: Path, stub: Stub) -> None:
    """Stop ends a silent answer, and the model's connection with it."""
    with serve_answers(tmp_path, litellm_api_base=stub.url + "/v1", litellm_model="hang", llm_timeout=60) as service:
        page = opened(browser, service)
        page.fill("#question", "journal")
        page.locator("#send").click()
        expect(page.locator("article.answer")).to_contain_text("One moment")
        page.locator("#send").click()
        expect(page.locator("article.answer")).to_contain_text("Stopped.")
        assert stub.gone.wait(5)


def test_a_failing_model_is_told(browser: Browser, tmp_path: Path, stub: Stub) -> None:
    """An answer that breaks off keeps what came and says that it is not whole."""
    with serve_answers(tmp_path, litellm_api_base=stub.url + "/v1", litellm_model="die") as service:
        page = opened(browser, service)
        ask(page)
        expect(page.locator("article.answer")).to_contain_text("Half an ans")
        expect(page.locator("article.answer .failure")).to_contain_text("broke off")


def test_a_key_is_asked_for(browser: Browser, tmp_path: Path) -> None:
    """With keys the page asks for one, and works with it."""
    with serve_answers(tmp_path, api_key=Secret("k1"), rate_limit=0) as service:
        context = browser.new_context(locale="en-GB")
        page = context.new_page()
        page.goto(service.base)
        expect(page.locator("#key-dialog")).to_be_visible()
        shoot(page, "page-key")
        page.fill("#key", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#key-dialog")).to_be_visible()
        page.fill("#key", "k1")
        page.keyboard.press("Enter")
        expect(page.locator("#sync")).to_be_visible()
        ask(page)
        expect(page.locator(".sources a").first).to_be_visible()
