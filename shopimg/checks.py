"""System checks: one function for each setting or unsafe combination, each with a stable id."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from celery import current_app
from django.apps import apps
from django.conf import settings as django_settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections, router
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.utils.module_loading import import_string

from shopimg import deployment_checks, enhancers, recipes, sources
from shopimg.conf import settings
from shopimg.contract import RecipeError
from shopimg.storage_checks import (
    Messages,
    check_drafts_private,
    check_published_address,
    check_storages,
)

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
        hint = 'Write "app.Model": {"field": "its_file_field", "recipe": "clean"}.'
        return [checks.Error(str(err), hint=hint, id="shopimg.E002")]
    if found:
        return []
    hint = 'Add SHOPIMG["SOURCES"] = {"app.Model": {"field": "image"}}.'
    return [checks.Warning("shopimg watches no model.", hint=hint, id="shopimg.W001")]


def check_networks(**_: Any) -> Messages:
    """E014: every registered network is a file name with a digest."""
    try:
        recipes.all_networks()
    except RecipeError as err:
        hint = 'Write "name": {"file": "x.safetensors", "sha256": "..."}, as sha256sum prints it.'
        return [checks.Error(str(err), hint=hint, id="shopimg.E014")]
    return []


def check_recipes(**_: Any) -> Messages:
    """E003: every recipe is valid. E004: every watched model names a known one."""
    if check_networks():
        return []
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


def check_queues(**_: Any) -> Messages:
    """E018: uploads, bulk runs and upkeep have a queue each."""
    names = (settings.QUEUE, settings.BULK_QUEUE, settings.UPKEEP_QUEUE)
    if len(set(names)) == len(names):
        return []
    message = f"QUEUE, BULK_QUEUE and UPKEEP_QUEUE are not three queues: {', '.join(names)}."
    hint = "Name each otherwise: an upload would wait behind a catalogue, and repairs behind both."
    return [checks.Error(message, hint=hint, id="shopimg.E018")]


def check_visibility_timeout(**_: Any) -> Messages:
    """E010: Redis does not hand out a message again while its job still runs."""
    if not str(current_app.conf.broker_url or "").startswith(("redis", "sentinel", "valkey")):
        return []
    seconds = (current_app.conf.broker_transport_options or {}).get("visibility_timeout", 3600)
    longest = current_app.conf.task_time_limit or settings.JOB_TIME_LIMIT_SECONDS
    if seconds > longest:
        return []
    message = (
        f"The broker's visibility_timeout ({seconds} s) is under task_time_limit ({longest} s)."
    )
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


def check_broker(**_: Any) -> Messages:
    """W003: the app that this process sends jobs with has a broker."""
    if current_app.conf.broker_write_url:
        return []
    message = "Celery has no broker of yours, and tries the RabbitMQ of this machine."
    hint = (
        "Set CELERY_BROKER_URL, and import your Celery app in the package of the settings, such as "
        "shop/__init__.py; docs/quickstart.md has both."
    )
    return [checks.Warning(message, hint=hint, id="shopimg.W003")]


def check_weights_dir(**_: Any) -> Messages:
    """E013: the folder of weights that the setting names has their list."""
    path = enhancers.weights_path()
    if path is None or (path / "weights.json").is_file():
        return []
    hint = "Set SHOPIMG['WEIGHTS_DIR'] to the folder that the workers' ENHANCER_WEIGHTS_DIR names."
    return [checks.Error(f"There is no {path / 'weights.json'}.", hint=hint, id="shopimg.E013")]


def check_weights(**_: Any) -> Messages:
    """E011: where the enhancer is installed, every file of its weights is there, unaltered."""
    if check_weights_dir():
        return []
    hint = "Install shopimg again; python -m enhancer_worker weights checks all files."
    return [
        checks.Error(
            f"The weights file {file.name} is missing or damaged.", hint=hint, id="shopimg.E011"
        )
        for file, digest in enhancers.weights_files().items()
        if not _is_intact(file, digest)
    ]


def check_dependencies(**_: Any) -> Messages:
    """E012: the apps that the models and, where it is served, the API's own page build on."""
    needs = dict.fromkeys(("django.contrib.contenttypes", "django.contrib.auth"), "shopimg")
    if deployment_checks.serves_api():
        page = "The documentation page of shopimg's API"
        needs |= {"drf_spectacular": page, "drf_spectacular_sidecar": page}
    hint = "Add it to INSTALLED_APPS."
    return [
        checks.Error(f"{what} needs {app}.", hint=hint, id="shopimg.E012")
        for app, what in needs.items()
        if not apps.is_installed(app)
    ]


