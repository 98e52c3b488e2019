"""What became of a page that a whole listing did not show: each kind of absence by its own proof, and doubt where there is none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from statistics import median
from typing import Any

import pytest

from confluence_sync.fetch import FEWEST, _Depth, fetched
from confluence_sync.mentions import with_names
from confluence_sync.model import Page, PageRef, Presence, Scope
from confluence_sync.simulator.faults import read_rules
from confluence_sync.simulator.server import Simulator
from confluence_sync.source.base import Failure
from confluence_sync.source.confluence import Confluence
from confluence_sync.source.connect import open_source
from confluence_sync.workshop import Batch
from tests.conftest import HASTY, SettingsFor
from tests.simulator_client import family, page

SHAPES = ("gateway", "site", "dc")
Asked = tuple[Confluence, Scope]


@pytest.fixture
def asked(simulator: Simulator, settings_for: SettingsFor) -> Iterator[Callable[..., Asked]]:
    """Opens a source that has seen its space, with the scope of that space."""
    made: list[Confluence] = []

    def opening(shape: str = "gateway") -> Asked:
        made.append(open_source(settings_for(simulator, shape), HASTY))
        space = next(space for space in made[-1].spaces() if space.key == "OPS")
        list(made[-1].listing(space, 250))
        return made[-1], Scope(space)

    yield opening
    for source in made:
        source.close()


@pytest.mark.parametrize("shape", SHAPES)
def test_each_absence_is_told_from_the_others(simulator: Simulator, asked: Callable[..., Asked], shape: str) -> None:
    """Current, trashed, archived, moved, deleted and restricted pages, in one question."""
    simulator.trash("2")
    simulator.archive("3")
    simulator.move_space("4", "KB")
    simulator.delete("5")
    simulator.restrict("6")
    source, scope = asked(shape)
    answers = source.presence(["1", "2", "3", "4", "5", "6"], scope)
    assert answers == {
        "1": Presence.CURRENT,
        "2": Presence.TRASHED,
        "3": Presence.ARCHIVED,
        "4": Presence.MOVED,
        "5": Presence.INVISIBLE,
        "6": Presence.INVISIBLE,
    }
    assert [page_id for page_id, one in answers.items() if one.gone] == ["2", "3", "4", "5", "6"]


def test_many_pages_cost_few_requests(settings_for: SettingsFor) -> None:
    """What v2 shows of 300 pages costs two requests; only what it does not show is asked for alone."""
    with Simulator(family(300)) as simulator:
        source = open_source(settings_for(simulator), HASTY)
        [space] = source.spaces()
        simulator.delete("7")
        simulator.forget_requests()
        answers = source.presence([str(n) for n in range(1, 301)], Scope(space))
        source.close()
        assert answers["7"] is Presence.INVISIBLE
        assert dict(simulator.requests) == {"GET /api/v2/pages": 2, "GET /api/v2/pages/{id}": 1}


@pytest.mark.parametrize("fault", ["401", "403", "410", "500", "html200", "half-json", "reset", "redirect", "not-an-object"])
@pytest.mark.parametrize("shape", SHAPES)
def test_trouble_is_no_proof(simulator: Simulator, asked: Callable[..., Asked], shape: str, fault: str) -> None:
    """A page that is deleted, while every question about it fails, is not known to be gone."""
    source, scope = asked(shape)
    simulator.delete("5")
    simulator.faults.put(read_rules(f"(pages|content) -> {fault}"))
    assert source.presence(["5"], scope) == {"5": Presence.UNKNOWN}
    assert not Presence.UNKNOWN.gone


def test_search_proves_nothing(simulator: Simulator, asked: Callable[..., Asked]) -> None:
    """Where only search serves, a page it does not show may be late in its index: not known."""
    simulator.faults.put(read_rules("api/v2 -> 410"))
    source, scope = asked()
    simulator.delete("5")
    assert source.presence(["4", "5"], scope) == {"4": Presence.CURRENT, "5": Presence.UNKNOWN}


def test_a_draft_is_not_judged(simulator: Simulator, asked: Callable[..., Asked]) -> None:
    """A status that nobody foresaw is no proof of anything."""
    source, scope = asked("dc")
    simulator._replace("3", status="draft")
    assert source.presence(["3"], scope) == {"3": Presence.UNKNOWN}


@pytest.mark.parametrize("shape", SHAPES)
def test_out_of_the_folder_is_told_by_its_own_ancestors(asked: Callable[..., Asked], shape: str) -> None:
    """A page that is current but not below the folder of the scope has left it."""
    source, scope = asked(shape)
    below = replace(scope, folder_id="2")
    assert source.presence(["4", "3"], below) == {"4": Presence.CURRENT, "3": Presence.OUT_OF_SCOPE}


@pytest.mark.parametrize("shape", SHAPES)
def test_out_of_the_labels_is_told_by_its_own_labels(asked: Callable[..., Asked], shape: str) -> None:
    """A page that carries none of the labels of the scope any more has left it."""
    source, scope = asked(shape)
    labelled = replace(scope, labels=("even",))
    assert source.presence(["4", "3"], labelled) == {"4": Presence.CURRENT, "3": Presence.OUT_OF_SCOPE}


def test_ancestors_that_cannot_be_asked_for_are_no_proof(simulator: Simulator, asked: Callable[..., Asked]) -> None:
    """Trouble with the question about the folder leaves the page where it is."""
    source, scope = asked()
    simulator.faults.put(read_rules("ancestors -> 500"))
    assert source.presence(["3"], replace(scope, folder_id="2")) == {"3": Presence.UNKNOWN}


def test_labels_that_cannot_be_asked_for_are_no_proof(simulator: Simulator, asked: Callable[..., Asked]) -> None:
    """Without a right to labels no page is said to have lost one."""
    source, scope = asked()
    simulator.faults.put(read_rules("content/search -> 403; labels -> 403"))
    assert source.presence(["3"], replace(scope, labels=("even",))) == {"3": Presence.CURRENT}


# reading ahead, and names


class Counting:
    """A source that counts how many reads are begun, and how many there are at once; each takes `seconds`."""

    def __init__(self) -> None:
        self.begun = self.ended = self.at_once = self.most_at_once = 0
        self.seconds, self._lock = 0.0, threading.Lock()

    def pages(self, refs: list[PageRef], space: object) -> list[Page | Failure]:
        with self._lock:
            self.begun += 1
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.seconds)
        with self._lock:
            self.at_once -= 1
            self.ended += 1
        return [Failure(ref.id, ref.title, "not read") for ref in refs]


def refs(number: int) -> list[PageRef]:
    return [PageRef(str(number), 1, "t")]


def test_reading_stays_a_little_ahead() -> None:
    """Bodies come in order, and no more requests than allowed are begun before somebody uses them."""
    source: Any = Counting()
    batches = fetched(source, source, (refs(n) for n in range(100)), 3)
    first = next(batches)
    assert [one.page_id for one in first if isinstance(one, Failure)] == ["0"]
    assert source.begun <= 3
    assert [one.page_id for batch in batches for one in batch if isinstance(one, Failure)] == [str(n) for n in range(1, 100)]


def test_the_slower_side_decides_how_much_is_asked_for_ahead() -> None:
    """Answers that nobody needs yet hold megabytes: where the reader is the slower one, few wait. Where the line is the slower one,
    (nearly) all requests that are allowed are in flight."""
    source: Any = Counting()
    handed = []

    def all_refs() -> Iterator[list[PageRef]]:
        for number in range(60):
            handed.append(number)
            yield refs(number)

    batches = fetched(source, source, all_refs(), 6)
    waiting = []
    for used in range(1, 38):
        next(batches)
        while source.ended < len(handed):
            time.sleep(0.001)
        time.sleep(0.01)  # for the thread that has the answer to hand it over
        waiting.append(source.begun - used)
    assert median(waiting[10:]) <= FEWEST, waiting  # it would be 5
    source.seconds, source.most_at_once = 0.15, 0
    assert len(list(batches)) == 60 - 37
    assert source.most_at_once > 2 * FEWEST


def test_an_answer_is_not_held_back_for_a_slow_listing() -> None:
    """Batches that come out of a listing come one at a time: an answer is handed on with the next of them, not when all are in flight."""
    source: Any = Counting()
    handed = []

    def slow_refs() -> Iterator[list[PageRef]]:
        for number in range(5):
            time.sleep(0.3)
            handed.append(number)
            yield refs(number)

    batches = fetched(source, source, slow_refs(), 5)
    next(batches)
    assert len(handed) == 2
    next(batches)
    assert len(handed) == 3


def test_a_reader_that_stops_stops_the_reading() -> None:
    """When nobody uses what comes, no further batch is begun."""
    source: Any = Counting()
    batches = fetched(source, source, (refs(n) for n in range(100)), 3)
    next(batches)
    batches.close()  # type: ignore[attr-defined]  # a generator
    assert source.begun <= 4


class Names:
    """A source of batches and a state in one, which know some names."""

    id = "cloud:x"

    def __init__(self, *batches: list[Page | Failure]) -> None:
        self.batches = batches
        self.asked: list[list[str]] = []
        self.noted: dict[str, str] = {}

    def pages(self, refs: list[PageRef], space: object) -> list[Page | Failure]:
        return self.batches[int(refs[0].id)]

    def names(self, user_ids: list[str]) -> dict[str, str]:
        self.asked.append(list(user_ids))
        return {user: ("" if user == "nameless" else f"Name of {user}") for user in user_ids}

    def note_names(self, source: str, names: dict[str, str]) -> None:
        self.noted |= names


def named(known: Any, users: dict[str, str], concurrency: int = 1) -> list[Batch]:
    return list(with_names(known, known, map(refs, range(len(known.batches))), concurrency, known, "scope", users))


def mentioning(*users: str) -> Page:
    body = "".join(f'<ac:link><ri:user ri:account-id="{user}"/></ac:link>' for user in users)
    return Page(PageRef("1", 1, "t"), "cloud:x", "OPS", "Ops", "s", "u", body.encode())


def test_names_of_mentioned_users_are_asked_once() -> None:
    """Each user is looked up once and remembered; who has no name and who is known is not asked for again in the same run."""
    batches: list[list[Page | Failure]] = [
        [mentioning("ada", "bob"), Failure("2", "t", "why")],
        [mentioning("bob", "carl", "nameless")],
        [mentioning("ada", "nameless")],
    ]
    known: Any = Names(*batches)
    users = {"ada": "Ada"}
    (first, failure), second, third = batches
    given = [batch.pages for batch in named(known, users)]
    assert given[0] == [failure]
    assert len(given) == 4
    assert all(pages in given for pages in ([first], second, third))
    assert known.asked == [["bob"], ["carl", "nameless"]]
    assert users == {"ada": "Ada", "bob": "Name of bob", "carl": "Name of carl"}
    assert known.noted == {"bob": "Name of bob", "carl": "Name of carl"}


def test_pages_travel_with_the_names_they_need_alone() -> None:
    """A large site has thousands of names, of which a batch mentions a few."""
    pages: list[Page | Failure] = [mentioning("ada"), replace(mentioning("new"), ref=PageRef("2", 1, "t"))]
    users = {"ada": "Ada", "bob": "Bob"}
    assert named(Names(pages), users) == [Batch([pages[0]], {"ada": "Ada"}), Batch([pages[1]], {"new": "Name of new"})]


def test_pages_without_mentions_do_not_wait_for_names() -> None:
    """The names of some pages of a batch are asked for while the others are being converted."""
    other = replace(mentioning(), ref=PageRef("2", 1, "t"))
    known: Any = Names([mentioning("ada"), other])
    answered, real = threading.Event(), known.names
    known.names = lambda user_ids: (answered.wait(20), real(user_ids))[1]
    users: dict[str, str] = {}
    batches = with_names(known, known, [refs(0)], 1, known, "scope", users)
    assert next(batches) == Batch([other], {})
    assert users == {}
    answered.set()
    assert next(batches) == Batch([mentioning("ada")], {"ada": "Name of ada"})
    assert users == {"ada": "Name of ada"}


def test_the_next_pages_are_asked_for_while_names_are_waited_for() -> None:
    """On a slow line the names of the first pages take as long as the next pages do."""
    first, second = [mentioning("ada")], [replace(mentioning(), ref=PageRef("2", 1, "t"))]
    known: Any = Names(first, second)  # type: ignore[arg-type]  # lists are invariant
    asked, pages, names, in_time = threading.Event(), known.pages, known.names, []
    known.pages = lambda refs, space: (asked.set() if refs[0].id == "1" else None, pages(refs, space))[1]
    known.names = lambda user_ids: (in_time.append(asked.wait(5)), names(user_ids))[1]
    given = [batch.pages for batch in named(known, {})]
    assert in_time == [True]
    assert sorted(given, key=str) == sorted([first, second], key=str)


def test_an_empty_name_is_no_name() -> None:
    """A user whose name may not be seen stays an id."""
    known: Any = Names([mentioning("nameless")])
    users: dict[str, str] = {}
    named(known, users)
    assert users == known.noted == {}


def test_hundreds_of_names_are_asked_in_parts() -> None:
    """At most 250 users a request."""
    known: Any = Names([mentioning(*(f"u{n}" for n in range(600)))])
    named(known, {})
    assert [len(some) for some in known.asked] == [250, 250, 100]


def test_batches_that_are_read_at_once_do_not_ask_for_the_same_names() -> None:
    """Names are looked up where pages are read, in several threads: what one is asking for, the others wait for."""
    known: Any = Names(*[[mentioning("ada", f"u{n // 4}")] for n in range(40)])
    real = known.names
    known.names = lambda user_ids: (time.sleep(0.005), real(user_ids))[1]
    users: dict[str, str] = {}
    assert [batch.pages for batch in named(known, users, concurrency=8)] == list(known.batches)
    asked = [user for some in known.asked for user in some]
    assert sorted(asked) == sorted({"ada", *(f"u{n}" for n in range(10))})
    assert known.noted == users


def test_mentions_read_as_names(settings_for: SettingsFor) -> None:
    """A mentioned user reads as @Name in what is stored, looked up through Confluence."""
    from confluence_sync.plan import Wanted
    from confluence_sync.run import Means
    from confluence_sync.stores.memory import MemoryBackend
    from confluence_sync.sync import run

    body = {"storage": {"value": '<p>Ask <ac:link><ri:user ri:account-id="712020:abc"/></ac:link>.</p>'}}
    backend = MemoryBackend()
    with Simulator([page(1, body=body)]) as simulator:
        run(settings_for(simulator), Wanted(), Means(patience=HASTY, backend=backend))
    [hit] = backend.open("confluence").query("Ask", 5)
    assert "@Person" in hit.text
    assert "712020" not in hit.text


@pytest.mark.parametrize("fault", ["500", "empty-with-next", "half-json"])
def test_names_that_could_not_be_asked_for_come_in_with_the_next_run(settings_for: SettingsFor, fault: str) -> None:
    """A failing question stops no page; the next run asks again and reads the page anew, and the one after that does nothing."""
    from confluence_sync.plan import Wanted
    from confluence_sync.run import Means
    from confluence_sync.stores.memory import MemoryBackend
    from confluence_sync.sync import run

    body = {"storage": {"value": '<p>Ask <ac:link><ri:user ri:account-id="712020:abc"/></ac:link>.</p>'}}
    backend, found = MemoryBackend(), []
    with Simulator([page(1, body=body)]) as simulator:
        for rules in (f"users-bulk -> {fault}", "", ""):
            simulator.faults.put(read_rules(rules))
            report = run(settings_for(simulator), Wanted(), Means(patience=HASTY, backend=backend))
            [hit] = backend.open("confluence").query("Ask", 5)
            found.append((report.exit, report.chunks.written, "@Person" in hit.text))
    assert found == [(0, 1, False), (0, 1, True), (0, 0, True)]


def test_names_and_labels_that_were_refused_come_in_once_they_are_given(settings_for: SettingsFor) -> None:
    """A run without the scopes for labels and users writes the pages without them; the first run that may see them brings them in."""
    from confluence_sync.plan import Wanted
    from confluence_sync.run import Means
    from confluence_sync.stores.memory import MemoryBackend
    from confluence_sync.sync import run

    body = {"storage": {"value": '<p>Ask <ac:link><ri:user ri:account-id="712020:abc"/></ac:link>.</p>'}}
    labels = {"labels": {"results": [{"name": "red"}]}}
    backend = MemoryBackend()
    with Simulator([page(1, body=body, metadata=labels), page(2)]) as simulator:

        def sync() -> tuple[int, str, tuple[str, ...]]:
            report = run(settings_for(simulator), Wanted(), Means(patience=HASTY, backend=backend))
            [hit] = [hit for hit in backend.open("confluence").query("Ask", 5) if hit.metadata.page_id == "1"]
            assert report.exit == 0
            return report.spaces[0].pages.changed, hit.text, hit.metadata.labels

        simulator.faults.put(read_rules("users-bulk -> 403; content/search -> 403; labels -> 403; rest/api/content/ -> 410"))
        sync()
        before = simulator.requests.total()
        changed, text, found = sync()
        assert (changed, "@Person" in text, found) == (0, False, ())
        refused = simulator.requests.total() - before
        simulator.faults.put([])
        changed, text, found = sync()
        assert (changed, "@Person" in text, found) == (1, True, ("red",))
        before = simulator.requests.total()
        assert sync()[0] == 0
        asked_again, who_are_we = 4, 3  # search, labels, v1 and names; each refusal but that of search may be the token's end
        assert refused - (simulator.requests.total() - before) == asked_again + who_are_we


def test_how_far_ahead_follows_who_waits() -> None:
    """One more answer for each wait, one fewer only where all were there three times in a row, within what it may be."""
    depth = _Depth(2, 4)
    for waited, plenty, wanted in (
        (True, False, 3), (False, True, 3), (False, True, 3), (False, False, 3), (False, True, 3), (False, True, 3), (False, True, 2),
        (False, True, 2), (False, True, 2), (False, True, 2), (True, True, 3), (True, False, 4), (True, False, 4),
    ):  # fmt: skip
        depth.adjust(waited, plenty)
        assert depth.now == wanted
