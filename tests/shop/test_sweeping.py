"""The sweeper: dead workers, lost messages, rows written behind the hook, unfinished files."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from kombu.transport.memory import Channel

from shopimg import tasks, wakeup
from shopimg.models import BulkRun, EnhancedVariant, EnhancementJob
from shopimg.services import bulk, jobs, publishing, reviews, running, sending, sweeping
from shopimg.services.sweeping import Swept
from shopimg.states import JobState, RunState
from tests import builders
from tests.servers.process import free_port
from tests.testapp.brokers import using_broker
from tests.testapp.models import OwnedPhoto, Photo

pytestmark = pytest.mark.django_db

NOTHING = Swept(taken_back=0, cancelled=0, reconciled=0, sent=0, renditions=0, deletions=0)


@pytest.fixture(autouse=True)
def empty_broker():
    """Give each test a broker of its own, in memory."""
    Channel.queues.clear()
    with using_broker("memory://") as app:
        yield app
    Channel.queues.clear()


def _messages(queue: str = "shopimg") -> list[str]:
    """Return the job ids that wait in a queue."""
    waiting = Channel.queues.get(queue)
    raw = list(waiting.queue) if waiting else []
    bodies = [json.loads(base64.b64decode(message["body"])) for message in raw]
    return [body[0][0] for body in bodies]


def _age_messages(seconds: int = 61) -> None:
    EnhancementJob.objects.update(sent_at=timezone.now() - timedelta(seconds=seconds))


def _stored(name: str = "stored.jpg", **picture: object) -> str:
    storage = Photo._meta.get_field("file").storage
    return storage.save(f"photos/{name}", builders.upload(builders.picture(**picture)))


def test_sweep__sends_once_what_was_never_sent() -> None:
    job = builders.job_of(builders.photo())
    assert sweeping.sweep() == Swept(0, 0, 0, 1, 0, 0)
    assert _messages() == [str(job.pk)]
    assert sweeping.sweep() == NOTHING


def test_sweep__does_not_send_again_what_still_waits_in_the_broker() -> None:
    for shade in range(3):
        builders.photo(builders.picture(colour=(shade, 0, 0)))
    assert sweeping.sweep().sent == 3
    _age_messages()
    assert sweeping.sweep() == NOTHING
    assert len(_messages()) == 3


def test_sweep__sends_again_as_many_as_are_missing(empty_broker) -> None:
    rows = [builders.job_of(builders.photo(builders.picture(colour=(i, 0, 0)))) for i in range(3)]
    sweeping.sweep()
    _age_messages()
    EnhancementJob.objects.filter(pk=rows[1].pk).update(
        sent_at=timezone.now() - timedelta(seconds=900)
    )
    Channel.queues["shopimg"].get_nowait()
    assert sweeping.sweep().sent == 1
    assert _messages()[-1] == str(rows[1].pk)  # the oldest message is the likeliest to be lost


def test_sweep__young_message_is_given_time() -> None:
    builders.photo()
    sweeping.sweep()
    Channel.queues["shopimg"].get_nowait()
    assert sweeping.sweep() == NOTHING


def test_sweep__retry_waits_for_its_time() -> None:
    builders.photo()
    EnhancementJob.objects.update(run_after=timezone.now() + timedelta(seconds=30))
    assert sweeping.sweep() == NOTHING


def test_sweep__broker_that_is_down_loses_nothing() -> None:
    job = builders.job_of(builders.photo())
    with using_broker(f"redis://127.0.0.1:{free_port()}/0"):
        assert sweeping.sweep() == NOTHING
    job.refresh_from_db()
    assert (job.state, job.sent_at) == (JobState.QUEUED, None)
    wakeup.breaker.answered()  # the next sweep comes after the pause
    assert sweeping.sweep().sent == 1


def test_sweep__takes_back_and_sends_the_job_of_a_dead_worker() -> None:
    claim = jobs.claim(builders.job_of(builders.photo()).pk)
    EnhancementJob.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert sweeping.sweep() == Swept(1, 0, 0, 1, 0, 0)
    assert _messages() == [str(claim.job.pk)]
    assert sweeping.sweep() == NOTHING


def _bulk_created(name: str) -> None:
    Photo.objects.bulk_create([Photo(file=name)])


def _updated(name: str) -> None:
    photo = builders.photo()
    Photo.objects.filter(pk=photo.pk).update(file=name)


def _written_in_sql(name: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO testapp_photo (name, file) VALUES ('Mug', %s)", [name])


def _loaded(name: str) -> None:
    path = Path("fixture.json")
    row = {"model": "testapp.photo", "pk": 77, "fields": {"name": "Mug", "file": name}}
    path.write_text(json.dumps([row]))
    call_command("loaddata", str(path.resolve()), verbosity=0)


@pytest.mark.parametrize("write", [_bulk_created, _updated, _written_in_sql, _loaded])
def test_reconcile__image_written_behind_the_hook_gets_its_job(
    write, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = _stored(colour=(3, 4, 5))
    write(name)
    assert sweeping.reconcile() == 1
    job = EnhancementJob.objects.latest("created_at")
    assert (job.state, job.source_name, job.source.file.name) == (JobState.QUEUED, name, name)
    assert (job.bulk, job.bulk_run) == (True, None)
    assert sweeping.reconcile() == 0


def _written_behind_the_hook(number: int) -> list[Photo]:
    names = [_stored(colour=(shade, 5, 5)) for shade in range(number)]
    return Photo.objects.bulk_create([Photo(file=name) for name in names])


def test_sweep__catalogue_that_was_there_before_trickles_through_the_bulk_queue(settings) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "BULK_DEPTH": 2}
    photos = _written_behind_the_hook(4)
    assert sweeping.sweep() == Swept(0, 0, 4, 2, 0, 0)
    newest = [str(builders.job_of(photo).pk) for photo in photos[:1:-1]]
    assert (_messages("shopimg-bulk"), _messages("shopimg")) == (newest, [])
    upload = builders.job_of(builders.photo())
    assert sweeping.sweep().sent == 1
    assert _messages("shopimg") == [str(upload.pk)]
    waiting = Channel.queues["shopimg-bulk"]
    while not waiting.empty():
        message = json.loads(base64.b64decode(waiting.get_nowait()["body"]))
        assert running.run(message[0][0]) == JobState.SUCCEEDED
    assert set(EnhancementJob.objects.filter(bulk=True).values_list("state", flat=True)) == {
        JobState.SUCCEEDED
    }


def test_sweep__reads_some_images_only(monkeypatch) -> None:
    monkeypatch.setattr(sweeping, "RECONCILE_LIMIT", 2)
    photos = _written_behind_the_hook(3)
    assert sweeping.sweep().reconciled == 2
    assert not EnhancementJob.objects.for_source(photos[0]).exists()
    assert sweeping.sweep().reconciled == 1


def test_retry__of_an_image_that_the_sweeper_found_is_interactive() -> None:
    (photo,) = _written_behind_the_hook(1)
    sweeping.sweep()
    job = builders.job_of(photo)
    running.run(job.pk)
    job.refresh_from_db()
    jobs.retry(job)
    assert (job.state, job.bulk) == (JobState.QUEUED, False)


def test_sweep__finishes_bulk_runs() -> None:
    run = bulk.start(bulk.Selection())
    list(bulk.advance(run))
    BulkRun.objects.update(state=RunState.QUEUED, finished_at=None)
    sweeping.sweep()
    run.refresh_from_db()
    assert (run.state, run.finished_at is None) == (RunState.FINISHED, False)


def test_sweep__long_look_that_finds_nothing_is_not_taken_again_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweeping._Turn, "next", 0.0)
    monkeypatch.setattr(sweeping, "LONG_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(sweeping, "LOOKING_SHARE", 1e-6)
    _bulk_created(_stored(colour=(3, 4, 5)))
    assert sweeping.sweep().reconciled == 1
    assert sweeping.sweep().reconciled == 0, "the last one had found something"
    _bulk_created(_stored(colour=(6, 7, 8)))
    assert sweeping.sweep().reconciled == 0, "the last one had not"
    monkeypatch.setattr(sweeping._Turn, "next", 0.0)
    assert sweeping.sweep().reconciled == 1


def test_reconcile__upload_that_comes_back_is_noticed() -> None:
    photo = builders.photo()
    first = photo.file.name
    builders.draft(photo)
    second = _stored(colour=(9, 9, 9))
    for name in (second, first):
        Photo.objects.update(file=name)
        assert sweeping.reconcile() == 1
    job = builders.job_of(photo)
    assert (job.source_name, job.state) == (first, JobState.QUEUED)
    assert sweeping.reconcile() == 0


@pytest.mark.parametrize(("limit", "unreadable"), [(2, 2), (200, 5)])
def test_reconcile__newest_that_always_fail_do_not_hold_up_the_others(
    monkeypatch, limit: int, unreadable: int
) -> None:
    monkeypatch.setattr(sweeping, "RECONCILE_LIMIT", limit)
    (old,) = _written_behind_the_hook(1)
    endless = Path(Photo._meta.get_field("file").storage.path("photos/endless.jpg"))
    endless.symlink_to(endless)
    Photo.objects.bulk_create([Photo(file="photos/endless.jpg") for _ in range(unreadable)])
    assert sweeping.reconcile() == 1
    assert builders.job_of(old).state == JobState.QUEUED
    assert sweeping.reconcile() == 0


@pytest.mark.parametrize("content", [b"", b"not a picture"])
def test_reconcile__refused_image_is_looked_at_once(content: bytes) -> None:
    storage = Photo._meta.get_field("file").storage
    Photo.objects.bulk_create([Photo(file=storage.save("photos/x.jpg", builders.upload(content)))])
    assert sweeping.reconcile() == 0
    assert EnhancementJob.objects.get().state == JobState.FAILED
    assert sweeping.reconcile() == 0
    assert EnhancementJob.objects.count() == 1


def test_reconcile__images_without_a_file_are_left_alone() -> None:
    Photo.objects.bulk_create([Photo(file="")])
    assert sweeping.reconcile() == 0
    assert EnhancementJob.objects.count() == 0


def test_reconcile__one_model_that_fails_does_not_block_the_others(settings, caplog) -> None:
    table = {**settings.SHOPIMG["SOURCES"]}
    table["testapp.Photo"] = {"field": "file", "recipe": "no such recipe"}
    settings.SHOPIMG = {**settings.SHOPIMG, "SOURCES": table}
    name = _stored()
    Photo.objects.bulk_create([Photo(file=name)])
    OwnedPhoto.objects.bulk_create([OwnedPhoto(file=name, owner=builders.reviewer())])
    assert sweeping.reconcile() == 1
    assert EnhancementJob.objects.get().source == OwnedPhoto.objects.get()
    assert "no job for testapp.Photo" in caplog.text


def test_reconcile__storage_that_is_down_leaves_the_image_for_later(settings) -> None:
    Photo.objects.bulk_create([Photo(file=_stored())])
    working = settings.STORAGES
    settings.STORAGES = working | {
        "default": {"BACKEND": "tests.testapp.storages.BrokenCloudStorage"}
    }
    assert sweeping.reconcile() == 0
    assert EnhancementJob.objects.count() == 0
    settings.STORAGES = working
    assert sweeping.reconcile() == 1


def test_reconcile__gives_up_for_now_when_several_files_in_a_row_cannot_be_read(
    settings, caplog
) -> None:
    _written_behind_the_hook(7)
    backend = "tests.testapp.storages.BrokenCloudStorage"
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": backend}}
    assert sweeping.reconcile() == 0
    # Five in a row, and one by chance: those five alone might be what fails.
    assert caplog.text.count("no job for testapp.Photo") == 6


def test_sweep__asks_again_for_sizes_and_deletions() -> None:
    rosa = builders.reviewer()
    shown = reviews.approve(builders.draft(), by=rosa)
    gone = publishing.withdraw(reviews.approve(builders.draft(colour=(1, 1, 1)), by=rosa), by=rosa)
    assert sweeping.sweep() == NOTHING  # they have just been asked for
    EnhancedVariant.objects.update(updated_at=timezone.now() - timedelta(seconds=61))
    assert sweeping.sweep() == Swept(0, 0, 0, 0, 1, 0)
    EnhancedVariant.objects.update(updated_at=timezone.now() - timedelta(seconds=121))
    assert sweeping.sweep() == Swept(0, 0, 0, 0, 0, 1)  # the sizes were asked for just now
    assert (_messages(), _messages("shopimg-upkeep")) == ([str(shown.pk)], [str(gone.pk)])
    publishing.make_renditions(shown)
    publishing.delete_public_files(gone)
    EnhancedVariant.objects.update(updated_at=timezone.now() - timedelta(seconds=121))
    assert sweeping.sweep() == NOTHING


def test_sweep__deletes_what_was_withdrawn_when_the_setting_says(settings) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "WITHDRAWN_SECONDS": 0}
    shown = reviews.approve(builders.draft(), by=builders.reviewer())
    gone = publishing.withdraw(shown, by=builders.reviewer("editor"))
    assert sweeping.sweep().deletions == 1
    assert _messages("shopimg-upkeep") == [str(gone.pk)]


def test_sweep__asks_for_no_sizes_while_messages_wait() -> None:
    reviews.approve(builders.draft(), by=builders.reviewer())
    EnhancedVariant.objects.update(updated_at=timezone.now() - timedelta(seconds=61))
    assert [sweeping.sweep().renditions for _ in range(3)] == [1, 0, 0]
    Channel.queues["shopimg"].get_nowait()
    assert sweeping.sweep().renditions == 1


def test_make_renditions__message_that_comes_twice_writes_once() -> None:
    shown = reviews.approve(builders.draft(), by=builders.reviewer())
    tasks.make_renditions(str(shown.pk))
    made = EnhancedVariant.objects.get(pk=shown.pk).renditions_at
    assert made is not None
    tasks.make_renditions(str(shown.pk))
    assert EnhancedVariant.objects.get(pk=shown.pk).renditions_at == made


def test_send_due__never_lets_too_many_wait(settings) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "BULK_DEPTH": 2}
    for shade in range(5):
        builders.photo(builders.picture(colour=(shade, 0, 0)))
    assert sending.send_due() == 2
    assert sending.send_due() == 0
    assert len(_messages()) == 2


def test_sweep_command__says_what_it_did(capsys) -> None:
    builders.photo()
    call_command("shopimg_sweep")
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "taken back: 0",
        "cancelled: 0",
        "reconciled: 0",
        "sent: 1",
        "renditions: 0",
        "deletions: 0",
    ]


def test_send_due__never_sends_more_again_than_may_wait(settings) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "BULK_DEPTH": 2}
    for shade in range(5):
        builders.photo(builders.picture(colour=(shade, 0, 0)))
    _age_messages()
    assert sending.send_due() == 2
    assert len(_messages()) == 2
