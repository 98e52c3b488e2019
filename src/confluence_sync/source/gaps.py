"""What an account turned out not to get: told once, remembered, and left out from then on."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

log = logging.getLogger(__name__)


@dataclass
class Gaps:
    """Reasons by what is missing. `what in gaps` says that asking again is of no use in this run."""

    reasons: dict[str, str] = field(default_factory=dict)

    def __contains__(self, what: str) -> bool:
        return what in self.reasons

    def leave_out(self, what: str, why: str) -> None:
        if what not in self.reasons:
            self.reasons[what] = why
            log.warning("%s", why)
