"""The life of a job: claim, lease, fenced finish, retry, quarantine, cancel."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from shopimg import signals
from shopimg.contract import (
    CapacityError,
    EnhancementError,
    InvalidTransitionError,
    JobSupersededError,
    ProductNotFoundError,
    RecipeError,
    SourceMissingError,
    SourceUnreadableError,
    StorageUnavailableError,
    WorkerError,
)
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.services import bulk, jobs
from shopimg.services.requests import Order, request_enhancement
from shopimg.states import JobState, ReviewState
from tests import builders
from tests.shop.test_storage import files_below, use_storage
from tests.testapp.models import Photo

pytestmark = pytest.mark.django_db


def _claim(photo: Photo | None = None) -> jobs.Claim:
    return _claim_of(builders.job_of(photo or builders.photo()))


def _claim_of(job: EnhancementJob) -> jobs.Claim:
    claim = jobs.claim(job.pk)
    assert claim is not None
    return claim


def _states(*variants: EnhancedVariant) -> list[str]:
    return [EnhancedVariant.objects.get(pk=variant.pk).state for variant in variants]


def _expire(job: EnhancementJob, *, attempts: int = 1) -> None:
    past = timezone.now() - timedelta(seconds=1)
    EnhancementJob.objects.filter(pk=job.pk).update(lease_until=past, attempts=attempts)


@pytest.fixture
def finished_jobs():
    """Collect what the signal ``job_finished`` says."""
    said: list[tuple[object, str]] = []

    def listen(job: EnhancementJob, **_: object) -> None:
        said.append((job.pk, job.state))

    signals.job_finished.connect(listen)
    yield said
    signals.job_finished.disconnect(listen)


def test_request__refused_upload_has_finished_once(
    finished_jobs, django_capture_on_commit_callbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        photo = builders.photo(b"not a picture")
        assert finished_jobs == []
    job = builders.job_of(photo)
    with django_capture_on_commit_callbacks(execute=True):
        request_enhancement(photo)
    assert finished_jobs == [(job.pk, JobState.FAILED)]


def test_advance__refused_uploads_of_a_run_have_finished_once(
    finished_jobs, django_capture_on_commit_callbacks
) -> None:
    file = Photo._meta.get_field("file").storage.save("photos/a.jpg", builders.upload(b"none"))
    photos = Photo.objects.bulk_create([Photo(file=file), Photo(file=file)])
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            list(bulk.advance(bulk.start(bulk.Selection())))
    ended = {(builders.job_of(photo).pk, JobState.FAILED) for photo in photos}
    assert (len(finished_jobs), set(finished_jobs)) == (2, ended)


def test_claim__counts_the_attempt_and_takes_a_lease(settings) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "LEASE_SECONDS": 45}
    before = timezone.now()
    job = _claim().job
    assert (job.state, job.attempts, len(job.lease_owner)) == (JobState.RUNNING, 1, 32)
    assert job.started_at
    assert job.lease_until
    assert (job.lease_until - job.started_at).total_seconds() == pytest.approx(45, abs=2)
    assert job.started_at >= before


@pytest.mark.parametrize("minutes", [-10, 10])
def test_lease__does_not_depend_on_the_clocks_of_machines(
    monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    job = builders.job_of(builders.photo())
    true_now = timezone.now

    def wrong_now() -> datetime:
        return true_now() + timedelta(minutes=minutes)

    monkeypatch.setattr(timezone, "now", wrong_now)
    claim = jobs.claim(job.pk)
    assert claim is not None
    jobs.keep_alive(claim)
    monkeypatch.setattr(timezone, "now", true_now)
    assert jobs.take_back_expired() == 0
    monkeypatch.setattr(timezone, "now", wrong_now)
    assert jobs.take_back_expired() == 0
    monkeypatch.setattr(timezone, "now", true_now)
    _expire(claim.job)
    monkeypatch.setattr(timezone, "now", wrong_now)
    assert jobs.take_back_expired() == 1
    monkeypatch.setattr(timezone, "now", true_now)
    assert jobs.claim(job.pk) is not None


@pytest.mark.parametrize("state", sorted(set(JobState) - {JobState.QUEUED}))
def test_claim__only_queued_jobs(state: JobState) -> None:
    job = builders.job_of(builders.photo())
    EnhancementJob.objects.update(
        state=state, error_code="x", lease_owner="a", lease_until=timezone.now()
    )
    assert jobs.claim(job.pk) is None
    job.refresh_from_db()
    assert (job.state, job.attempts) == (state, 0)


def test_claim__not_before_its_time() -> None:
    job = builders.job_of(builders.photo())
    EnhancementJob.objects.update(run_after=timezone.now() + timedelta(seconds=30))
    assert jobs.claim(job.pk) is None


def test_claim__of_a_clock_that_is_a_little_ahead() -> None:
    """The message comes once: a job that is not due yet by the worker's clock would be late."""
    job = builders.job_of(builders.photo())
    EnhancementJob.objects.update(run_after=timezone.now() + timedelta(seconds=3))
    assert jobs.claim(job.pk) is not None


