"""System checks: one function for each setting or unsafe combination, each with a stable id."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from celery import current_app
from django.conf import settings as django_settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, storages
from django.utils.module_loading import import_string

from shopimg import enhancers, recipes, sources
from shopimg.conf import settings
from shopimg.contract import RecipeError

Messages = list[checks.CheckMessage]
Check = Callable[..., Messages]


def check_settings(**_: Any) -> Messages:
    """E001: the dictionary itself."""
    try:
        settings.SOURCES  # noqa: B018  # reading any key validates all of them
    except ImproperlyConfigured as err:
        return [checks.Error(str(err), hint="See docs/reference/settings.md.", id="shopimg.E001")]
    return []


def check_sources(**_: Any) -> Messages:
    """E002: watched models exist and have the named file field. W001: nothing is watched."""
    try:
        found = sources.all_sources()
    except ImproperlyConfigured as err:
        hint = 'Write "app.Model": {"field": "image", "recipe": "clean"}.'
        return [checks.Error(str(err), hint=hint, id="shopimg.E002")]
    if found:
        return []
    hint = 'Add SHOPIMG["SOURCES"] = {"app.Model": {"field": "image"}}.'
    return [checks.Warning("shopimg watches no model.", hint=hint, id="shopimg.W001")]


def check_recipes(**_: Any) -> Messages:
    """E003: every recipe is valid. E004: every watched model names a known one."""
    try:
        known = recipes.all_recipes()
    except RecipeError as err:
        return [checks.Error(str(err), hint="Mend SHOPIMG['RECIPES'].", id="shopimg.E003")]
    return [
        checks.Error(
            f"{source.label} uses the unknown recipe {source.recipe!r}.",
            hint=f"Known recipes: {', '.join(sorted(known))}.",
            id="shopimg.E004",
        )
        for source in _sources()
        if source.recipe not in known
    ]


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


def check_scope(**_: Any) -> Messages:
    """E008: the scope function can be imported."""
    if settings.SCOPE is None:
        return []
    try:
        if callable(import_string(settings.SCOPE)):
            return []
        problem = "is not callable"
    except ImportError as err:
        problem = f"cannot be imported: {err}"
    hint = "Name a function (user, queryset) -> queryset."
    return [checks.Error(f"SHOPIMG['SCOPE'] {problem}.", hint=hint, id="shopimg.E008")]


def check_times(**_: Any) -> Messages:
    """E009: a lease outlives several heartbeats."""
    if settings.LEASE_SECONDS >= 3 * settings.HEARTBEAT_SECONDS > 0:
        return []
    hint = "Set LEASE_SECONDS to at least three times HEARTBEAT_SECONDS."
    message = "A lease would end between two heartbeats, and jobs would run twice."
    return [checks.Error(message, hint=hint, id="shopimg.E009")]


def check_visibility_timeout(**_: Any) -> Messages:
    """E010: Redis does not hand out a message again while its job still runs."""
    if not str(current_app.conf.broker_url or "").startswith(("redis", "sentinel", "valkey")):
        return []
    seconds = (current_app.conf.broker_transport_options or {}).get("visibility_timeout", 3600)
    if seconds > settings.JOB_TIME_LIMIT_SECONDS:
        return []
    message = f"The broker's visibility_timeout ({seconds} s) is under JOB_TIME_LIMIT_SECONDS."
    hint = "Raise it, or call shopimg.broker.configure(app) in your Celery module."
    return [checks.Error(message, hint=hint, id="shopimg.E010")]


def check_broker_timeouts(**_: Any) -> Messages:
    """W002: a worker must not wait forever for a Redis that went without a word."""
    if not str(current_app.conf.broker_url or "").startswith("redis"):
        return []
    options = current_app.conf.broker_transport_options or {}
    if options.get("socket_timeout") and options.get("socket_connect_timeout"):
        return []
    message = "A worker would wait forever for a Redis that does not answer."
    hint = "Call shopimg.broker.configure(app) in your Celery module, or set the timeouts."
    return [checks.Warning(message, hint=hint, id="shopimg.W002")]


def check_weights(**_: Any) -> Messages:
    """E011: the weights that the enhancer lists are there. Only looks at the listed files."""
    folder = enhancers.weights_path()
    if folder is None:
        return []
    return [
        checks.Error(
            f"The weights file {name}.safetensors is missing or damaged.",
            hint="Install shopimg again, or run python -m enhancer_worker weights.",
            id="shopimg.E011",
        )
        for name, entry in enhancers.weights_manifest().items()
        if not _is_intact(folder / f"{name}.safetensors", entry["sha256"])
    ]


def check_dependencies(**_: Any) -> Messages:
    """E012: the apps that the admin and the models build on are installed."""
    wanted = ("django.contrib.contenttypes", "django.contrib.auth")
    missing = [app for app in wanted if app not in django_settings.INSTALLED_APPS]
    hint = "Add it to INSTALLED_APPS."
    return [checks.Error(f"shopimg needs {app}.", hint=hint, id="shopimg.E012") for app in missing]


_CHECKS: Sequence[Check] = (
    check_sources,
    check_recipes,
    check_storages,
    check_drafts_private,
    check_scope,
    check_times,
    check_visibility_timeout,
    check_broker_timeouts,
    check_weights,
    check_dependencies,
)


def run_all(**kwargs: Any) -> Messages:
    """Run every check; the others make no sense while the dictionary itself is not valid."""
    return check_settings() or [message for check in _CHECKS for message in check(**kwargs)]


def register() -> None:
    """Register with Django's system checks."""
    checks.register(run_all, "shopimg")


def _sources() -> list[sources.Source]:
    try:
        return sources.all_sources()
    except ImproperlyConfigured:
        return []


def _is_served(storage: FileSystemStorage) -> bool:
    """Tell whether a folder has an address of its own or lies inside one that has."""
    if storage.deconstruct()[2].get("base_url"):
        return True
    others = [storages[alias] for alias in storages.backends if alias != settings.DRAFT_STORAGE]
    # A project that never collects static files has no folder for them.
    folders = [s.location for s in others if isinstance(s, FileSystemStorage) and s.location]
    served = [*folders, *([django_settings.MEDIA_ROOT] if django_settings.MEDIA_ROOT else [])]
    place = Path(storage.location).resolve()
    return any(place.is_relative_to(Path(folder).resolve()) for folder in served)


def _public_bucket(storage: Any) -> bool:
    """Read the options of django-storages' S3, Google and Azure backends."""
    acl = getattr(storage, "default_acl", None) or ""
    signed = getattr(storage, "querystring_auth", True)
    return not signed or str(acl).startswith("public")


def _is_intact(path: Any, digest: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest
