"""What the service says when it cannot do what was asked: a status, a code, a sentence and details, in one shape for every route."""

from __future__ import annotations

from collections.abc import Mapping

from confluence_sync.errors import BadAnswer, ConfluenceSyncError, NotFound, RateLimited, Rejected, RemoteError, SettingsError

Details = Mapping[str, object]

CODES = {
    400: "invalid_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    422: "validation",
    429: "rate_limited",
    500: "internal",
    502: "bad_gateway",
    503: "not_ready",
    504: "timeout",
}


class Problem(ConfluenceSyncError):
    """An answer other than 2xx. `details` are JSON values; `headers` go out with it."""

    def __init__(self, status: int, message: str, code: str = "", details: Details | None = None, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.status = status
        self.code = code or CODES.get(status, "error")
        self.details = dict(details or {})
        self.headers = dict(headers or {})

    def body(self) -> dict[str, object]:
        """The JSON that every route answers with; `detail` repeats the message for clients written against FastAPI."""
        error = {"code": self.code, "type": self.code, "message": str(self), "details": self.details}
        return {"error": error, "detail": str(self)}


def invalid(message: str, **details: object) -> Problem:
    """422: the request is JSON, but a value in it cannot be used."""
    return Problem(422, message, details=details)


def no_collection(name: str) -> Problem:
    return Problem(404, f"there is no collection {name!r}; create it first", "collection_not_found", {"collection_id": name})


def from_failure(error: ConfluenceSyncError) -> Problem:
    """What went wrong further inside, as an answer: our callers cannot cure settings, and remote ends that fail are not our failure."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Rejected) and error.chunk_ids:
        return invalid(str(error), ids=list(error.chunk_ids))
    kinds = ((RateLimited, 503), (NotFound, 502), (BadAnswer, 502), (RemoteError, 502), (SettingsError, 503))
    status = next((status for kind, status in kinds if isinstance(error, kind)), 500)
    return Problem(status, str(error))
