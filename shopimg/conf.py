"""The ``SHOPIMG`` setting: typed, with defaults, read when first asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.functional import SimpleLazyObject, empty

_LEAST = {
    "API_OPEN_JOBS_PER_USER": 1,
    "BULK_DEPTH": 1,
    "HEARTBEAT_SECONDS": 1,
    "JOB_TIME_LIMIT_SECONDS": 1,
    "MAX_ATTEMPTS": 1,
    "ORPHAN_HOURS": 1,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Every key of the ``SHOPIMG`` dictionary."""

    SOURCES: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Watched models: ``"app.Model" -> {"field": ..., "recipe": ..., "alt": ...}``."""
    RECIPES: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Recipe name -> table of roles; ``clean`` is built in and may be replaced."""
    NETWORKS: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Networks from elsewhere that recipes may name: ``name -> {"file": ..., "sha256": ...}``."""
    ENHANCER: str = "enhancer_worker.backend.NeuralEnhancer"
    """Dotted path of the class that workers use; never imported by a web process."""
    WEIGHTS_DIR: str = ""
    """Folder with the ``weights.json`` that the workers run; the one that ships where empty."""
    DRAFT_STORAGE: str = "shopimg_drafts"
    """``STORAGES`` alias for results that wait for review; must not have public URLs."""
    PUBLISHED_STORAGE: str = "shopimg_published"
    """``STORAGES`` alias for what shoppers see."""
    PUBLISH_ON_APPROVAL: bool = True
    """Publish as soon as a reviewer approves."""
    SCOPE: str | None = None
    """Dotted path of ``(user, queryset of a watched model) -> narrowed queryset``."""
    API_OPEN_JOBS_PER_USER: int = 1000
    """Most jobs of one user of the API that may be open; bulk runs are counted apart."""
    QUEUE: str = "shopimg"
    """Celery queue of what somebody waits for: interactive jobs, responsive sizes."""
    BULK_QUEUE: str = "shopimg-bulk"
    """Celery queue of what nobody waits for: jobs of bulk runs and of images found by the sweeper,
    the clean-up."""
    UPKEEP_QUEUE: str = "shopimg-upkeep"
    """Celery queue of the sweeper and of deletions; jobs never hold it up."""
    BULK_DEPTH: int = 1000
    """Most messages that wait in a queue of jobs at one time; new uploads are always sent."""
    JOB_TIME_LIMIT_SECONDS: int = 300
    """Time allowed for one attempt at a job."""
    LEASE_SECONDS: int = 60
    """A running job without a sign of life for this long is taken back."""
    HEARTBEAT_SECONDS: int = 10
    """How often a running job and a worker give a sign of life."""
    RESEND_SECONDS: int = 60
    """A due job whose message is older than this gets another one, if the broker holds too few."""
    MAX_ATTEMPTS: int = 3
    """Attempts before a job is quarantined."""
    RETRY_SECONDS: int = 20
    """Longest wait before the second attempt; doubles for each further one."""
    WITHDRAWN_SECONDS: int = 120
    """How long the public files of what was withdrawn stay: answers of the API that name them are
    fresh for 60 seconds, cached pages of the shop maybe longer."""
    ORPHAN_HOURS: int = 24
    """Files of shopimg's that no row refers to are deleted when older than this; at least 1."""
    DRAFT_DAYS: int = 90
    """How long the file of a result is kept that was rejected or never shown; 0 for ever."""

    def __post_init__(self) -> None:
        for option in dataclasses.fields(self):
            self._check_type(option.name, option.default)

    def _check_type(self, name: str, default: object) -> None:
        value = getattr(self, name)
        if isinstance(default, (bool, int, str)) and type(value) is not type(default):
            wanted = type(default).__name__
            raise ImproperlyConfigured(f"SHOPIMG[{name!r}] must be {wanted}, not {value!r}.")
        if isinstance(default, int) and value < _LEAST.get(name, 0):
            raise ImproperlyConfigured(f"SHOPIMG[{name!r}] must not be {value!r}: it is too small.")
        if default is None and not isinstance(value, (str, type(None))):
            raise ImproperlyConfigured(f"SHOPIMG[{name!r}] must be a dotted path, not {value!r}.")
        if default is dataclasses.MISSING and not isinstance(value, Mapping):
            raise ImproperlyConfigured(f"SHOPIMG[{name!r}] must be a dictionary, not {value!r}.")


def _read() -> Settings:
    given = getattr(django_settings, "SHOPIMG", {})
    if not isinstance(given, Mapping):
        raise ImproperlyConfigured(f"SHOPIMG must be a dictionary, not {given!r}.")
    known = {option.name for option in dataclasses.fields(Settings)}
    unknown = sorted(set(given) - known)
    if unknown:
        raise ImproperlyConfigured(
            f"SHOPIMG has unknown keys {unknown}. Known keys: {', '.join(sorted(known))}."
        )
    return Settings(**given)


class _LazySettings(SimpleLazyObject):  # type: ignore[type-arg]  # not generic at run time
    def reset(self, *, setting: str, **_: object) -> None:
        if setting == "SHOPIMG":
            self._wrapped = empty


settings: Settings = _LazySettings(_read)  # type: ignore[assignment]  # a proxy of Settings
setting_changed.connect(settings.reset, dispatch_uid="shopimg.conf")  # type: ignore[attr-defined]
