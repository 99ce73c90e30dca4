"""Bulk runs: selections, batches, resuming after an interruption, a broker that is never full."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from kombu.transport.memory import Channel

from shopimg.contract import CapacityError, RecipeError
from shopimg.models import BulkRun, EnhancedVariant, EnhancementJob
from shopimg.services import batches, bulk, requests, reviews, running, sending
from shopimg.services.bulk import Selection
from shopimg.services.requests import Order
from shopimg.states import JobState, RunState
from tests import builders
from tests.shop.bulk_runs import catalogue, run_to_end
from tests.testapp.brokers import using_broker
from tests.testapp.models import OwnedPhoto, Photo

pytestmark = pytest.mark.django_db

BIG = {"main": {"steps": [{"step": "upscale", "scale": 4}]}}


@pytest.fixture(autouse=True)
def empty_broker(settings):
    settings.SHOPIMG = {**settings.SHOPIMG, "RECIPES": {"big": BIG}}
    Channel.queues.clear()
    with using_broker("memory://"):
        yield
    Channel.queues.clear()


def _make_unreadable(photo: Photo) -> None:
    """Let the storage fail with an error of its own, for this file alone."""
    path = Path(photo.file.path)
    path.unlink()
    path.symlink_to(path)


def _waiting(queue: str) -> int:
    return Channel.queues[queue].qsize() if queue in Channel.queues else 0


def _numbers(run: BulkRun) -> tuple[int, int, int]:
    return run.examined, run.queued, run.skipped


def test_advance__queues_a_catalogue_in_batches() -> None:
    catalogue(7, known=False)
    run = bulk.start(Selection())
    assert list(bulk.advance(run, 3)) == [3, 3, 1]
    assert (run.state, *_numbers(run)) == (RunState.QUEUED, 7, 7, 0)
    assert run.queued_at is not None
    assert run.finished_at is None
    assert bulk.progress(run) == {JobState.QUEUED: 7}


def test_advance__second_run_queues_nothing() -> None:
    catalogue(5, known=False)
    run_to_end(Selection())
    again = run_to_end(Selection(), 2)
    assert _numbers(again) == (5, 0, 5)
    assert EnhancementJob.objects.count() == 5


@pytest.mark.parametrize("stop_after", range(5))
@pytest.mark.parametrize("force", [False, True])
def test_advance__resumed_anywhere_gives_the_same_final_set(stop_after: int, force: bool) -> None:
    photos = catalogue(9, known=False)
    for photo in photos[::2]:
        batches.place(batches.describe([photo], Order()), force=False)
    EnhancementJob.objects.update(state=JobState.SUCCEEDED)
    run = bulk.start(Selection(force=force))
    steps = bulk.advance(run, 2)
    for _ in range(stop_after):
        next(steps)
    steps.close()
    bulk.interrupt(run)
    assert run.state == RunState.INTERRUPTED
    resumed = BulkRun.objects.get(pk=run.pk)
    list(bulk.advance(resumed, 2))
    assert _numbers(resumed) == ((9, 9, 0) if force else (9, 4, 5))
    assert EnhancementJob.objects.count() == 9
    assert resumed.jobs.count() == (9 if force else 4)
    assert resumed.state == RunState.QUEUED
    assert resumed.queued_at is not None


def test_advance__batch_that_fails_half_way_leaves_no_trace(monkeypatch) -> None:
    catalogue(4, known=False)
    run = bulk.start(Selection())
    place = batches.place

    def place_and_stop(*args: Any, **options: Any) -> None:
        place(*args, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(batches, "place", place_and_stop)
        with pytest.raises(KeyboardInterrupt):
            list(bulk.advance(run, 2))
    assert EnhancementJob.objects.count() == 0
    resumed = BulkRun.objects.get(pk=run.pk)
    list(bulk.advance(resumed, 2))
    assert _numbers(resumed) == (4, 4, 0)


def test_advance__batch_of_somebody_who_came_late_leaves_no_trace() -> None:
    catalogue(5, known=False)
    run = bulk.start(Selection())
    late = bulk.advance(BulkRun.objects.get(pk=run.pk), 2)
    steps = bulk.advance(run, 1)
    next(steps)
    with pytest.raises(bulk.RunTakenOverError):
        next(late)
    assert EnhancementJob.objects.count() == 1
    assert list(steps) == [1, 1, 1, 1]
    assert (run.state, *_numbers(run)) == (RunState.QUEUED, 5, 5, 0)


def test_advance__goes_through_every_watched_model() -> None:
    catalogue(2, known=False)
    file = Photo.objects.values_list("file", flat=True)[0]
    OwnedPhoto.objects.bulk_create([OwnedPhoto(owner=builders.reviewer(), file=file)])
    run = run_to_end(Selection())
    assert _numbers(run) == (3, 3, 0)
    assert set(run.cursor) == {"testapp.Photo", "testapp.OwnedPhoto"}


def test_advance__needs_few_queries_for_new_images() -> None:
    catalogue(40, known=False)
    run = bulk.start(Selection(model="testapp.Photo"))
    Photo.objects.first()
    with CaptureQueriesContext(connection) as queries:
        next(bulk.advance(run, 40))
    assert len(queries) <= 8 + 3 * 40  # the last term: marking and reading the jobs it sends
    settled = bulk.start(Selection(model="testapp.Photo"))
    with CaptureQueriesContext(connection) as queries:
        next(bulk.advance(settled, 40))
    assert len(queries) <= 10


def test_advance__broken_image_does_not_stop_the_others() -> None:
    photos = catalogue(3, known=False)
    photos[1].file.storage.delete(photos[1].file.name)
    run = run_to_end(Selection())
    assert (*_numbers(run), run.refused) == (3, 2, 0, 1)
    assert bulk.progress(run) == {JobState.QUEUED: 2, JobState.FAILED: 1}
    again = run_to_end(Selection())
    assert (*_numbers(again), again.refused) == (3, 0, 2, 1)


@pytest.mark.parametrize("size", [1, 3, 100])
def test_advance__file_that_cannot_be_read_does_not_stop_the_others(size: int) -> None:
    photos = catalogue(7, known=False)
    for photo in (photos[0], photos[4], photos[6]):
        _make_unreadable(photo)
    run = bulk.start(Selection(model="testapp.Photo"))
    list(bulk.advance(run, size))
    assert (run.state, *_numbers(run), run.refused) == (RunState.QUEUED, 7, 4, 0, 3)


def test_advance__many_files_in_a_row_that_cannot_be_read_are_an_outage() -> None:
    photos = catalogue(7, known=False)
    for photo in photos[1:6]:
        _make_unreadable(photo)
    run = bulk.start(Selection(model="testapp.Photo"))
    with pytest.raises(CapacityError) as caught:
        list(bulk.advance(run, 1))
    assert caught.value.detail.startswith(f"testapp.Photo {photos[5].pk}: ")
    assert (*_numbers(run), run.refused) == (5, 1, 0, 4)


def test_advance__image_that_fails_unexpectedly_is_counted_as_refused(monkeypatch) -> None:
    photos = catalogue(2, known=False)
    describe = requests.describe

    def fail_once(instance: Photo, order: Order) -> EnhancementJob:
        if instance == photos[0]:
            raise ZeroDivisionError
        return describe(instance, order)

    monkeypatch.setattr(requests, "describe", fail_once)
    run = run_to_end(Selection(model="testapp.Photo"))
    assert (*_numbers(run), run.refused) == (2, 1, 0, 1)


def test_finish_runs__once_every_job_is_over() -> None:
    photos = catalogue(2, known=False)
    run = run_to_end(Selection())
    assert bulk.finish_runs() == 0
    running.run(builders.job_of(photos[0]).pk)
    assert bulk.finish_runs() == 0
    running.run(builders.job_of(photos[1]).pk)
    assert bulk.finish_runs() == 1
    run.refresh_from_db()
    assert run.state == RunState.FINISHED
    assert run.finished_at is not None
    assert run.finished_at >= run.queued_at
    assert bulk.finish_runs() == 0


def test_finish_runs__run_without_work_is_finished_when_it_is_queued() -> None:
    catalogue(1)
    assert run_to_end(Selection()).state == RunState.FINISHED


def test_advance__sends_no_more_than_the_broker_may_hold(settings) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "BULK_DEPTH": 3}
    catalogue(8, known=False)
    run = run_to_end(Selection(), 2)
    assert (_waiting("shopimg-bulk"), _waiting("shopimg")) == (3, 0)
    assert sending.send_due() == 0
    done = []
    while _waiting("shopimg-bulk"):
        Channel.queues["shopimg-bulk"].get_nowait()
        job = run.jobs.filter(state=JobState.QUEUED).exclude(sent_at=None).order_by("sent_at")[0]
        done.append(running.run(job.pk))
        assert _waiting("shopimg-bulk") <= 3
    assert done == [JobState.SUCCEEDED] * 8


def test_advance__forced_run_makes_new_drafts_and_keeps_what_is_published() -> None:
    (photo,) = catalogue(1)
    shown = reviews.approve(builders.draft(photo), by=builders.reviewer())
    run = run_to_end(Selection(force=True))
    assert _numbers(run) == (1, 1, 0)
    running.run(run.jobs.get().pk)
    states = EnhancedVariant.objects.order_by("created_at").values_list("state", flat=True)
    assert list(states) == ["published", "awaiting_review"]
    shown.refresh_from_db()
    assert shown.state == "published"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"model": "testapp.UnwatchedPhoto"}, LookupError, "is not in SHOPIMG"),
        ({"recipe": "shiny"}, RecipeError, "There is no recipe 'shiny'"),
        ({"statuses": ("done",)}, ValueError, "'done' is not a valid JobState"),
        ({"ids": ("1",)}, ValueError, "Name the model"),
        ({"ids": ("x",), "model": "testapp.Photo"}, ValueError, "'x' cannot be a key of"),
    ],
)
def test_start__refuses_what_cannot_be_run(options: dict, error: type, words: str) -> None:
    with pytest.raises(error, match=words):
        bulk.start(Selection(**options))
    assert BulkRun.objects.count() == 0


def test_estimate__is_the_mean_of_earlier_jobs() -> None:
    assert bulk.estimate(Selection()) == bulk.Estimate(0, 0, None)
    photos = catalogue(3)
    at = datetime(2026, 1, 1, tzinfo=timezone.get_current_timezone())
    for photo, seconds in zip(photos[:2], (2, 4), strict=True):
        EnhancementJob.objects.for_source(photo).update(
            state="succeeded", started_at=at, finished_at=at + timedelta(seconds=seconds)
        )
    estimate = bulk.estimate(Selection(force=True))
    assert (estimate.images, estimate.seconds_per_image, estimate.seconds) == (3, 3.0, 9.0)
    assert bulk.estimate(Selection()).seconds == 0
    assert bulk.estimate(Selection(limit=2, force=True)).seconds == 6.0
    assert bulk.estimate(Selection(recipe="big")).seconds is None


@pytest.mark.parametrize(
    ("options", "images", "to_queue"),
    [({}, 6, 3), ({"limit": 3}, 3, 1), ({"recipe": "big"}, 6, 6), ({"force": True}, 6, 6)],
)
def test_estimate__counts_what_the_run_then_queues(
    options: dict, images: int, to_queue: int
) -> None:
    done, cancelled, waiting, *unknown = catalogue(5)
    EnhancementJob.objects.for_source(done).update(state="succeeded")
    EnhancementJob.objects.for_source(cancelled).update(state="cancelled")
    EnhancementJob.objects.for_sources(unknown[:1]).delete()
    EnhancementJob.objects.for_sources(unknown[1:]).update(state="failed", error_code="x")
    owner = builders.reviewer()
    OwnedPhoto.objects.bulk_create([OwnedPhoto(owner=owner, file=waiting.file.name)])
    if options.get("force"):  # an open job is never queued a second time
        EnhancementJob.objects.for_source(waiting).update(state="succeeded")
    jobs = EnhancementJob.objects.count()
    with CaptureQueriesContext(connection) as queries:
        estimate = bulk.estimate(Selection(**options))
    assert (estimate.images, estimate.to_queue) == (images, to_queue)
    assert (len(queries) <= 10, EnhancementJob.objects.count()) == (True, jobs)
    run = run_to_end(Selection(**options))
    assert (run.examined, run.queued) == (images, to_queue)


def test_advance__other_recipe_is_new_work_on_the_same_uploads() -> None:
    photos = catalogue(2)
    run = run_to_end(Selection(recipe="big"))
    assert _numbers(run) == (2, 2, 0)
    recipes = EnhancementJob.objects.for_source(photos[0]).values_list("recipe", "state")
    assert sorted(recipes) == [("big", "queued"), ("clean", "queued")]


def test_advance__storage_that_is_down_stops_the_run_before_the_batch(settings) -> None:
    photos = catalogue(5, known=False)
    run = bulk.start(Selection(model="testapp.Photo"))
    steps = bulk.advance(run, 2)
    assert next(steps) == 2
    working = settings.STORAGES
    backend = "tests.testapp.storages.BrokenCloudStorage"
    settings.STORAGES = working | {"default": {"BACKEND": backend}}
    with pytest.raises(CapacityError) as caught:
        next(steps)
    assert caught.value.detail.startswith(f"testapp.Photo {photos[2].pk}: ")
    bulk.interrupt(run)
    assert (run.state, *_numbers(run), run.refused) == (RunState.INTERRUPTED, 2, 2, 0, 0)
    assert EnhancementJob.objects.count() == 2
    settings.STORAGES = working
    resumed = BulkRun.objects.get(pk=run.pk)
    assert list(bulk.advance(resumed, 2)) == [2, 1]
    assert (resumed.state, *_numbers(resumed)) == (RunState.QUEUED, 5, 5, 0)


def test_advance__files_here_and_there_that_cannot_be_read_are_no_outage() -> None:
    photos = catalogue(12, known=False)
    for photo in photos[::2]:
        _make_unreadable(photo)
    run = run_to_end(Selection(model="testapp.Photo"))
    assert (*_numbers(run), run.refused) == (12, 6, 0, 6)


def test_estimate__limit_spans_all_models() -> None:
    catalogue(3)
    OwnedPhoto.objects.create(owner=builders.reviewer(), file=builders.upload())
    estimate = bulk.estimate(Selection(limit=3))
    assert (estimate.images, estimate.up_to_date) == (3, 3)


def test_advance__equal_upload_under_another_name_is_noted() -> None:
    from shopimg import sources

    (photo,) = catalogue(1)
    name = photo.file.storage.save(
        "photos/new.jpg", builders.upload(sources.read_bytes(sources.source_for(Photo), photo))
    )
    Photo.objects.update(file=name)
    run_to_end(Selection(model="testapp.Photo"))
    assert builders.job_of(photo).source_name == name
