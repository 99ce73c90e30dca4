"""One attempt at a job, with the real lease thread and enhancers that misbehave."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.services import jobs, running
from shopimg.states import JobState
from tests import builders
from tests.servers.stack import eventually
from tests.testapp.models import Photo


def _use(settings, enhancer: str, **more: object) -> None:
    name = enhancer if "." in enhancer else f"tests.testapp.enhancers.{enhancer}"
    settings.SHOPIMG = {**settings.SHOPIMG, "ENHANCER": name, **more}


@pytest.mark.django_db
def test_run__succeeds_and_a_second_message_does_nothing() -> None:
    job = builders.job_of(builders.photo())
    assert running.run(job.pk) == JobState.SUCCEEDED
    assert [running.run(str(job.pk)) for _ in range(5)] == [None] * 5
    assert EnhancedVariant.objects.get().job == job


@pytest.mark.django_db
def test_run__damaged_upload_fails_for_good() -> None:
    job = builders.job_of(builders.photo(builders.picture((640, 480))[:-300]))
    assert running.run(job.pk) == JobState.FAILED
    job.refresh_from_db()
    assert (job.error_code, job.attempts) == ("source_unreadable", 1)


@pytest.mark.django_db
def test_run__unexpected_error_is_kept_and_quarantined_at_the_third_attempt(settings) -> None:
    _use(settings, "RaisingEnhancer", RETRY_SECONDS=0)
    job = builders.job_of(builders.photo())
    states = [running.run(job.pk) for _ in range(4)]
    assert states == [JobState.QUEUED, JobState.QUEUED, JobState.QUARANTINED, None]
    job.refresh_from_db()
    assert job.error_detail == "ZeroDivisionError: header  damaged"
    assert job.attempts == 3


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["no.such.Enhancer", "NotAnEnhancer"])
def test_run__enhancer_that_cannot_be_used_is_said_in_the_row(settings, name: str) -> None:
    _use(settings, name)
    job = builders.job_of(builders.photo())
    assert running.run(job.pk) == JobState.QUEUED
    job.refresh_from_db()
    assert job.error_code == "worker_error"
    assert name in job.error_detail


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "digest", "state"),
    [
        ("restore_s", "9" * 64, JobState.SUCCEEDED),
        ("restore_s", "3" * 64, JobState.QUEUED),
        ("upscale_x2_s", "3" * 64, JobState.SUCCEEDED),
    ],
)
def test_run__results_of_other_weights_than_the_shop_expects_are_no_results(
    settings, tmp_path: Path, name: str, digest: str, state: JobState
) -> None:
    manifest = {"weights": {name: {"sha256": digest}}}
    (tmp_path / "weights.json").write_text(json.dumps(manifest))
    _use(settings, "TunedEnhancer", WEIGHTS_DIR=str(tmp_path))
    job = builders.job_of(builders.photo())
    assert running.run(job.pk) == state
    job.refresh_from_db()
    if state == JobState.QUEUED:
        assert job.error_code == "worker_error"
        assert "expects the weights 333333333333" in job.error_detail
        assert "this worker runs 999999999999" in job.error_detail
        assert not EnhancedVariant.objects.exists()


@pytest.mark.django_db
def test_run__file_replaced_behind_the_hook_gets_a_job_of_its_own() -> None:
    photo = builders.photo()
    old = builders.job_of(photo)
    stored = photo.file.storage.save("photos/b.jpg", builders.upload(builders.picture((70, 70))))
    Photo.objects.update(file=stored)
    assert running.run(old.pk) == JobState.CANCELLED
    new = builders.job_of(photo)
    assert (new.state, new.source_name, new.source_width) == (JobState.QUEUED, stored, 70)


@pytest.mark.django_db
def test_run__file_overwritten_in_place_gets_a_job_of_its_own() -> None:
    photo = builders.photo()
    old = builders.job_of(photo)
    Path(photo.file.path).write_bytes(builders.picture((80, 80)))
    assert running.run(old.pk) == JobState.CANCELLED
    new = builders.job_of(photo)
    assert new.pk != old.pk
    assert (new.source_name, new.source_width) == (old.source_name, 80)
    assert running.run(new.pk) == JobState.SUCCEEDED


@pytest.mark.django_db
def test_run__same_bytes_uploaded_again_under_another_name_succeed() -> None:
    photo = builders.photo()
    photo.file = builders.upload(name="again.jpg")
    photo.save()
    job = EnhancementJob.objects.get()
    assert job.source_name == "photos/again.jpg"
    assert running.run(job.pk) == JobState.SUCCEEDED


@pytest.mark.django_db
def test_run__storage_that_does_not_answer_is_tried_again(settings) -> None:
    job = builders.job_of(builders.photo())
    backend = "tests.testapp.storages.BrokenCloudStorage"
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": backend}}
    assert running.run(job.pk) == JobState.QUEUED
    job.refresh_from_db()
    assert (job.error_code, job.error_detail) == ("capacity", "CloudError: no route to bucket")


@pytest.mark.django_db
def test_run__image_deleted_behind_the_hook_fails_the_job() -> None:
    job = builders.job_of(builders.photo())
    Photo.objects.all()._raw_delete("default")
    assert running.run(job.pk) == JobState.FAILED
    job.refresh_from_db()
    assert job.error_code == "source_missing"


def _run_in_thread(job: EnhancementJob, signals: Path) -> threading.Thread:
    from django.db import connections

    def work() -> None:
        try:
            running.run(job.pk)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    eventually(lambda: list(signals.glob("working-*")))
    return thread


@pytest.mark.django_db(transaction=True)
def test_run__lease_is_extended_while_it_works(settings, tmp_path: Path) -> None:
    settings.SIGNAL_DIR = tmp_path
    _use(settings, "HaltingEnhancer", HEARTBEAT_SECONDS=1, LEASE_SECONDS=3)
    job = builders.job_of(builders.photo())
    thread = _run_in_thread(job, tmp_path)
    job.refresh_from_db()
    first = job.lease_until
    eventually(lambda: EnhancementJob.objects.get().lease_until > first)
    (tmp_path / "go").touch()
    thread.join()
    assert EnhancementJob.objects.get().state == JobState.SUCCEEDED


@pytest.mark.django_db(transaction=True)
def test_run__lost_lease_stops_the_work(settings, tmp_path: Path) -> None:
    settings.SIGNAL_DIR = tmp_path
    _use(settings, "HaltingEnhancer", HEARTBEAT_SECONDS=1, LEASE_SECONDS=3)
    job = builders.job_of(builders.photo())
    thread = _run_in_thread(job, tmp_path)
    jobs.cancel(job)
    thread.join(30)  # nobody tells it to go on: only the deadline check can end it
    assert not thread.is_alive()
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert EnhancedVariant.objects.count() == 0
