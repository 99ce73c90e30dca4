"""One attempt at a job, with the real lease thread and enhancers that misbehave."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from shopimg import sources
from shopimg.enhancers import get_enhancer
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.services import jobs, patience, requests, running
from shopimg.services.requests import Order, request_enhancement
from shopimg.states import JobState, ReviewState
from tests import builders
from tests.servers.stack import eventually
from tests.testapp.enhancers import SlowlyLoadingEnhancer
from tests.testapp.models import Photo


def _use(settings, enhancer: str, **more: object) -> None:
    name = enhancer if "." in enhancer else f"tests.testapp.enhancers.{enhancer}"
    settings.SHOPIMG = {**settings.SHOPIMG, "ENHANCER": name, **more}


@pytest.mark.django_db
def test_run__succeeds_and_a_second_message_does_nothing(caplog) -> None:
    caplog.set_level("INFO", "shopimg")
    job = builders.job_of(builders.photo())
    assert running.run(job.pk) == JobState.SUCCEEDED
    begun, over = caplog.messages
    assert begun == f"job {job.pk}, attempt 1: clean of {job.source_name}"
    assert re.fullmatch(rf"job {job.pk}, attempt 1: now succeeded, after \d+\.\d s", over)
    assert [running.run(str(job.pk)) for _ in range(5)] == [None] * 5
    assert EnhancedVariant.objects.get().job == job


@pytest.mark.django_db
def test_run__damaged_upload_fails_for_good() -> None:
    job = builders.job_of(builders.photo(builders.picture((640, 480))[:-300]))
    assert running.run(job.pk) == JobState.FAILED
    job.refresh_from_db()
    assert (job.error_code, job.attempts) == ("source_unreadable", 1)


@pytest.mark.django_db
def test_run__keeps_what_needs_no_product_and_makes_it_anew_when_run_again(settings) -> None:
    _use(settings, "BlindEnhancer")
    photo = builders.photo()
    job = request_enhancement(photo, Order(recipe="catalogue")).job
    assert running.run(job.pk) == JobState.FAILED
    job.refresh_from_db()
    assert (job.error_code, job.attempts) == ("product_not_found", 1)
    assert job.timings.keys() == {"decode"}
    first = EnhancedVariant.objects.get()
    assert (first.job, first.role, first.state) == (job, "main", ReviewState.AWAITING_REVIEW)

    requests.run_again(job)
    _use(settings, "EchoEnhancer")
    assert running.run(job.pk) == JobState.SUCCEEDED
    first.refresh_from_db()
    assert first.state == ReviewState.SUPERSEDED
    waiting = EnhancedVariant.objects.awaiting_review().order_by("role", "candidate")
    assert [variant.role for variant in waiting] == ["main", "scene", "scene", "scene", "white"]


@pytest.mark.django_db
def test_run__photo_exchanged_meanwhile_keeps_nothing_of_a_failed_job(settings) -> None:
    _use(settings, "BlindEnhancer")
    photo = builders.photo()
    job = request_enhancement(photo, Order(recipe="catalogue")).job
    path = Path(photo.file.path)
    path.with_name("other.jpg").write_bytes(path.read_bytes())
    Photo.objects.update(file="photos/other.jpg")
    assert running.run(job.pk) == JobState.CANCELLED
    assert not EnhancedVariant.objects.exists()


@pytest.mark.django_db
def test_run__unexpected_error_is_kept_and_quarantined_at_the_third_attempt(
    settings, caplog
) -> None:
    _use(settings, "RaisingEnhancer", RETRY_SECONDS=0)
    job = builders.job_of(builders.photo())
    states = [running.run(job.pk) for _ in range(4)]
    assert states == [JobState.QUEUED, JobState.QUEUED, JobState.QUARANTINED, None]
    job.refresh_from_db()
    assert job.error_detail == "ZeroDivisionError: header  damaged"
    assert job.error_message.startswith("The worker failed in every attempt. An operator")
    said = f"job {job.pk} is quarantined after 3 attempts, {job.source_name}: ZeroDivisionError"
    assert [message.startswith(said) for message in caplog.messages].count(True) == 1
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
@pytest.mark.parametrize("broken", ["default", "shopimg_drafts"])
def test_run__outage_of_a_storage_uses_up_no_attempts(settings, broken: str) -> None:
    job = builders.job_of(builders.photo())
    whole = settings.STORAGES
    backend = "tests.testapp.storages.BrokenCloudStorage"
    settings.STORAGES = whole | {broken: {"BACKEND": backend}}
    for _ in range(5):
        assert running.run(job.pk) == JobState.QUEUED
        job.refresh_from_db()
        assert job.attempts == 0
        assert timedelta(0) < job.run_after - timezone.now() < timedelta(minutes=5)
        EnhancementJob.objects.update(run_after=timezone.now())
    settings.STORAGES = whole
    assert running.run(job.pk) == JobState.SUCCEEDED


@pytest.mark.django_db
def test_run__worker_without_the_volume_waits_for_it(storage_folders: dict[str, Path]) -> None:
    job = builders.job_of(builders.photo())
    media = storage_folders["default"]
    away = media.rename(media.with_name("elsewhere"))
    assert running.run(job.pk) == JobState.QUEUED
    media.mkdir()  # as a container does for a volume that it was not given
    EnhancementJob.objects.update(run_after=timezone.now())
    assert running.run(job.pk) == JobState.QUEUED
    job.refresh_from_db()
    assert (job.attempts, job.error_code) == (0, "capacity")
    assert job.error_detail.endswith("missing or empty: does this machine have the volume?")
    media.rmdir()
    away.rename(media)
    EnhancementJob.objects.update(run_after=timezone.now())
    assert running.run(job.pk) == JobState.SUCCEEDED


@pytest.mark.django_db
def test_run__mount_that_has_gone_away_is_an_outage(settings, tmp_path: Path) -> None:
    job = builders.job_of(builders.photo())
    backend = "tests.testapp.storages.StaleStorage"
    options = {"location": tmp_path / "media"}
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": backend, "OPTIONS": options}}
    assert running.run(job.pk) == JobState.QUEUED
    job.refresh_from_db()
    assert (job.attempts, job.error_code) == (0, "capacity")
    assert "Stale file handle" in job.error_detail


@pytest.mark.django_db
def test_run__outage_of_a_day_is_none(settings) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {"RETRY_SECONDS": 0}
    job = builders.job_of(builders.photo())
    backend = "tests.testapp.storages.BrokenCloudStorage"
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": backend}}
    EnhancementJob.objects.update(requested_at=timezone.now() - timedelta(hours=25))
    states = [running.run(job.pk) for _ in range(3)]
    assert states == [JobState.QUEUED, JobState.QUEUED, JobState.QUARANTINED]


@pytest.mark.django_db
def test_run__image_deleted_behind_the_hook_fails_the_job() -> None:
    job = builders.job_of(builders.photo())
    Photo.objects.all()._raw_delete("default")
    assert running.run(job.pk) == JobState.FAILED
    job.refresh_from_db()
    assert job.error_code == "source_missing"


def test_get_enhancer__loads_one_for_all_threads(settings) -> None:
    _use(settings, "SlowlyLoadingEnhancer")
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(get_enhancer())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert {id(one) for one in found} == {id(get_enhancer())}
    assert SlowlyLoadingEnhancer.made == 1


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
def test_run__lease_is_extended_while_a_slow_storage_is_read(
    settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SHOPIMG = settings.SHOPIMG | {"HEARTBEAT_SECONDS": 1, "LEASE_SECONDS": 3}
    job = builders.job_of(builders.photo())
    read_bytes = sources.read_bytes

    def slow(*args: Any) -> bytes:
        first = EnhancementJob.objects.get().lease_until
        eventually(lambda: EnhancementJob.objects.get().lease_until > first)
        return read_bytes(*args)

    monkeypatch.setattr(sources, "read_bytes", slow)
    assert running.run(job.pk) == JobState.SUCCEEDED


def _restart_database() -> None:
    """End every other connection to it, as a restart or a failover does."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    connection.close()