def test_claim__of_a_job_that_never_was() -> None:
    assert jobs.claim("00000000-0000-0000-0000-000000000000") is None


def test_keep_alive__extends_the_lease_of_its_owner_only() -> None:
    claim = _claim()
    _expire(claim.job)
    jobs.keep_alive(claim)
    claim.job.refresh_from_db()
    assert claim.job.lease_until
    assert claim.job.lease_until > timezone.now()
    with pytest.raises(JobSupersededError):
        jobs.keep_alive(jobs.Claim(claim.job, "somebody else"))


def test_finish__request_that_comes_late_does_not_take_the_place_of_a_newer_one() -> None:
    photo, made = builders.photo(), [builders.enhanced(role="scene")]
    request_enhancement(photo, Order("scene"))
    older = _claim(photo)
    request_enhancement(photo, Order("scene", options={"background.seed": 7}))
    (newer,) = builders.finished(photo, made)
    (late,) = jobs.finish(older, made)
    assert newer.job != late.job
    assert _states(newer, late) == [ReviewState.AWAITING_REVIEW, ReviewState.SUPERSEDED]
    jobs.retry(older.job)
    (again,) = jobs.finish(_claim_of(older.job), made)
    assert _states(newer, again) == [ReviewState.SUPERSEDED, ReviewState.AWAITING_REVIEW]


def test_finish__records_results_and_ends_the_job(
    finished_jobs, django_capture_on_commit_callbacks
) -> None:
    photo = builders.photo()
    claim = _claim(photo)
    with django_capture_on_commit_callbacks(execute=True):
        (variant,) = jobs.finish(claim, [builders.enhanced((128, 96))])
    job = claim.job
    assert (job.state, job.lease_owner, job.lease_until) == (JobState.SUCCEEDED, "", None)
    assert job.timings == {"restore": 0.25, "upscale": 0.5}
    assert job.seconds is not None
    assert finished_jobs == [(job.pk, "succeeded")]
    assert (variant.source, variant.width, variant.height) == (photo, 128, 96)
    assert variant.provenance["operations"] == [
        {"name": "restore", "seconds": 0.25, "strength": 1.0},
        {"name": "upscale", "seconds": 0.5, "scale": 2},
    ]
    assert variant.provenance["weights"] == {"upscale_x2_s": "ab" * 32}
    assert variant.quality == {"colour_shift_p95": 0.4}


def test_finish__newer_draft_replaces_the_older_one() -> None:
    photo = builders.photo()
    older = builders.draft(photo)
    request_enhancement(photo, Order(force=True))
    newer = builders.draft(photo, colour=(1, 1, 1))
    older.refresh_from_db()
    assert (older.state, older.version) == (ReviewState.SUPERSEDED, 2)
    assert newer.state == ReviewState.AWAITING_REVIEW


def _cancelled(claim: jobs.Claim) -> None:
    jobs.cancel(claim.job)


def _replaced_behind_the_hook(claim: jobs.Claim) -> None:
    Photo.objects.update(file="photos/another.jpg")


def _taken_back(claim: jobs.Claim) -> None:
    _expire(claim.job)
    jobs.take_back_expired()


def _taken_by_another(claim: jobs.Claim) -> None:
    _taken_back(claim)
    assert jobs.claim(claim.job.pk) is not None


@pytest.mark.parametrize(
    "event", [_cancelled, _replaced_behind_the_hook, _taken_back, _taken_by_another]
)
def test_finish__is_refused_after(event) -> None:
    claim = _claim()
    event(claim)
    before = EnhancementJob.objects.values().get()
    with pytest.raises(JobSupersededError):
        jobs.finish(claim, [builders.enhanced()])
    assert EnhancementJob.objects.values().get() == before
    assert EnhancedVariant.objects.count() == 0


