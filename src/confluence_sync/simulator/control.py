"""The control endpoint /_control, with which another process changes the wiki, sets faults and reads the counters."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from confluence_sync.errors import SettingsError
from confluence_sync.simulator.faults import rule_from
from confluence_sync.simulator.messages import Answer, Request, ok, problem

if TYPE_CHECKING:
    from confluence_sync.simulator.server import Simulator


def control(simulator: Simulator, request: Request) -> Answer:
    """POST {"op", ...} or a list of them applies changes, {"faults": [...]} sets rules; GET /_control/requests, POST /_control/reset."""
    if request.method == "GET" and request.path == "/_control/requests":
        return ok({"requests": dict(simulator.requests), "lines": simulator.lines[-1000:], "total": len(simulator.lines)})
    if request.method == "POST" and request.path == "/_control/reset":
        simulator.forget_requests()
        return ok({"done": 0})
    if request.method != "POST" or request.path != "/_control":
        return problem(404, {"message": "POST /_control, GET /_control/requests or POST /_control/reset"})
    try:
        return ok({"done": _obey(simulator, json.loads(request.body))})
    except KeyError as error:
        return problem(404, {"message": f"there is no content {error}"})
    except (ValueError, SettingsError) as error:
        return problem(400, {"message": str(error)})


def _obey(simulator: Simulator, asked: object) -> int:
    """Does what was asked and returns the number of changes made."""
    wishes = asked if isinstance(asked, list) else [asked]
    for wish in wishes:
        if not isinstance(wish, Mapping):
            raise ValueError("expected an object or a list of objects")
        if "faults" in wish:
            simulator.faults.put(rule_from(rule) for rule in wish["faults"])
        else:
            simulator.apply(wish)
    return len(wishes)
