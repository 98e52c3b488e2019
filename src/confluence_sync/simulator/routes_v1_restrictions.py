"""Who may read and change a page, in v1: a page that the simulator restricts is hidden, so that one which is seen has no restrictions."""

from __future__ import annotations

from confluence_sync.simulator.calls import Call
from confluence_sync.simulator.messages import Answer, not_found_v1, ok

Payload = dict[str, object]


def restrictions(call: Call) -> Answer:
    found = call.wiki.seen(call.params[0])
    if found is None:
        raise not_found_v1(call.params[0])
    where = f"{call.base}/rest/api/content/{found.id}/restriction/byOperation"
    given: Payload = {operation: _nobody(operation, where) for operation in ("read", "update")}
    return ok({**given, "_links": {"self": where, "base": call.base, "context": call.context}})


def _nobody(operation: str, where: str) -> Payload:
    nothing: Payload = {"results": [], "start": 0, "limit": 100, "size": 0}
    return {
        "operation": operation,
        "restrictions": {"user": nothing, "group": nothing},
        "_expandable": {"content": ""},
        "_links": {"self": f"{where}/{operation}"},
    }
