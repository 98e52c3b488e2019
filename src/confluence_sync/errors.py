"""Every way a run can fail, and the exit code that says so.

    ConfluenceSyncError                1   a bug, unless a subclass says better
    ├── SettingsError                  2   a setting is missing or wrong; a retry cannot cure it
    │   └── CredentialsError           2   the server does not accept who we say we are
    ├── PagesFailed                    3   some pages failed, the rest is in
    ├── Refused                        4   held back or refused, because doing it could lose data
    └── RemoteError                    5   the other end does not work; a later run may
        ├── NotAllowed                     401 or 403 for one resource
        ├── NotFound                       404
        ├── Gone                           410: this route was removed, another may serve
        ├── Rejected                       any other 4xx: our request is wrong for this server
        ├── RateLimited                    429 for longer than we wait
        ├── ServerFailed                   5xx, a time-out or a broken connection
        ├── TooLarge                       the answer is larger than we are willing to read
        └── BadAnswer                      200, but not what the interface promises
    KeyboardInterrupt
    └── Interrupted                    130 or 143, resumable

A message says what failed, with which numbers, and what to do next. It never carries a secret.
"""


class ConfluenceSyncError(Exception):
    """The root: whoever catches this catches everything we raise on purpose."""

    exit_code = 1


class SettingsError(ConfluenceSyncError):
    """One or more settings are missing or wrong; `problems` has one line for each."""

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class CredentialsError(SettingsError):
    """The server answered, and does not accept our credentials."""


class PagesFailed(ConfluenceSyncError):
    """Some pages could not be brought over; the others are in the store."""

    exit_code = 3


class Refused(ConfluenceSyncError):
    """What was asked could lose data, so it was not done (a mass deletion, another space, a foreign collection)."""

    exit_code = 4


class RemoteError(ConfluenceSyncError):
    """The other end failed. `status` is the HTTP status, 0 when there was none; `sent` says whether the request may have taken effect."""

    exit_code = 5

    def __init__(self, message: str, status: int = 0, *, sent: bool = True) -> None:
        super().__init__(message)
        self.status = status
        self.sent = sent


class NotAllowed(RemoteError):
    """401 or 403. On Atlassian's gateway a 401 on one route may only mean that the token lacks that route's scope."""


class NotFound(RemoteError):
    """404: missing, or not visible to this account (Confluence Cloud does not tell the two apart).

    `by_service` is False when the answer was no JSON: then a proxy or another server may have said it, which proves nothing.
    """

    def __init__(self, message: str, status: int = 0, *, sent: bool = True, by_service: bool = True) -> None:
        super().__init__(message, status, sent=sent)
        self.by_service = by_service


class Gone(RemoteError):
    """410: the route was removed from this server."""


class Rejected(RemoteError):
    """Another 4xx: the server understood us and says no.

    From Store.write, `chunk_ids` names the chunks that were refused; all others of that call are in.
    """

    def __init__(self, message: str, status: int = 0, *, sent: bool = True, chunk_ids: tuple[str, ...] = ()) -> None:
        super().__init__(message, status, sent=sent)
        self.chunk_ids = chunk_ids


class RateLimited(RemoteError):
    """429, and the server asks for more patience than a run has."""


class ServerFailed(RemoteError):
    """5xx, a time-out or a broken connection, after every retry."""


class TooLarge(RemoteError):
    """The answer is larger than the limit given for it."""


class BadAnswer(RemoteError):
    """A success status with a body that is not what the interface promises (HTML, half a document, wrong types)."""


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM arrived; the run stopped where the next one can go on.

    No Exception: it is raised wherever the program happens to be, and logging, for one, swallows every Exception in a handler.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by signal {signal_number}; the next run goes on where this one stopped")
        self.exit_code = 128 + signal_number
