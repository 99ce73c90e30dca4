"""Asking for an image to be enhanced, through the hook and directly."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone
from kombu.transport.memory import Channel
from pytest_django import DjangoCaptureOnCommitCallbacks

from shopimg.contract import RecipeError
from shopimg.models import BulkRun, EnhancedVariant, EnhancementJob
from shopimg.services import jobs, publishing, reviews
from shopimg.services.requests import Order, request_enhancement
from shopimg.states import JobState, ReviewState
from tests import builders
from tests.testapp.brokers import using_broker
from tests.testapp.models import Photo, UnwatchedPhoto

pytestmark = pytest.mark.django_db


def test_hook__new_upload_gets_one_queued_job() -> None:
    content = builders.picture((640, 480))
    photo = builders.photo(content)
    job = EnhancementJob.objects.get()
    assert job.state == JobState.QUEUED
    assert job.source == photo
    assert job.source_digest == hashlib.sha256(content).hexdigest()
    assert (job.source_width, job.source_height, job.source_bytes) == (640, 480, len(content))
    assert job.recipe == "clean"
    assert job.attempts == 0


def test_hook__saving_without_a_new_file_queues_nothing() -> None:
    photo = builders.photo()
    photo.name = "Mug, red"
    photo.save()
    photo.save(update_fields=["name"])
    Photo.objects.defer("file").get().save()
    assert EnhancementJob.objects.count() == 1


def test_hook__job_row_goes_with_the_upload_when_it_is_rolled_back() -> None:
    with transaction.atomic():
        builders.photo()
        transaction.set_rollback(True)
    assert EnhancementJob.objects.count() == 0


def test_hook__other_models_are_left_alone() -> None:
    UnwatchedPhoto.objects.create(file=builders.upload())
    assert EnhancementJob.objects.count() == 0


def test_hook__name_of_a_stored_file_counts_as_an_upload() -> None:
    stored = builders.photo().file.name
    copy = Photo.objects.create(file=stored)
    assert EnhancementJob.objects.for_source(copy).count() == 1


def test_hook__replaced_file_supersedes_job_and_draft_but_not_what_is_published() -> None:
    photo = builders.photo()
    shown = builders.draft(photo)
    reviews.approve(shown, by=builders.reviewer())
    first = builders.job_of(photo)
    photo.file = builders.upload(builders.picture(colour=(9, 9, 9)))
    photo.save()
    waiting = builders.draft(photo, colour=(8, 8, 8))
    photo.file = builders.upload(builders.picture(colour=(7, 7, 7)))
    photo.save()

    shown.refresh_from_db()
    waiting.refresh_from_db()
    assert shown.state == ReviewState.PUBLISHED
    assert waiting.state == ReviewState.SUPERSEDED
    assert first.state == JobState.SUCCEEDED
    assert builders.job_of(photo).state == JobState.QUEUED


def test_hook__replaced_file_supersedes_an_approval_that_nobody_published(settings) -> None:
    settings.SHOPIMG = {**settings.SHOPIMG, "PUBLISH_ON_APPROVAL": False}
    photo = builders.photo()
    variant = reviews.approve(builders.draft(photo), by=builders.reviewer())
    assert variant.state == ReviewState.APPROVED
    photo.file = builders.upload(builders.picture(colour=(7, 7, 7)))
    photo.save()
    variant.refresh_from_db()
    assert variant.state == ReviewState.SUPERSEDED


def test_hook__running_job_of_a_replaced_file_cannot_finish() -> None:
    photo = builders.photo()
    claim = jobs.claim(builders.job_of(photo).pk)
    assert claim is not None
    photo.file = builders.upload(builders.picture(colour=(9, 9, 9)))
    photo.save()
    claim.job.refresh_from_db()
    assert claim.job.state == JobState.CANCELLED
    assert claim.job.error_code == "job_superseded"


@pytest.mark.parametrize("frees_the_name", [True, False])
def test_hook__other_bytes_under_the_same_name_count_as_an_upload(*, frees_the_name: bool) -> None:
    photo = builders.photo()
    draft, name = builders.draft(photo), photo.file.name
    if frees_the_name:
        photo.file.delete(save=False)
        photo.file.save("mug.jpg", builders.upload(builders.picture((70, 70))))
    else:
        Path(photo.file.path).write_bytes(builders.picture((70, 70)))
        photo.save()
    job, draft_now = builders.job_of(photo), EnhancedVariant.objects.get()
    assert (photo.file.name, job.source_name, job.source_width) == (name, name, 70)
    assert (draft_now.pk, draft_now.state) == (draft.pk, ReviewState.SUPERSEDED)


def test_hook__name_that_leads_out_of_the_storage_does_not_keep_an_image_from_being_saved() -> None:
    photo = builders.photo()
    Photo.objects.update(file="../mug.jpg")
    EnhancementJob.objects.update(source_name="../mug.jpg")
    photo.refresh_from_db()
    photo.save()
    assert EnhancementJob.objects.count() == 1


def test_hook__first_upload_coming_back_is_queued_again() -> None:
    first = builders.picture(colour=(1, 1, 1))
    photo = builders.photo(first)
    for content in (builders.picture(colour=(2, 2, 2)), first):
        photo.file = builders.upload(content)
        photo.save()
    states = EnhancementJob.objects.order_by("created_at").values_list("state", flat=True)
    assert list(states) == [JobState.CANCELLED, JobState.QUEUED]
    assert builders.job_of(photo).source_digest == hashlib.sha256(first).hexdigest()


def test_hook__deleted_image_cancels_its_job_and_withdraws_its_variant() -> None:
    photo = builders.photo()
    shown = builders.draft(photo)
    reviews.approve(shown, by=builders.reviewer())
    photo.file = builders.upload(builders.picture(colour=(9, 9, 9)))
    photo.save()
    queued = builders.job_of(photo)
    photo.delete()
    shown.refresh_from_db()
    queued.refresh_from_db()
    assert shown.state == ReviewState.SUPERSEDED
    assert queued.state == JobState.CANCELLED
    assert list(shown.decisions.values_list("decision", "by")[:1]) == [("withdraw", None)]


def test_hook__file_taken_away_counts_as_deleted() -> None:
    photo = builders.photo()
    photo.file = ""
    photo.save()
    assert EnhancementJob.objects.get().state == JobState.CANCELLED


@pytest.mark.parametrize(
    ("content", "name", "code", "words"),
    [
        (b"", "a.jpg", "source_unreadable", "empty"),
        (b"not a picture", "a.jpg", "source_unreadable", "not a picture"),
        (b"\xff\xd8\xff", "a.jpg", "source_unreadable", "damaged"),
        (builders.picture(kind="GIF"), "a.gif", "unsupported_format", "not supported"),
        (builders.picture(), "a.png", "unsupported_format", "its name ends in"),
        (builders.picture((15, 400)), "a.jpg", "source_invalid", "at least 16"),
        (builders.picture((16, 400)), "a.jpg", "source_invalid", "too narrow"),
        (builders.picture((12_001, 700)), "a.jpg", "source_too_large", "a side over 12000"),
        (builders.picture((8_000, 6_400)), "a.jpg", "source_too_large", "more than 50 megapixels"),
        (builders.picture((7_000, 6_000)), "a.jpg", "source_too_large", "over 12000"),
    ],
)
def test_hook__refused_upload_is_saved_and_its_job_says_why(
    content: bytes, name: str, code: str, words: str
) -> None:
    photo = builders.photo(content, name)
    job = builders.job_of(photo)
    assert Photo.objects.filter(pk=photo.pk).exists()
    assert (job.state, job.error_code) == (JobState.FAILED, code)
    assert words in job.error_message


def test_hook__truncated_file_passes_the_header_and_is_left_to_the_worker() -> None:
    photo = builders.photo(builders.picture((640, 480))[:-200])
    assert builders.job_of(photo).state == JobState.QUEUED


def test_hook__animated_upload_is_refused() -> None:
    from PIL import Image

    frames = [Image.new("RGB", (32, 32), (i, 0, 0)) for i in (1, 99)]
    content = builders.picture((32, 32), kind="WEBP", save_all=True, append_images=frames)
    job = builders.job_of(builders.photo(content, "a.webp"))
    assert (job.error_code, job.error_message) == (
        "unsupported_format",
        "Animated pictures are not supported.",
    )


def test_hook__second_picture_in_a_phones_jpeg_is_no_animation() -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    second = Image.new("RGB", (640, 480))
    content = builders.picture(
        (64, 48), kind="MPO", save_all=True, append_images=[second], exif=exif.tobytes()
    )
    job = builders.job_of(builders.photo(content, "phone.jpg"))
    assert (job.state, job.error_code) == (JobState.QUEUED, "")
    assert (job.source_width, job.source_height) == (48, 64)


def test_hook__phones_jpeg_with_another_extension_is_refused() -> None:
    from PIL import Image

    second = Image.new("RGB", (32, 32))
    content = builders.picture(kind="MPO", save_all=True, append_images=[second])
    job = builders.job_of(builders.photo(content, "phone.png"))
    assert (
        job.error_message == "The file is a JPEG picture, but its name ends in “.png”. Rename it."
    )


def test_hook__damaged_avif_is_refused() -> None:
    content = builders.picture(kind="AVIF").replace(b"pitm", b"spam")
    job = builders.job_of(builders.photo(content, "a.avif"))
    assert (job.state, job.error_code) == (JobState.FAILED, "source_unreadable")


def test_hook__sideways_photo_is_measured_as_people_see_it() -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    job = builders.job_of(builders.photo(builders.picture((64, 48), exif=exif.tobytes())))
    assert (job.source_width, job.source_height) == (48, 64)


def test_request__equal_content_gives_the_same_job() -> None:
    photo = builders.photo()
    request = request_enhancement(photo)
    assert request.queued is False
    assert request.job == builders.job_of(photo)
    assert EnhancementJob.objects.count() == 1


def test_request__somebody_who_waits_takes_a_job_out_of_the_bulk_queue(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    photo, rosa, run = builders.photo(), builders.reviewer(), BulkRun.objects.create()
    long_ago = timezone.now() - timedelta(hours=1)
    EnhancementJob.objects.update(bulk=True, bulk_run=run, sent_at=long_ago)
    Channel.queues.clear()
    with using_broker("memory://"):
        with django_capture_on_commit_callbacks(execute=True):
            request = request_enhancement(photo, Order(requested_by=rosa))
            assert (request.queued, request.job.sent_at) == (True, None)
        assert Channel.queues["shopimg"].qsize() == 1
    Channel.queues.clear()
    job = builders.job_of(photo)
    assert (job.state, job.bulk, job.bulk_run) == (JobState.QUEUED, False, run)
    assert job.requested_by == rosa
    assert job.sent_at is not None
    assert job.sent_at > long_ago


def test_request__of_a_sweeper_leaves_an_interactive_job_where_it_is() -> None:
    photo = builders.photo()
    assert request_enhancement(photo, Order(bulk=True)).queued is False
    assert builders.job_of(photo).bulk is False


def test_request__force_queues_a_finished_job_again() -> None:
    photo = builders.photo()
    builders.draft(photo)
    request = request_enhancement(photo, Order(force=True))
    assert request.queued is True
    assert (request.job.state, request.job.attempts) == (JobState.QUEUED, 0)


def test_request__other_recipe_is_another_job(settings) -> None:
    table = {"main": {"steps": [{"step": "upscale", "scale": 4}]}}
    settings.SHOPIMG = {**settings.SHOPIMG, "RECIPES": {"big": table}}
    photo = builders.photo()
    assert request_enhancement(photo, Order(recipe="big")).queued is True
    assert set(EnhancementJob.objects.values_list("recipe", flat=True)) == {"clean", "big"}


def test_request__unknown_recipe_changes_nothing() -> None:
    photo = builders.photo()
    with pytest.raises(RecipeError, match="There is no recipe 'shiny'"):
        request_enhancement(photo, Order(recipe="shiny"))
    assert EnhancementJob.objects.count() == 1


def test_request__unwatched_model_is_refused() -> None:
    with pytest.raises(LookupError, match="is not in SHOPIMG"):
        request_enhancement(UnwatchedPhoto.objects.create(file=builders.upload()))


def test_request__missing_file_fails_the_job() -> None:
    photo = builders.photo()
    photo.file.storage.delete(photo.file.name)
    EnhancementJob.objects.all().delete()
    request = request_enhancement(photo)
    assert request.queued is False
    assert (request.job.state, request.job.error_code) == (JobState.FAILED, "source_missing")


def test_publishing__published_variant_is_shown_and_draft_is_not() -> None:
    photo = builders.photo()
    variant = builders.draft(photo)
    assert publishing.images_to_show([photo])[0].variant is None
    reviews.approve(variant, by=builders.reviewer())
    shown = publishing.images_to_show([photo])[0]
    assert shown.variant == variant
    assert shown.original_url == photo.file.url
    assert shown.alt == "Mug, blue"
    assert EnhancedVariant.objects.published().count() == 1


def test_request__file_that_is_missing_for_a_while_takes_no_draft_along() -> None:
    draft = builders.draft()
    photo = draft.source
    photo.file.storage.delete(photo.file.name)
    assert request_enhancement(photo).job.error_code == "source_missing"
    draft.refresh_from_db()
    assert draft.state == "awaiting_review"


def test_request__force_does_not_queue_a_refused_upload() -> None:
    request = request_enhancement(builders.photo(b"nothing"), Order(force=True))
    assert (request.queued, request.job.state) == (False, JobState.FAILED)
