"""Private drafts and public files: where they live, how they are named, how they are removed."""

from __future__ import annotations

import hashlib
import io
import logging
import mimetypes
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from django.conf import settings as django_settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, Storage, storages
from django.utils.crypto import get_random_string

from shopimg.conf import settings
from shopimg.contract import MIME_TYPES

logger = logging.getLogger(__name__)

MASKS = "masks"
"""Folder of the masks, in the storage of the drafts."""

_SUFFIXES = {mime_type: name.replace("jpeg", "jpg") for name, mime_type in MIME_TYPES.items()}
_STEMS = (
    r"drafts/[0-9a-z]{40}",
    rf"{MASKS}/[0-9a-f]{{64}}",
    r"published/([0-9a-f]{2})/\1[0-9a-f]{62}(/[0-9]+w)?",
)
# With what a storage adds where a name is taken, and what marks a file that is being written.
_OWN_NAME = re.compile(rf"(?:{'|'.join(_STEMS)})(_\w{{7}})?(\.\w+)+", re.ASCII)
_PART_LETTERS = 7
_PUBLIC_FOLDER = re.compile(r"published/[0-9a-f]{2}")


class StorageVerificationError(OSError):
    """A file does not hold the bytes that were written."""


class StorageFailedError(OSError):
    """A storage failed with an error of its own library."""


@contextmanager
def failures() -> Iterator[None]:
    """Translate what the libraries of cloud storages raise, so that callers catch ``OSError``.

    Raises:
        FileNotFoundError: a name that leads out of the storage.
        StorageFailedError: anything else that is not an ``OSError`` already.
    """
    try:
        yield
    except OSError:
        raise
    except SuspiciousFileOperation as err:
        raise FileNotFoundError(str(err)) from err
    except Exception as err:
        raise StorageFailedError(f"{type(err).__name__}: {err}") from err


def drafts() -> Storage:
    """Storage of results that wait for review."""
    return storages[settings.DRAFT_STORAGE]


def published() -> Storage:
    """Storage of what shoppers see."""
    return storages[settings.PUBLISHED_STORAGE]


def served_folders() -> list[Path]:
    """Return the folders that shoppers may read: those of every storage but the drafts' one."""
    others = [storages[alias] for alias in storages.backends if alias != settings.DRAFT_STORAGE]
    # A project that never collects static files has no folder for them.
    folders = [s.location for s in others if isinstance(s, FileSystemStorage)]
    folders += [django_settings.MEDIA_ROOT, django_settings.STATIC_ROOT or ""]
    return [Path(folder).resolve() for folder in folders if folder]


def is_unmounted(storage: Storage) -> bool:
    """Tell whether a folder of files is missing or empty, as where a machine lacks the volume."""
    if not isinstance(storage, FileSystemStorage):
        return False
    folder = Path(storage.location)
    try:
        return not folder.is_dir() or next(folder.iterdir(), None) is None
    except OSError:
        return True  # a mount that has gone away


def digest_of(file: IO[bytes]) -> str:
    """Return the sha256 of a file from its start, in hexadecimal."""
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def save_draft(content: bytes, mime_type: str) -> str:
    """Write a draft once under a name that cannot be guessed, and return the name.

    Raises:
        OSError: the storage failed, or reading back gave other bytes.
    """
    name = f"drafts/{get_random_string(40).lower()}.{_SUFFIXES[mime_type]}"
    with failures():
        return _write(drafts(), name, content)


def mask_name(digest: str) -> str:
    """Return the name of the mask with a sha256, in the storage of the drafts."""
    return f"{MASKS}/{digest}.png"


def save_mask(content: bytes) -> str:
    """Write a mask among the drafts under a name made of its content, and return the name.

    Writing it twice gives the same name and writes nothing.

    Args:
        content: a PNG.

    Raises:
        OSError: the storage failed, or reading back gave other bytes.
    """
    digest = hashlib.sha256(content).hexdigest()
    name = mask_name(digest)
    with failures():
        if drafts().exists(name):
            if _holds(drafts(), name, digest):
                return name
            drafts().delete(name)
        saved = _write(drafts(), name, content)
        if saved != name:  # somebody else has written the same at the same moment
            drafts().delete(saved)
        return name


