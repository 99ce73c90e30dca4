"""``shopimg_cleanup``: what it deletes, and what it spares."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Manager, QuerySet
from django.utils import timezone

from shopimg import storage, tasks
from shopimg.models import EnhancedVariant, WorkerHeartbeat
from shopimg.services import cleaning, publishing, retention, reviews
from shopimg.services.requests import Order, request_enhancement
from shopimg.states import ReviewState
from tests import builders
from tests.shop.aging import make_old
from tests.shop.test_storage import files_below, use_storage
from tests.testapp.models import OwnedPhoto, Photo

DIGEST = "ab" * 32


@pytest.mark.django_db
def test_cleanup__deletes_old_orphans_only(storage_folders: dict[str, Path], capsys) -> None:
    shown = reviews.approve(builders.draft(), by=builders.reviewer())
    publishing.make_renditions(shown)
    kept = {alias: files_below(folder) for alias, folder in storage_folders.items()}
    old = storage.save_draft(b"x" * 1000, "image/jpeg")
    for name in (f"published/ab/{DIGEST}.jpg", f"published/ab/{DIGEST}/100w.avif"):
        storage.published().save(name, ContentFile(b"y" * 1000))
    for folder in storage_folders.values():
        make_old(folder)
    young = storage.save_draft(b"young", "image/jpeg")

    call_command("shopimg_cleanup", "--dry-run")
    assert set(capsys.readouterr().out.splitlines()) == {
        old,
        f"published/ab/{DIGEST}.jpg",
        f"published/ab/{DIGEST}/100w.avif",
        "3 files would be deleted, 0.0 MB.",
    }
    call_command("shopimg_cleanup")
    assert capsys.readouterr().out == "3 files deleted, 0.0 MB.\n"
    kept["shopimg_drafts"] = sorted([*kept["shopimg_drafts"], young])
    assert {alias: files_below(folder) for alias, folder in storage_folders.items()} == kept
    call_command("shopimg_cleanup")
    assert capsys.readouterr().out == "0 files deleted, 0.0 MB.\n"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name",
    [
        "published/catalogue/invoice.pdf",
        "published/ab/invoice.pdf",
        f"published/cd/{DIGEST}.jpg",
        f"published/ab/{DIGEST}/invoice.pdf",
        f"published/ab/{DIGEST}/old/100w.avif",
    ],
)
def test_cleanup__leaves_files_of_the_host_alone(
    storage_folders: dict[str, Path], shopimg, name: str
) -> None:
    shopimg(PUBLISHED_STORAGE="default")
    storage.published().save(name, ContentFile(b"the host's"))
    make_old(storage_folders["default"], hours=48)
    assert cleaning.clean_up().files == 0
    assert files_below(storage_folders["default"]) == [name]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("shopimg_drafts", f"drafts/{'0z' * 20}.jpg.part"),
        ("shopimg_drafts", f"drafts/{'0z' * 20}.jpg_AbC1xyz.part"),
        ("shopimg_drafts", f"masks/{DIGEST}_AbC1xyz.png"),
        ("shopimg_published", f"published/ab/{DIGEST}_AbC1xyz.jpg.part"),
        ("shopimg_published", f"published/ab/{DIGEST}/100w_AbC1xyz.jpeg"),
    ],
)
def test_cleanup__deletes_what_a_crash_or_two_writers_left(
    storage_folders: dict[str, Path], alias: str, name: str
) -> None:
    storages[alias].save(name, ContentFile(b"half"))
    make_old(storage_folders[alias])
    assert cleaning.clean_up().files == 1
    assert files_below(storage_folders[alias]) == []


@pytest.mark.django_db
def test_cleanup__runs_as_the_task_that_beat_sends(storage_folders: dict[str, Path]) -> None:
    old = storage.save_draft(b"x" * 1000, "image/jpeg")
    make_old(storage_folders["shopimg_drafts"])
    young = storage.save_draft(b"young", "image/jpeg")
    tasks.clean_up.apply(throw=True)
    assert files_below(storage_folders["shopimg_drafts"]) == [young] != [old]


@pytest.mark.django_db
@pytest.mark.parametrize("alias", ["shopimg_drafts", "shopimg_published"])
def test_cleanup__storage_that_fails_is_said(settings, alias: str) -> None:
    use_storage(settings, alias, "BrokenCloudStorage")
    with pytest.raises(CommandError) as caught:
        call_command("shopimg_cleanup")
    assert caught.value.returncode == 1
    assert str(caught.value) == (
        "The storage failed: CloudError: no route to bucket. What was done stays done; "
        "run the command again to go on."
    )


@pytest.mark.django_db
def test_cleanup__forgets_workers_that_were_silent_for_a_week(capsys) -> None:
    now = timezone.now()
    for name, days in (("dead@pod-1", 8), ("silent@pod-2", 6), ("alive@pod-3", 0)):
        seen_at = now - timedelta(days=days)
        WorkerHeartbeat.objects.create(name=name, queues="shopimg", seen_at=seen_at)
    line = "1 workers were silent for 7 days: their rows {}.\n0 files {}, 0.0 MB.\n"
    call_command("shopimg_cleanup", "--dry-run")
    assert capsys.readouterr().out == line.format("would be deleted", "would be deleted")
    assert WorkerHeartbeat.objects.count() == 3
    call_command("shopimg_cleanup")
    assert capsys.readouterr().out == line.format("were deleted", "deleted")
    names = set(WorkerHeartbeat.objects.values_list("name", flat=True))
    assert names == {"silent@pod-2", "alive@pod-3"}


@pytest.mark.django_db
def test_cleanup__withdraws_what_was_made_of_images_that_are_gone(monkeypatch, capsys) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)
    rosa = builders.reviewer()
    photos = [builders.photo(builders.picture((40 + i, 40))) for i in range(5)]
    shown = [reviews.approve(builders.draft(photo), by=rosa) for photo in photos[:4]]
    waiting = builders.draft(photos[4])
    Photo.objects.filter(pk=photos[0].pk)._raw_delete("default")
    Photo.objects.filter(pk=photos[3].pk).update(file="")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM testapp_photo WHERE id = %s", [photos[4].pk])

    call_command("shopimg_cleanup", "--dry-run")
    assert "3 images are gone: what was made of them would be withdrawn.\n" in (
        capsys.readouterr().out
    )
    assert EnhancedVariant.objects.published().count() == 4
    call_command("shopimg_cleanup")
    assert "3 images are gone: what was made of them was withdrawn.\n" in capsys.readouterr().out
    assert set(EnhancedVariant.objects.published()) == {shown[1], shown[2]}
    assert not EnhancedVariant.objects.awaiting_review().exists()
    waiting.refresh_from_db()
    assert waiting.state == ReviewState.SUPERSEDED
    assert set(publishing.withdrawn_with_files(timezone.now())) == {shown[0].pk, shown[3].pk}
    assert list(retention.gone()) == []


class _Hiding(Manager[OwnedPhoto]):
    """A host's own manager that hides every row, as one for deletion with an undo does."""

    model = OwnedPhoto

    def get_queryset(self) -> QuerySet[OwnedPhoto]:
        return super().get_queryset().none()


