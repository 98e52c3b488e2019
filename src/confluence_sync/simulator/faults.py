"""Faults on request: which requests go wrong, and when."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from functools import partial
from urllib.parse import unquote_plus

from confluence_sync.errors import SettingsError
from confluence_sync.simulator.contents import Json
from confluence_sync.simulator.fault_actions import ACTIONS, Effect
from confluence_sync.simulator.messages import Answer, Request


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault: requests whose "METHOD target" (decoded) contains the pattern `route` get `action`.

    Counting only the requests that match, it strikes the `nth` one, every `every`-th, those `after` a number, at most `times`
    in all, and of those a share of `probability`. `more_than`: only requests with more ids or a larger limit. `page`: only
    answers that hold this page's body. `value` is what the action needs (seconds, an address, a space key, see ACTIONS).
    """

    route: str
    action: str
    value: str = ""
    nth: int = 0
    every: int = 0
    after: int = 0
    times: int = 0
    probability: float = 1.0
    more_than: int = 0
    page: str = ""

    def __post_init__(self) -> None:
        if self.action not in ACTIONS and not re.fullmatch(r"[2-5]\d\d", self.action):
            raise SettingsError(f"fault {self.action!r} does not exist; use a status such as 500, or one of {', '.join(sorted(ACTIONS))}")
        try:
            re.compile(self.route)
        except re.error as error:
            raise SettingsError(f"fault route {self.route!r} is not a regular expression: {error}") from error


@dataclass
class Faults:
    """The rules in force with what they have counted.

    The first rule that strikes a request decides; one that lets the answer through (slowly, in part) lets through what the next ones say.
    """

    rules: list[Rule] = field(default_factory=list)
    seed: int = 1
    matched: dict[int, int] = field(default_factory=dict)
    struck: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def put(self, rules: Iterable[Rule]) -> None:
        """These rules in place of the present ones; counting starts anew."""
        self.rules = list(rules)
        self.matched.clear()
        self.struck.clear()
        self.random = random.Random(self.seed)

    def answer(self, request: Request, real: Callable[[], Answer], effect: Effect) -> Answer:
        """What the client gets: the real answer, or what the first striking rule makes of it."""
        return self._answer(0, request, real, effect)

    def _answer(self, start: int, request: Request, real: Callable[[], Answer], effect: Effect) -> Answer:
        said = f"{request.method} {unquote_plus(request.target)}"
        for number, rule in enumerate(self.rules[start:], start):
            if not re.search(rule.route, said) or not large(rule, request) or (rule.page and not holds_body(rule.page, request, real)):
                continue
            if self._strikes(number, rule):
                return strike(rule, request, partial(self._answer, number + 1, request, real, effect), effect)
        return real()

    def _strikes(self, number: int, rule: Rule) -> bool:
        count = self.matched[number] = self.matched.get(number, 0) + 1
        due = (
            (not rule.nth or count == rule.nth)
            and (not rule.every or count % rule.every == 0)
            and count > rule.after
            and (not rule.times or self.struck.get(number, 0) < rule.times)
            and (rule.probability >= 1 or self.random.random() < rule.probability)
        )
        self.struck[number] = self.struck.get(number, 0) + due
        return due


def large(rule: Rule, request: Request) -> bool:
    """Whether the request asks for more than the rule lets pass: by its ids where it has any, else by its limit."""
    if not rule.more_than:
        return True
    query = request.query
    asked = [part for value in query.get("id", []) for part in value.split(",")] or re.findall(r"\d+", _ids_in_cql(query))
    limit = query.get("limit", ["25"])[0]
    return (len(asked) if asked else int(limit) if limit.isdecimal() else 0) > rule.more_than


def _ids_in_cql(query: dict[str, list[str]]) -> str:
    found = re.search(r"\bid\s+in\s*\(([^)]*)\)", query.get("cql", [""])[0])
    return found[1] if found else ""


def holds_body(page: str, request: Request, real: Callable[[], Answer]) -> bool:
    """Whether the real answer would hold the body of this page."""
    return "body" in request.target and f'"id":"{page}"'.encode() in real().body


def strike(rule: Rule, request: Request, real: Callable[[], Answer], effect: Effect) -> Answer:
    action = ACTIONS.get(rule.action)
    return action(rule.value, real, effect) if action else Effect.status(int(rule.action), rule.value)


def read_rules(spec: str) -> list[Rule]:
    """Rules from text: "ROUTE -> ACTION[=VALUE] [name=number ...]", several separated by ; (see README of the simulator's --help)."""
    return [_rule(part.strip()) for part in spec.split(";") if part.strip()]


def _rule(part: str) -> Rule:
    route, arrow, rest = part.partition("->")
    words = rest.split()
    if not arrow or not words:
        raise SettingsError(f'fault {part!r}: expected "ROUTE -> ACTION[=VALUE] [every=N ...]", as in "content/search -> 429=2 every=5"')
    action, _, value = words[0].partition("=")
    return rule_from({"route": route.strip() or ".", "action": action, "value": value, **dict(_setting(word, part) for word in words[1:])})


def _setting(word: str, part: str) -> tuple[str, str]:
    name, _, value = word.partition("=")
    return name.replace("-", "_"), value


def rule_from(thing: Json) -> Rule:
    """A rule from plain values, as they come in JSON or on the command line."""
    kinds = {f.name: str(f.type) for f in fields(Rule)}
    unknown = set(thing) - set(kinds)
    if unknown:
        raise SettingsError(f"fault setting {', '.join(sorted(unknown))} does not exist; use {', '.join(kinds)}")
    try:
        read = {name: _typed(kinds[name], value) for name, value in thing.items()}
    except ValueError as error:
        raise SettingsError(f"fault {dict(thing)!r}: {error}") from error
    return Rule(**read)  # type: ignore[arg-type]  # each value was turned into its field's type


def _typed(kind: str, value: object) -> object:
    return int(str(value)) if kind == "int" else float(str(value)) if kind == "float" else str(value)