def read_mask(name: str) -> bytes:
    """Return a mask.

    Args:
        name: from ``mask_name`` or ``save_mask``.

    Raises:
        FileNotFoundError: there is none.
        StorageVerificationError: it holds other bytes than it should.
        OSError: the storage failed.
    """
    with failures(), drafts().open(name) as file:
        content: bytes = file.read()
    if name != mask_name(hashlib.sha256(content).hexdigest()):
        raise StorageVerificationError(f"{name} does not hold the bytes that its name promises.")
    return content


def publish_copy(draft_name: str, digest: str, mime_type: str) -> str:
    """Copy a draft to the public storage under a name made of its content, and return the name.

    Copying twice gives the same name and writes nothing.

    Raises:
        OSError: a storage failed, the draft is not what was approved, or the copy is not whole.
    """
    name = f"published/{digest[:2]}/{digest}.{_SUFFIXES[mime_type]}"
    with failures():
        if published().exists(name) and _holds(published(), name, digest):
            return name
        with drafts().open(draft_name) as draft:
            content = draft.read()
        if hashlib.sha256(content).hexdigest() != digest:
            raise StorageVerificationError(f"{draft_name} does not hold the approved bytes.")
        return _write(published(), name, content)


def read_published(name: str) -> bytes:
    """Return a public file.

    Raises:
        OSError: the storage failed, or does not have it: then it is a ``FileNotFoundError``.
    """
    with failures(), published().open(name) as file:
        content: bytes = file.read()
    return content


def delete(storage: Storage, names: Iterable[str]) -> int:
    """Delete files that may be gone already; a failure is logged and left to the next sweep.

    Returns:
        How many deletions did not fail.
    """
    deleted = 0
    for name in names:
        try:
            with failures():
                storage.delete(name)
            deleted += 1
        except OSError:
            logger.warning("could not delete %s", name, exc_info=True)
    return deleted


def walk(storage: Storage, folder: str) -> Iterator[str]:
    """Yield the name of every file below ``folder``.

    Raises:
        OSError: the storage failed.
    """
    children, files = _listed(storage, folder)
    for file in files:
        yield f"{folder}/{file}"
    for child in children:
        yield from walk(storage, f"{folder}/{child}")


def folders(storage: Storage, folder: str) -> list[str]:
    """Return the names of the folders in ``folder``.

    Raises:
        OSError: the storage failed.
    """
    return [f"{folder}/{child}" for child in _listed(storage, folder)[0]]


def public_folders() -> list[str]:
    """Return the folders of the public files: one for each start of a digest.

    Raises:
        OSError: the storage failed.
    """
    return [name for name in folders(published(), "published") if _PUBLIC_FOLDER.fullmatch(name)]


def is_own(name: str) -> bool:
    """Tell whether a file has a name that shopimg gives; others may share a storage with it.

    >>> digest = "9f" * 32
    >>> is_own(f"published/9f/{digest}.jpg"), is_own(f"published/9f/{digest}/320w.avif")
    (True, True)
    >>> is_own("published/9f/invoice.jpg"), is_own("published/catalogue/invoice.pdf")
    (False, False)
    """
    return _OWN_NAME.fullmatch(name) is not None


def media_type(name: str) -> str:
    """Return the media type that a file name promises, for serving it."""
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _listed(storage: Storage, folder: str) -> tuple[list[str], list[str]]:
    """Return the folders and the files in a folder, none where it is missing."""
    try:
        with failures():
            children, files = storage.listdir(folder)
    except FileNotFoundError:
        return [], []
    return list(filter(None, children)), list(filter(None, files))


def _holds(storage: Storage, name: str, digest: str) -> bool:
    with storage.open(name) as file:
        return digest_of(_seekable(file)) == digest


def _write(storage: Storage, name: str, content: bytes) -> str:
    """Write a file that appears whole or not at all, and return its name."""
    if not isinstance(storage, FileSystemStorage):
        return _saved(storage, name, content)
    # A folder shows a file while it is being written; an object storage does not.
    part = f"{name}.{get_random_string(_PART_LETTERS).lower()}.part"
    try:
        _saved(storage, part, content)
        Path(storage.path(part)).replace(storage.path(name))
    except BaseException:
        # What a full disk has taken of a file would keep it full.
        with suppress(OSError):
            storage.delete(part)
        raise
    return name


def _saved(storage: Storage, name: str, content: bytes) -> str:
    saved = storage.save(name, ContentFile(content))
    if not _holds(storage, saved, hashlib.sha256(content).hexdigest()):
        storage.delete(saved)
        raise StorageVerificationError(f"{name} was not written whole.")
    return saved


def _seekable(file: File[bytes]) -> IO[bytes]:
    return io.BytesIO(file.read())