def check_time_zones(**_: Any) -> Messages:
    """E015: moments have a time zone, without which pages cannot tell the local time."""
    if django_settings.USE_TZ:
        return []
    message = "Without USE_TZ the pages of shopimg fail."
    hint = "Set USE_TZ = True; Django's documentation says how to change over a shop."
    return [checks.Error(message, hint=hint, id="shopimg.E015")]


def check_templates(**_: Any) -> Messages:
    """E016: Django finds the templates, which only a wheel has inside the package."""
    try:
        get_template("shopimg/picture.html")
    except TemplateDoesNotExist:
        hint = (
            "Set APP_DIRS in TEMPLATES. From a checkout, pip install it without -e, and set no "
            "PYTHONPATH; or add its folder templates/ to DIRS."
        )
        message = "Django does not find the templates of shopimg."
        return [checks.Error(message, hint=hint, id="shopimg.E016")]
    return []


def check_database(**_: Any) -> Messages:
    """W004: a database in production takes writes of web processes and workers side by side."""
    database = connections.settings[DEFAULT_DB_ALIAS]
    waits = database.get("OPTIONS", {}).get("transaction_mode") == "IMMEDIATE"
    if django_settings.DEBUG or waits or not database["ENGINE"].endswith(".sqlite3"):
        return []
    message = "SQLite is locked as a whole while a worker writes, and web processes fail meanwhile."
    hint = "Use PostgreSQL, or at least the transaction_mode IMMEDIATE with a timeout in OPTIONS."
    return [checks.Warning(message, hint=hint, id="shopimg.W004")]


def check_routers(**_: Any) -> Messages:
    """E017: all rows are read and written where transactions and locks are taken."""
    models = apps.get_app_config("shopimg").get_models()
    used = {ask(model) for model in models for ask in (router.db_for_read, router.db_for_write)}
    if used <= {DEFAULT_DB_ALIAS}:
        return []
    others = ", ".join(sorted(used - {DEFAULT_DB_ALIAS}))
    message = f"shopimg's rows are read or written in another database than the default: {others}."
    hint = "Let DATABASE_ROUTERS send the app shopimg to 'default': a replica is too late for it."
    return [checks.Error(message, hint=hint, id="shopimg.E017")]


_CHECKS: Sequence[Check] = (
    check_sources,
    check_networks,
    check_recipes,
    check_storages,
    check_drafts_private,
    check_published_address,
    check_scope,
    check_times,
    check_queues,
    check_visibility_timeout,
    check_broker_timeouts,
    check_broker,
    check_weights_dir,
    check_weights,
    check_dependencies,
    check_time_zones,
    check_templates,
    check_database,
    check_routers,
)


def run_all(**kwargs: Any) -> Messages:
    """Run every check; the others make no sense while the dictionary itself is not valid."""
    return check_settings() or [message for check in _CHECKS for message in check(**kwargs)]


def require_valid_setting() -> None:
    """Stop the start where the ``SHOPIMG`` setting cannot be used at all.

    Django runs no system checks under WSGI, and a shop that started would not say why it queues
    nothing.

    Raises:
        ImproperlyConfigured: what E001 to E004 and E014 find, with their hints.
    """
    found = check_settings() or [*check_sources(), *check_networks(), *check_recipes()]
    errors = [message for message in found if message.is_serious()]
    if errors:
        raise ImproperlyConfigured(" ".join(f"{e.msg} {e.hint} ({e.id})" for e in errors))


def register() -> None:
    """Register with Django's system checks."""
    checks.register(run_all, "shopimg")
    checks.register(deployment_checks.run_all, "shopimg", deploy=True)


def _sources() -> list[sources.Source]:
    try:
        return sources.all_sources()
    except ImproperlyConfigured:
        return []


def _is_intact(path: Path, digest: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest
