"""How the demo shop's settings follow from the environment; each function is one switch."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

_EXAMPLE_KEY = "replace-me"
TRUE_WORDS = frozenset({"1", "true", "yes", "on"})


def flag(environ: Mapping[str, str], name: str) -> bool:
    """Tell whether a variable says yes; unset means no.

    >>> flag({"DJANGO_DEBUG": "on"}, "DJANGO_DEBUG"), flag({}, "DJANGO_DEBUG")
    (True, False)
    """
    return environ.get(name, "").strip().lower() in TRUE_WORDS


def words(environ: Mapping[str, str], name: str, default: str) -> list[str]:
    """Split a comma-separated variable.

    >>> words({"HOSTS": "a.example, b.example"}, "HOSTS", "localhost")
    ['a.example', 'b.example']
    """
    return [word.strip() for word in environ.get(name, default).split(",") if word.strip()]


def secret_key(environ: Mapping[str, str], var_dir: Path) -> str:
    """Return ``DJANGO_SECRET_KEY``, or a key made once and kept beside the demo's files.

    Raises:
        ImproperlyConfigured: it is still the one of the example, with which anybody could sign.
    """
    if "DJANGO_SECRET_KEY" in environ:
        if environ["DJANGO_SECRET_KEY"] == _EXAMPLE_KEY:
            hint = "at least 50 random characters, such as `openssl rand -base64 48` prints"
            raise ImproperlyConfigured(f"Replace DJANGO_SECRET_KEY in secrets.env: {hint}.")
        return environ["DJANGO_SECRET_KEY"]
    path = var_dir / "secret-key"
    var_dir.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with NamedTemporaryFile("w", dir=var_dir) as file:
            file.write(secrets.token_urlsafe(50))
            file.flush()
            with suppress(FileExistsError):  # by a process that started at the same time
                path.hardlink_to(file.name)
    return path.read_text()


def database(environ: Mapping[str, str], var_dir: Path) -> dict[str, Any]:
    """Return the default database: ``DATABASE_URL``, or SQLite beside the demo's files."""
    url = environ.get("DATABASE_URL") or f"sqlite:///{var_dir / 'shop.sqlite3'}"
    config: dict[str, Any] = dict(dj_database_url.parse(url))
    if config["ENGINE"] == "django.db.backends.sqlite3":
        # The site and the worker write at the same time: WAL lets readers go on meanwhile, and
        # IMMEDIATE makes a writer wait for its turn instead of failing half-way through.
        config["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
    else:
        config |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
    return config


def broker(environ: Mapping[str, str], var_dir: Path) -> dict[str, Any]:
    """Return Celery's ``CELERY_*`` broker settings: ``REDIS_URL``, or a folder of messages."""
    if environ.get("REDIS_URL"):
        return {"CELERY_BROKER_URL": environ["REDIS_URL"]}
    queue, control = var_dir / "broker" / "queue", var_dir / "broker" / "control"
    for folder in (queue, control):
        folder.mkdir(parents=True, exist_ok=True)
    return {
        "CELERY_BROKER_URL": "filesystem://",
        "CELERY_BROKER_TRANSPORT_OPTIONS": {
            "data_folder_in": str(queue),
            "data_folder_out": str(queue),
            "control_folder": str(control),
        },
    }


def storages(environ: Mapping[str, str], var_dir: Path) -> dict[str, dict[str, Any]]:
    """Return ``STORAGES``: buckets where ``S3_ENDPOINT_URL`` or a bucket is named, else folders."""
    static = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    in_buckets = environ.get("S3_ENDPOINT_URL") or environ.get("S3_BUCKET_MEDIA")
    files = _buckets(environ) if in_buckets else _folders(var_dir)
    return {**files, "staticfiles": static}


def _folders(var_dir: Path) -> dict[str, dict[str, Any]]:
    backend = "django.core.files.storage.FileSystemStorage"
    media = {"location": str(var_dir / "media"), "base_url": "/media/"}
    published = {"location": str(var_dir / "published"), "base_url": "/published/"}
    drafts = {"location": str(var_dir / "drafts"), "base_url": None}
    return {
        "default": {"BACKEND": backend, "OPTIONS": media},
        "shopimg_drafts": {"BACKEND": backend, "OPTIONS": drafts},
        "shopimg_published": {"BACKEND": backend, "OPTIONS": published},
    }


def _buckets(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    server = {
        "endpoint_url": environ.get("S3_ENDPOINT_URL"),
        "access_key": environ.get("S3_ACCESS_KEY_ID"),
        "secret_key": environ.get("S3_SECRET_ACCESS_KEY"),
        "region_name": environ.get("S3_REGION_NAME"),
        "addressing_style": environ.get("S3_ADDRESSING_STYLE"),
        # botocore signs the addresses of files by the retired version 2 in its oldest regions.
        "signature_version": environ.get("S3_SIGNATURE_VERSION", "s3v4"),
        "file_overwrite": False,
    }
    server = {key: value for key, value in server.items() if value is not None}

    def bucket(name: str, options: dict[str, Any]) -> dict[str, Any]:
        named = {"bucket_name": environ.get(f"S3_BUCKET_{name.upper()}", f"shopimg-{name}")}
        options = {**server, **named, **options}
        return {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}

    def public_bucket(name: str) -> dict[str, Any]:
        found = bucket(name, {"querystring_auth": False})
        public_url = environ.get("S3_PUBLIC_URL")
        if public_url:
            protocol, _, host = public_url.rstrip("/").partition("//")
            domain = f"{host}/{found['OPTIONS']['bucket_name']}"
            found["OPTIONS"] |= {"url_protocol": protocol, "custom_domain": domain}
        return found

    return {
        "default": public_bucket("media"),
        "shopimg_drafts": bucket("drafts", {"default_acl": "private", "querystring_expire": 60}),
        "shopimg_published": public_bucket("published"),
    }
