"""Storages that fail on purpose or stand for a provider; a test names one in ``STORAGES``."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

from django.core.files.storage import FileSystemStorage, InMemoryStorage
from pictures.models import Picture
from storages.base import BaseStorage


class CloudError(Exception):
    """What the library of a cloud storage raises: no OSError."""


class BrokenStorage(FileSystemStorage):
    """Fails as a storage that is down."""

    def _save(self, name: str, content: Any) -> str:
        raise OSError("disk full")

    def _open(self, name: str, mode: str = "rb") -> Any:
        raise OSError("disk gone")


class BrokenCloudStorage(BrokenStorage):
    """Fails with errors of its own library."""

    def _save(self, name: str, content: Any) -> str:
        raise CloudError("no route to bucket")

    def _open(self, name: str, mode: str = "rb") -> Any:
        raise CloudError("no route to bucket")

    def delete(self, name: str) -> None:
        raise CloudError("no route to bucket")

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        raise CloudError("no route to bucket")


class TruncatingStorage(FileSystemStorage):
    """Loses the end of every file that it writes."""

    def _save(self, name: str, content: Any) -> str:
        saved = super()._save(name, content)
        with Path(self.path(saved)).open("r+b") as file:
            file.truncate(3)
        return saved


class FullStorage(FileSystemStorage):
    """Writes the beginning of a file; then the disk is full."""

    def _save(self, name: str, content: Any) -> str:
        path = Path(self.path(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.read()[:3])
        raise OSError(errno.ENOSPC, "No space left on device")


class MemoryStorage(InMemoryStorage):
    """A storage without folders on this machine, such as an object storage."""


class AzureOptions(BaseStorage):
    """Takes the options of django-storages' Azure backend, without Azure's package."""

    def get_default_settings(self) -> dict[str, Any]:
        return {
            "azure_container": "drafts",
            "custom_domain": None,
            "expiration_secs": None,
            "object_parameters": {},
            "sas_token": None,
        }


class GoogleOptions(BaseStorage):
    """Takes the options of django-storages' Google backend, without Google's package."""

    def get_default_settings(self) -> dict[str, Any]:
        return {
            "bucket_name": "drafts",
            "default_acl": None,
            "object_parameters": {},
            "querystring_auth": True,
        }


class StaleStorage(FileSystemStorage):
    """A network mount that has gone away."""

    def _open(self, name: str, mode: str = "rb") -> Any:
        raise OSError(errno.ESTALE, "Stale file handle")


class FarPicture(Picture):
    """What a host has django-pictures use whose pictures are resized elsewhere."""

    @property
    def url(self) -> str:
        """Address of a size."""
        return f"https://resizer.example/{self.width}/{self.parent_name}"


class Cdn(InMemoryStorage):
    """Files at public addresses of a domain of one's own, and no option that says so."""

    custom_domain = "cdn.example"