@pytest.mark.django_db(transaction=True)
def test_run__restart_of_the_database_loses_neither_lease_nor_result(
    settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SIGNAL_DIR = tmp_path
    _use(settings, "HaltingEnhancer", HEARTBEAT_SECONDS=1, LEASE_SECONDS=30)
    monkeypatch.setattr(patience, "WAITS_SECONDS", (0,))
    job = builders.job_of(builders.photo())
    finish, broken = jobs.finish, []

    def finish_over_a_dead_connection(*args: Any) -> Any:
        if not broken:
            connection.ensure_connection()
            broken.append(connection.connection)
            in_another_thread(_restart_database)
        return finish(*args)

    monkeypatch.setattr(jobs, "finish", finish_over_a_dead_connection)
    thread = _run_in_thread(job, tmp_path)
    _restart_database()
    lease = job_lease(job)
    eventually(lambda: EnhancementJob.objects.get().lease_until > lease)
    (tmp_path / "go").touch()
    thread.join()
    connection.close()
    assert broken
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
    assert EnhancedVariant.objects.count() == 1


def job_lease(job: EnhancementJob) -> datetime:
    job.refresh_from_db()
    assert job.lease_until is not None
    return job.lease_until


def in_another_thread(do: Callable[[], None]) -> None:
    thread = threading.Thread(target=do)
    thread.start()
    thread.join()


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


@pytest.mark.django_db
def test_run__file_that_was_exchanged_stays_in_the_bulk_queue() -> None:
    photo = builders.photo()
    EnhancementJob.objects.update(bulk=True)
    Path(photo.file.path).write_bytes(builders.picture((80, 80)))
    assert running.run(builders.job_of(photo).pk) == JobState.CANCELLED
    assert builders.job_of(photo).bulk is True
