"""Drafts and public files: names, whole or not at all, errors of every library, deletion."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile

from shopimg import renditions, storage
from tests import builders
from tests.shop.published import Publish
from tests.testapp.storages import CloudError

CONTENT = b"pixels"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PUBLIC_NAME = f"published/{DIGEST[:2]}/{DIGEST}.jpg"


def use_storage(settings, alias: str, name: str, **options: object) -> None:
    """Put a storage of the test app behind an alias."""
    backend = f"tests.testapp.storages.{name}"
    settings.STORAGES = settings.STORAGES | {alias: {"BACKEND": backend, "OPTIONS": options}}


def files_below(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.fixture(params=["folder", "memory"])
def any_storage(request, settings, storage_folders: dict[str, Path]) -> None:
    if request.param == "memory":
        use_storage(settings, "shopimg_published", "MemoryStorage", base_url="/published/")


def test_save_draft__name_cannot_be_guessed_and_tells_the_format() -> None:
    names = {storage.save_draft(CONTENT, "image/webp") for _ in range(3)}
    assert len(names) == 3
    for name in names:
        folder, _, file = name.partition("/")
        assert folder == "drafts"
        assert len(file.removesuffix(".webp")) == 40
        with storage.drafts().open(name) as saved:
            assert saved.read() == CONTENT


def test_save_draft__truncated_file_is_an_error_and_is_removed(
    settings, storage_folders: dict[str, Path]
) -> None:
    folder = storage_folders["shopimg_drafts"]
    use_storage(settings, "shopimg_drafts", "TruncatingStorage", location=folder)
    with pytest.raises(storage.StorageVerificationError, match="not written whole"):
        storage.save_draft(CONTENT, "image/jpeg")
    assert files_below(folder) == []


def test_save_draft__that_fails_half_way_leaves_nothing_on_the_disk(
    settings, storage_folders: dict[str, Path]
) -> None:
    folder = storage_folders["shopimg_drafts"]
    use_storage(settings, "shopimg_drafts", "FullStorage", location=folder)
    with pytest.raises(OSError, match="No space left on device"):
        storage.save_draft(CONTENT, "image/jpeg")
    assert files_below(folder) == []


@pytest.mark.usefixtures("any_storage")
def test_publish_copy__name_is_the_content() -> None:
    draft = storage.save_draft(CONTENT, "image/jpeg")
    assert storage.publish_copy(draft, DIGEST, "image/jpeg") == PUBLIC_NAME
    with storage.published().open(PUBLIC_NAME) as file:
        assert file.read() == CONTENT


def test_publish_copy__twice_writes_once(storage_folders: dict[str, Path]) -> None:
    draft = storage.save_draft(CONTENT, "image/jpeg")
    storage.publish_copy(draft, DIGEST, "image/jpeg")
    path = storage_folders["shopimg_published"] / PUBLIC_NAME
    before = path.stat()
    assert storage.publish_copy(draft, DIGEST, "image/jpeg") == PUBLIC_NAME
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert files_below(storage_folders["shopimg_published"]) == [PUBLIC_NAME]


def test_publish_copy__damaged_public_file_is_replaced(storage_folders: dict[str, Path]) -> None:
    draft = storage.save_draft(CONTENT, "image/jpeg")
    path = storage_folders["shopimg_published"] / PUBLIC_NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(b"pix")
    assert storage.publish_copy(draft, DIGEST, "image/jpeg") == PUBLIC_NAME
    assert path.read_bytes() == CONTENT
    assert files_below(storage_folders["shopimg_published"]) == [PUBLIC_NAME]


def test_publish_copy__draft_with_other_bytes_is_refused(storage_folders: dict[str, Path]) -> None:
    draft = storage.save_draft(b"other pixels", "image/jpeg")
    with pytest.raises(storage.StorageVerificationError, match="not hold the approved bytes"):
        storage.publish_copy(draft, DIGEST, "image/jpeg")
    assert files_below(storage_folders["shopimg_published"]) == []


def test_publish_copy__truncated_copy_is_an_error_and_is_removed(
    settings, storage_folders: dict[str, Path]
) -> None:
    folder = storage_folders["shopimg_published"]
    use_storage(settings, "shopimg_published", "TruncatingStorage", location=folder)
    draft = storage.save_draft(CONTENT, "image/jpeg")
    with pytest.raises(storage.StorageVerificationError, match="not written whole"):
        storage.publish_copy(draft, DIGEST, "image/jpeg")
    assert files_below(folder) == []


@pytest.mark.parametrize(
    ("raised", "translated"),
    [
        (OSError("disk full"), OSError),
        (FileNotFoundError("gone"), FileNotFoundError),
        (CloudError("no route"), storage.StorageFailedError),
        (SuspiciousFileOperation("../.."), FileNotFoundError),
    ],
)
def test_failures__every_library_ends_as_an_os_error(
    raised: Exception, translated: type[OSError]
) -> None:
    with pytest.raises(translated) as caught, storage.failures():
        raise raised
    assert type(caught.value) is translated


def test_delete__file_that_is_gone_counts_as_deleted() -> None:
    draft = storage.save_draft(CONTENT, "image/jpeg")
    assert storage.delete(storage.drafts(), [draft, "drafts/never-was.jpg"]) == 2
    assert not storage.drafts().exists(draft)


def test_delete__failure_is_logged_and_does_not_stop_the_others(settings, caplog) -> None:
    use_storage(settings, "shopimg_drafts", "BrokenCloudStorage")
    assert storage.delete(storage.drafts(), ["drafts/a.jpg", "drafts/b.jpg"]) == 0
    assert [r.message for r in caplog.records] == [
        "could not delete drafts/a.jpg",
        "could not delete drafts/b.jpg",
    ]


def test_walk__finds_every_file_below_a_folder() -> None:
    for name in ("a/1.jpg", "a/b/2.jpg", "c/3.jpg"):
        storage.drafts().save(name, ContentFile(b"x"))
    assert sorted(storage.walk(storage.drafts(), "a")) == ["a/1.jpg", "a/b/2.jpg"]
    assert storage.folders(storage.drafts(), "a") == ["a/b"]


def test_walk__folder_that_is_not_there_is_empty() -> None:
    assert list(storage.walk(storage.drafts(), "nowhere")) == []
    assert storage.folders(storage.drafts(), "nowhere") == []


def test_is_own__of_every_name_that_is_given(publish: Publish) -> None:
    shown = publish(builders.photo())
    shown.width, shown.height = 1600, 1200
    names = [shown.draft_name, storage.save_mask(CONTENT), shown.published_name]
    names += renditions.names(shown)
    assert [name for name in names if not storage.is_own(name)] == []
    assert len(names) == 17


def test_media_type__comes_from_the_name() -> None:
    assert storage.media_type("drafts/x.webp") == "image/webp"
    assert storage.media_type("drafts/x") == "application/octet-stream"


@pytest.mark.parametrize("where", ["folder", "memory"])
def test_save_mask__name_is_the_content_and_a_damaged_file_is_replaced(
    where: str, settings
) -> None:
    if where == "memory":
        use_storage(settings, "shopimg_drafts", "MemoryStorage")
    name = f"masks/{DIGEST}.png"
    assert [storage.save_mask(CONTENT) for _ in range(2)] == [name, name]
    assert storage.read_mask(name) == CONTENT
    storage.drafts().delete(name)
    storage.drafts().save(name, ContentFile(b"damaged"))
    with pytest.raises(storage.StorageVerificationError, match="its name promises"):
        storage.read_mask(name)
    assert storage.save_mask(CONTENT) == name
    assert storage.read_mask(name) == CONTENT
    assert list(storage.walk(storage.drafts(), "masks")) == [name]


def test_read_mask__that_is_gone_or_leads_elsewhere_is_not_found() -> None:
    for name in (f"masks/{DIGEST}.png", "../../etc/passwd"):
        with pytest.raises(FileNotFoundError):
            storage.read_mask(name)
