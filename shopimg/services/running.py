"""One attempt at a job: claim, enhance under a deadline while the lease is kept alive, record."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, InterfaceError, connections

from shopimg.conf import settings
from shopimg.contract import (
    Deadline,
    EnhancementError,
    JobSupersededError,
    SourceMissingError,
    WorkerError,
)
from shopimg.enhancers import check_results, get_enhancer
from shopimg.services import jobs, masks, requests, sending
from shopimg.services.patience import persist
from shopimg.services.requests import Order
from shopimg.states import JobState

logger = logging.getLogger(__name__)


def run(job_id: uuid.UUID | str) -> JobState | None:
    """Run one attempt at a job, if it is due and nobody else has it.

    Returns:
        The state of the job afterwards, or None where there was nothing to do.
    """
    claim = jobs.claim(job_id)
    if claim is None:
        return None
    job, attempt, started = claim.job, claim.job.attempts, time.monotonic()
    logger.info("job %s, attempt %d: %s of %s", job_id, attempt, job.recipe, job.source_name)
    try:
        _enhance(claim)
    except EnhancementError as err:
        logger.warning("job %s, attempt %d: %s", job_id, attempt, err)
        if _failed(claim, err) and isinstance(err, JobSupersededError):
            _ask_for_current_upload(claim)
    except Exception as err:
        # Whatever a third-party enhancer raises must end on the row, or the job would be taken
        # for a crashed one and its cause would be lost.
        logger.exception("job %s, attempt %d", job_id, attempt)
        _failed(claim, WorkerError(detail=f"{type(err).__name__}: {err}"))
    if job.bulk:
        sending.send_next_bulk()
    job.refresh_from_db()
    took = time.monotonic() - started
    logger.info("job %s, attempt %d: now %s, after %.1f s", job_id, attempt, job.state, took)
    return JobState(job.state)


def _enhance(claim: jobs.Claim) -> None:
    # Kept alive from end to end: a slow storage takes its time for reading and writing, too.
    with _kept_alive(claim) as lease:
        deadline = Deadline(settings.JOB_TIME_LIMIT_SECONDS, checks=[lease.check])
        source, given = jobs.read_source(claim), masks.given_to(claim.recipe)
        problem: EnhancementError | None = None
        try:
            images = get_enhancer().enhance(source, claim.recipe, deadline=deadline, **given)
        except EnhancementError as err:
            if err.retryable or not err.images:
                raise
            logger.warning("job %s, attempt %d: %s", claim.job.pk, claim.job.attempts, err)
            images, problem = err.images, err
        check_results(images)
        persist(lambda: jobs.finish(claim, images, problem))


def _failed(claim: jobs.Claim, error: EnhancementError) -> bool:
    return persist(lambda: jobs.fail(claim, error))


def _ask_for_current_upload(claim: jobs.Claim) -> None:
    """Replace a job whose file was exchanged behind the hook's back, even under the same name."""
    try:
        instance = jobs.current_source(claim.job)
    except SourceMissingError:
        return
    requests.request_or_log(instance, Order(bulk_run=claim.job.bulk_run, bulk=claim.job.bulk))


class _Lease:
    """Keeps a claim alive from a thread, and tells the worker when it was lost."""

    def __init__(self, claim: jobs.Claim) -> None:
        self._claim = claim
        self._stopped = threading.Event()
        self._lost = threading.Event()

    def check(self) -> None:
        """Raise once the claim is lost."""
        if self._lost.is_set():
            raise JobSupersededError

    def stop(self) -> None:
        self._stopped.set()

    def keep(self) -> None:
        try:
            while not self._stopped.wait(settings.HEARTBEAT_SECONDS):
                self._extend()
        finally:
            connections.close_all()

    def _extend(self) -> None:
        try:
            jobs.keep_alive(self._claim)
        except JobSupersededError:
            self._lost.set()
            self._stopped.set()
        except (DatabaseError, InterfaceError):
            # The next beat may succeed, on a new connection; if none does, the lease ends and
            # finish() is refused.
            logger.warning("could not extend the lease of job %s", self._claim.job.pk)
            connections.close_all()


@contextmanager
def _kept_alive(claim: jobs.Claim) -> Iterator[_Lease]:
    lease = _Lease(claim)
    thread = threading.Thread(target=lease.keep, name=f"lease-{claim.job.pk}", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        lease.stop()
        thread.join()