def test_finish__image_deleted_behind_the_hook() -> None:
    claim = _claim()
    Photo.objects.all()._raw_delete("default")
    with pytest.raises(SourceMissingError):
        jobs.finish(claim, [builders.enhanced()])
    assert EnhancedVariant.objects.count() == 0


def test_finish__storage_that_fails_leaves_the_job_to_another_attempt(settings) -> None:
    claim = _claim()
    use_storage(settings, "shopimg_drafts", "BrokenCloudStorage")
    with pytest.raises(StorageUnavailableError, match="no route to bucket"):
        jobs.finish(claim, [builders.enhanced()])
    claim.job.refresh_from_db()
    assert claim.job.state == JobState.RUNNING
    assert EnhancedVariant.objects.count() == 0


def test_finish__files_come_before_rows(storage_folders) -> None:
    claim = _claim()
    jobs.cancel(claim.job)
    with pytest.raises(JobSupersededError):
        jobs.finish(claim, [builders.enhanced()])
    # An unreferenced file, for the clean-up; never a row without its file.
    assert len(files_below(storage_folders["shopimg_drafts"])) == 1


@pytest.mark.parametrize(
    ("error", "attempts", "state"),
    [
        (WorkerError(), 1, JobState.QUEUED),
        (CapacityError(), 2, JobState.QUEUED),
        (WorkerError(), 3, JobState.QUARANTINED),
        (SourceUnreadableError(), 1, JobState.FAILED),
        (ProductNotFoundError(), 1, JobState.FAILED),
        (RecipeError(), 3, JobState.FAILED),
        (JobSupersededError(), 1, JobState.CANCELLED),
    ],
)
def test_fail__decides_by_error_and_attempts(
    error: EnhancementError, attempts: int, state: JobState
) -> None:
    claim = _claim()
    EnhancementJob.objects.update(attempts=attempts, sent_at=timezone.now())
    claim.job.refresh_from_db()
    assert jobs.fail(claim, error) is True
    job = claim.job
    assert (job.state, job.error_code, job.lease_owner) == (state, error.code, "")
    is_given_up = state == JobState.QUARANTINED
    assert (job.error_message == error.public_message) is not is_given_up
    assert (job.sent_at is None) == (state == JobState.QUEUED)


def test_fail__of_a_lost_claim_changes_nothing() -> None:
    claim = _claim()
    jobs.cancel(claim.job)
    before = EnhancementJob.objects.values().get()
    assert jobs.fail(claim, WorkerError()) is False
    assert EnhancementJob.objects.values().get() == before


def test_take_back__queues_again_and_quarantines_the_third(
    finished_jobs, django_capture_on_commit_callbacks, caplog
) -> None:
    second, third, alive = (_claim().job for _ in range(3))
    _expire(second, attempts=2)
    _expire(third, attempts=3)
    with django_capture_on_commit_callbacks(execute=True):
        assert jobs.take_back_expired() == 2
    for job in (second, third, alive):
        job.refresh_from_db()
    assert [second.state, third.state, alive.state] == ["queued", "quarantined", "running"]
    assert third.error_detail == "The worker died or hung in every attempt."
    assert finished_jobs == [(third.pk, "quarantined")]
    assert sorted(caplog.messages) == sorted([
        f"job {second.pk}, attempt 2: its worker died or hung; it is queued again",
        f"job {third.pk} is quarantined after 3 attempts, {third.source_name}: "
        "The worker died or hung in every attempt.",
    ])  # fmt: skip
    assert jobs.take_back_expired() == 0


def test_cancel__ends_an_open_job(finished_jobs, django_capture_on_commit_callbacks) -> None:
    job = builders.job_of(builders.photo())
    with django_capture_on_commit_callbacks(execute=True):
        jobs.cancel(job)
    assert (job.state, job.error_code) == (JobState.CANCELLED, "")
    assert finished_jobs == [(job.pk, "cancelled")]
    with pytest.raises(InvalidTransitionError, match=r"The state of the job is: Cancelled\."):
        jobs.cancel(job)


def test_job__that_gives_way_to_a_new_upload_is_said_to_be_over(
    finished_jobs, django_capture_on_commit_callbacks
) -> None:
    photo = builders.photo()
    job = builders.job_of(photo)
    photo.file = builders.upload(builders.picture((80, 48)), "other.jpg")
    with django_capture_on_commit_callbacks(execute=True):
        photo.save()
    assert finished_jobs == [(job.pk, "cancelled")]
