"""What can go wrong with an answer, each as the client sees it."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import lru_cache
from typing import cast

from confluence_sync.simulator.messages import Answer, encoded, gateway_problem, html, ok, v2_problem

Real = Callable[[], Answer]
ELSEWHERE = "https://elsewhere.invalid"
BOMB_BYTES = 300 * 1024 * 1024
PIECE = 1024 * 1024
HUGE_BYTES = 80 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Effect:
    """What an action may do besides answering: take away the permission for a space."""

    close_space: Callable[[str], None]

    @staticmethod
    def status(status: int, value: str) -> Answer:
        """An error as Confluence or the gateway phrases it; for 429 `value` is Retry-After (seconds, or date:SECONDS, or none)."""
        if status == 429:
            return too_many(value)
        if status in (401, 403):
            return gateway_problem(status, value or ("Unauthorized" if status == 401 else "Forbidden"))
        if status == 410:
            return replace(
                gateway_problem(410, ""), body=encoded({"statusCode": 410, "message": "This deprecated endpoint has been removed."})
            )
        if status >= 500:
            return html(status, value or "Internal error")
        return v2_problem(status, "NOT_FOUND" if status == 404 else "ERROR", value or "Not Found")


def too_many(value: str) -> Answer:
    answer = gateway_problem(429, "Rate limited")
    if value in ("", "none"):
        return answer
    if value.startswith("date:"):
        value = format_datetime(datetime.now(UTC) + timedelta(seconds=float(value[5:])), usegmt=True)
    return replace(answer, headers={**answer.headers, "Retry-After": value, "RateLimit-Reason": "confluence-burst-based"})


def seconds(value: str, default: float) -> float:
    return float(value) if value else default


def cut_short(value: str, real: Real, effect: Effect) -> Answer:
    """Half of the promised bytes (or all but `value`), then the connection closes."""
    answer = real()
    return replace(
        answer, cut=int(value) if value else max(1, len(answer.body) // 2), headers={**answer.headers, "Content-Encoding": "identity"}
    )


def half_json(value: str, real: Real, effect: Effect) -> Answer:
    """Half a document, sent as if it were whole."""
    answer = real()
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def changed(real: Real, change: Callable[[dict[str, object]], None]) -> Answer:
    """The real answer with its JSON object changed; errors and other bodies stay as they are."""
    answer = real()
    try:
        thing = json.loads(answer.body)
    except ValueError:
        return answer
    if answer.status != 200 or not isinstance(thing, dict):
        return answer
    change(thing)
    return replace(answer, body=encoded(thing))


def links_of(thing: dict[str, object]) -> dict[str, object]:
    return cast(dict[str, object], thing.setdefault("_links", {}))


def next_elsewhere(value: str, real: Real, effect: Effect) -> Answer:
    """`next` and `base` on another host (`value`)."""

    def change(thing: dict[str, object]) -> None:
        links, host = links_of(thing), value or ELSEWHERE
        links["base"] = f"{host}/wiki"
        links.update({"next": host + str(links["next"])} if "next" in links else {})

    return changed(real, change)


def repeat_cursor(value: str, real: Real, effect: Effect) -> Answer:
    """`next` carries one and the same cursor for ever."""

    def change(thing: dict[str, object]) -> None:
        links = links_of(thing)
        following = str(links.get("next", "/wiki/api/v2/pages?limit=25&cursor=x"))
        links["next"] = re.sub(r"cursor=[^&]*", f"cursor={value or 'SAME'}", following)

    return changed(real, change)


def empty_with_next(value: str, real: Real, effect: Effect) -> Answer:
    """No results, and yet a `next`, which goes on after what this page should have held: a client that takes it has lost pages."""

    def change(thing: dict[str, object]) -> None:
        thing["results"] = []
        thing.update({"size": 0} if "size" in thing else {})
        links_of(thing).setdefault("next", "/wiki/api/v2/pages?limit=25&cursor=x")

    return changed(real, change)


def dropped_next(value: str, real: Real, effect: Effect) -> Answer:
    """A listing that ends early without saying so."""

    def change(thing: dict[str, object]) -> None:
        links_of(thing).pop("next", None)

    return changed(real, change)


def overlap(value: str, real: Real, effect: Effect) -> Answer:
    """`next` goes back by `value` items, as on Data Center when it gave fewer than the limit: some items come twice."""

    def change(thing: dict[str, object]) -> None:
        links, back = links_of(thing), int(value or 1)
        following = re.sub(r"\bstart=(\d+)", lambda found: f"start={int(found[1]) - back}", str(links.get("next", "")))
        links.update({"next": following} if following else {})

    return changed(real, change)


def wrong_totals(value: str, real: Real, effect: Effect) -> Answer:
    return changed(real, lambda thing: thing.update(size=99_999, totalSize=1, start=7, limit=1))


def wrong_types(value: str, real: Real, effect: Effect) -> Answer:
    """The right names with values of the wrong kind."""

    def change(thing: dict[str, object]) -> None:
        results = thing.get("results")
        if isinstance(results, list):
            thing["results"] = [{**item, "id": ["?"], "version": "one", "title": 7} for item in results if isinstance(item, dict)]
        else:
            thing.update({name: [None] for name in list(thing)})

    return changed(real, change)


def not_an_object(value: str, real: Real, effect: Effect) -> Answer:
    return ok(["not", "an", "object"])


def redirect(value: str, real: Real, effect: Effect) -> Answer:
    return Answer(302, b"", {"Location": value or f"{ELSEWHERE}/login"})


def bomb(value: str, real: Real, effect: Effect) -> Answer:
    """Some 300 KB that unpack to 300 MB."""
    return Answer(200, blanks(int(value) if value else BOMB_BYTES), {"Content-Type": "application/json", "Content-Encoding": "gzip"})


@lru_cache(maxsize=1)
def blanks(size: int) -> bytes:
    """So many blanks, packed. A client that asks again must not cost a second minute of packing."""
    squeeze = zlib.compressobj(9, wbits=31)
    pieces = [squeeze.compress(b" " * min(PIECE, size - at)) for at in range(0, size, PIECE)]
    return b"".join([*pieces, squeeze.flush()])


def huge(value: str, real: Real, effect: Effect) -> Answer:
    size = int(value) if value else HUGE_BYTES
    return Answer(200, b'{"results":[],"x":"' + b"x" * size + b'"}', {"Content-Type": "application/json", "Content-Encoding": "identity"})


def close_space(value: str, real: Real, effect: Effect) -> Answer:
    effect.close_space(value)
    return real()


def reset_after(value: str, real: Real, effect: Effect) -> Answer:
    real()
    return Answer(cut=-1)


Action = Callable[[str, Real, Effect], Answer]
ACTIONS: Mapping[str, Action] = {
    "html200": lambda value, real, effect: html(200, value or "Log in with Atlassian account"),
    "truncate": cut_short,
    "half-json": half_json,
    "slow": lambda value, real, effect: replace(real(), slow=seconds(value, 0.05)),
    "latency": lambda value, real, effect: replace(real(), delay=seconds(value, 0.1)),
    "reset": lambda value, real, effect: Answer(cut=-1),
    "reset-after": reset_after,
    "wrong-types": wrong_types,
    "not-an-object": not_an_object,
    "next-elsewhere": next_elsewhere,
    "repeat-cursor": repeat_cursor,
    "empty-with-next": empty_with_next,
    "no-next": dropped_next,
    "overlap": overlap,
    "wrong-totals": wrong_totals,
    "redirect": redirect,
    "gzip-bomb": bomb,
    "huge": huge,
    "close-space": close_space,
}