@pytest.mark.django_db
def test_cleanup__keeps_what_a_host_only_hides(monkeypatch) -> None:
    merchant = builders.reviewer("merchant")
    image = OwnedPhoto.objects.create(owner=merchant, file=builders.upload())
    variant = reviews.approve(builders.draft(image), by=merchant)
    monkeypatch.setitem(OwnedPhoto._meta.__dict__, "default_manager", _Hiding())
    assert not OwnedPhoto._default_manager.exists()
    assert list(retention.gone()) == []
    OwnedPhoto.objects.filter(pk=image.pk)._raw_delete("default")
    key = {"source_type": variant.source_type, "source_id": variant.source_id}
    assert list(retention.gone()) == [key]


@pytest.mark.django_db
def test_cleanup__keeps_for_a_while_what_was_just_replaced(
    storage_folders: dict[str, Path],
) -> None:
    rosa, photo = builders.reviewer(), builders.photo()
    first = reviews.approve(builders.draft(photo), by=rosa)
    request_enhancement(photo, Order(force=True))
    reviews.approve(builders.draft(photo, colour=(1, 1, 1)), by=rosa)
    make_old(storage_folders["shopimg_published"])
    assert list(cleaning.orphans()) == []
    EnhancedVariant.objects.filter(pk=first.pk).update(
        updated_at=timezone.now() - timedelta(hours=25)
    )
    assert [orphan.name for orphan in cleaning.orphans()] == [first.published_name]


@pytest.mark.django_db
def test_cleanup__spares_what_was_published_since_it_was_found(
    storage_folders: dict[str, Path],
) -> None:
    draft = builders.draft()
    name = storage.publish_copy(draft.draft_name, draft.digest, draft.mime_type)
    make_old(storage_folders["shopimg_published"])
    (orphan,) = cleaning.orphans()
    reviews.approve(draft, by=builders.reviewer())
    assert cleaning.remove(orphan) is False
    assert files_below(storage_folders["shopimg_published"]) == [name]
