"""Golden questions after a run: a sync that puts everything in and makes it harder to find is no success."""

from __future__ import annotations

import logging

from confluence_sync.errors import SettingsError
from confluence_sync.evaluate import TOP, read_questions, run_eval
from confluence_sync.report import Quality
from confluence_sync.run import Run
from confluence_sync.stores.base import Feature

log = logging.getLogger(__name__)

FELL = 3  # exit code: what was asked for is in, but not as good as it must be


def check_questions(job: Run) -> None:
    """Before a run does anything: a file that cannot be read must not be found out after hours. Raises SettingsError."""
    if job.settings.eval_file is None:
        return
    read_questions(job.settings.eval_file)
    if Feature.QUERY not in job.backend.features:
        raise SettingsError(f"EVAL_FILE: a {job.backend.name} store cannot be asked; leave EVAL_FILE empty")


def ask_golden(job: Run) -> None:
    """Asks what readers would ask, of what readers have now; too few right answers make a run that did well exit with 3."""
    if job.settings.eval_file is None:
        return
    result = run_eval(job.replaces or job.store, job.settings.eval_file, TOP)
    least = job.settings.eval_least / 100
    missed = [answer.golden.question for answer in result.missed]
    seen = Quality(len(result.answers), result.hit1, result.hits, result.mrr, least, result.hits < least, missed[:100])
    job.report.quality = seen
    log.log(logging.ERROR if seen.fell else logging.INFO, "%s", "\n".join([str(seen), *result.as_text().splitlines()[1:]]))
    if seen.fell:
        job.report.exit = job.report.exit or FELL
