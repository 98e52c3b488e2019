"""Requests and answers as the simulator sees them: plain values, with the few error bodies Confluence really sends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote

import orjson

from confluence_sync.simulator.contents import Json


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are in lower case; `target` is path and query as they were sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. `delay` is in seconds before it is sent.

    `cut` bytes of the body are left out and the connection is closed; -1 closes it without any answer.
    `slow` seconds pass between each of ten pieces of the body.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: int = 0
    slow: float = 0.0


class Refusal(Exception):
    """Raised by a route to answer with an error."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def encoded(payload: object) -> bytes:
    """JSON in UTF-8. Lone surrogates, which page titles can hold, are escaped."""
    try:
        return orjson.dumps(payload)
    except orjson.JSONEncodeError:  # which takes no lone surrogates
        return json.dumps(payload).encode()


def ok(payload: object, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(200, encoded(payload), {"Content-Type": "application/json", **named})


def problem(status: int, payload: Json) -> Answer:
    return Answer(status, encoded(payload), {"Content-Type": "application/json"})


def html(status: int, words: str, **headers: str) -> Answer:
    page = f"<!DOCTYPE html><html><head><title>{words}</title></head><body><h1>{words}</h1></body></html>"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, page.encode(), {"Content-Type": "text/html;charset=UTF-8", **named})


def gateway_problem(status: int, message: str) -> Answer:
    """What Atlassian's gateway says itself, before Confluence is asked."""
    return problem(status, {"code": status, "message": message})


def v2_problem(status: int, code: str, title: str) -> Answer:
    return problem(status, {"errors": [{"status": status, "code": code, "title": title, "detail": None}]})


def v1_problem(status: int, exception: str, message: str) -> Answer:
    data = {"authorized": status != 403, "valid": True, "errors": [], "successful": status == 410}
    full = f"com.atlassian.confluence.api.service.exceptions.{exception}: {message}"
    return problem(status, {"statusCode": status, "data": data, "message": full})


GONE = problem(
    410,
    {
        "statusCode": 410,
        "data": {"authorized": True, "valid": True, "errors": [], "successful": True},
        "message": "com.atlassian.confluence.api.service.exceptions.pagesmodes.GoneException: This deprecated endpoint has been removed.",
    },
)


def not_found_v2() -> Refusal:
    return Refusal(v2_problem(404, "NOT_FOUND", "Not Found"))


def bad_request_v2(why: str) -> Refusal:
    return Refusal(v2_problem(400, "INVALID_REQUEST_PARAMETER", why))


def not_found_v1(content_id: str) -> Refusal:
    return Refusal(v1_problem(404, "NotFoundException", f"No content found with id: ContentId{{id={content_id}}}"))


def bad_request_v1(why: str) -> Refusal:
    return Refusal(v1_problem(400, "BadRequestException", why))
