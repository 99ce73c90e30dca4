"""System checks of the storages: that there are two, who can read them, and at which address."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.core import checks
from django.core.files.storage import FileSystemStorage, storages

from shopimg.conf import settings
from shopimg.storage import served_folders

Messages = list[checks.CheckMessage]


def check_storages(**_: Any) -> Messages:
    """E005: both aliases exist and differ."""
    aliases = {
        "DRAFT_STORAGE": settings.DRAFT_STORAGE,
        "PUBLISHED_STORAGE": settings.PUBLISHED_STORAGE,
    }
    missing: Messages = [
        checks.Error(
            f"SHOPIMG[{key!r}] names the storage {alias!r}, which is not in STORAGES.",
            hint="Add it to STORAGES; docs/quickstart.md has an example.",
            id="shopimg.E005",
        )
        for key, alias in aliases.items()
        if alias not in storages.backends
    ]
    if not missing and settings.DRAFT_STORAGE == settings.PUBLISHED_STORAGE:
        message = "Drafts and published files share one storage."
        hint = "Give DRAFT_STORAGE a private storage of its own."
        return [checks.Error(message, hint=hint, id="shopimg.E006")]
    return missing


def check_drafts_private(**_: Any) -> Messages:
    """E007: no draft is served to the public."""
    if check_storages():
        return []
    storage = storages[settings.DRAFT_STORAGE]
    public = (
        _is_served(storage) if isinstance(storage, FileSystemStorage) else _public_bucket(storage)
    )
    if not public:
        return []
    hint = "Use a folder outside MEDIA_ROOT, without base_url, or a private bucket."
    return [checks.Error("Drafts can be read by the public.", hint=hint, id="shopimg.E007")]


def check_published_address(**_: Any) -> Messages:
    """W005: a folder of published files has an address of its own."""
    if check_storages():
        return []
    storage = storages[settings.PUBLISHED_STORAGE]
    if not isinstance(storage, FileSystemStorage) or storage.base_url != django_settings.MEDIA_URL:
        return []
    if Path(storage.location).resolve() == Path(django_settings.MEDIA_ROOT).resolve():
        return []
    message = f"Published files have addresses below {storage.base_url}, and lie elsewhere."
    hint = f"Give STORAGES[{settings.PUBLISHED_STORAGE!r}] a base_url, and serve its folder there."
    return [checks.Warning(message, hint=hint, id="shopimg.W005")]


def _is_served(storage: FileSystemStorage) -> bool:
    """Tell whether a folder has an address of its own or lies inside one that has."""
    if storage.deconstruct()[2].get("base_url"):
        return True
    place = Path(storage.location).resolve()
    return any(place.is_relative_to(folder) for folder in served_folders())


def _public_bucket(storage: Any) -> bool:
    """Read the options of django-storages' S3, Google and Azure backends."""
    parameters = getattr(storage, "object_parameters", None) or {}
    acl = parameters.get("ACL") or parameters.get("acl") or getattr(storage, "default_acl", None)
    # "authenticated-read" means every customer of the provider.
    for_everybody = str(acl or "").lower().startswith(("public", "authenticated"))
    return for_everybody or not _signs_addresses(storage)


def is_private_bucket(storage: Any) -> bool:
    """Tell whether a storage is a bucket of a known kind that signs addresses of its files."""
    known = hasattr(storage, "azure_container") or hasattr(storage, "querystring_auth")
    return known and not _public_bucket(storage)


def _signs_addresses(storage: Any) -> bool:
    """Tell whether the address of a file is good for a while only."""
    if hasattr(storage, "azure_container"):
        return bool(storage.expiration_secs)
    if getattr(storage, "custom_domain", None):
        # S3 signs addresses of a domain of one's own for CloudFront only.
        signer = getattr(storage, "cloudfront_signer", None)
        return bool(getattr(storage, "querystring_auth", False) and signer)
    return bool(getattr(storage, "querystring_auth", True))
