"""Watched models: find the file field, notice a new upload, read its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import (
    FieldDoesNotExist,
    ImproperlyConfigured,
    SuspiciousFileOperation,
)
from django.db.models import FileField, Model, QuerySet
from django.db.models.fields.files import FieldFile
from django.utils.translation import gettext as _

from shopimg import storage
from shopimg.conf import settings
from shopimg.contract import CLEAN, SourceMissingError, StorageUnavailableError, limits

_OPTIONS = {"field", "recipe", "alt"}
_MISSING = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
_UNMOUNTED = "; the storage's folder is missing or empty: does this machine have the volume?"


@dataclass(frozen=True, slots=True)
class Source:
    """One entry of ``SHOPIMG["SOURCES"]``."""

    model: type[Model]
    """The host's model."""
    field: str
    """Name of its file field."""
    recipe: str = CLEAN.name
    """Recipe for new uploads."""
    alt: str = ""
    """Attribute of an instance that holds the text for people who cannot see the picture."""

    @property
    def label(self) -> str:
        """``app_label.ModelName``."""
        return self.model._meta.label

    def file_of(self, instance: Model) -> FieldFile:
        """Return the uploaded file of an image, which may be empty."""
        file: FieldFile = getattr(instance, self.field)
        return file

    def with_file(self) -> QuerySet[Model]:
        """Return the images that have a file; ``""`` and NULL both mean none."""
        rows: QuerySet[Model] = self.model._default_manager.filter(**{f"{self.field}__gt": ""})
        return rows

    def alt_of(self, instance: Model) -> str:
        """Return the alternative text of an image; empty where the host has none."""
        return str(getattr(instance, self.alt) or "") if self.alt else ""


def all_sources() -> list[Source]:
    """Return every watched model.

    Raises:
        ImproperlyConfigured: an entry names a model, field or option that does not exist.
    """
    return [_source(label, options) for label, options in settings.SOURCES.items()]


def source_for(model: type[Model]) -> Source:
    """Return the entry of a watched model, of a proxy of it, or of a model that inherits from it.

    Raises:
        LookupError: the model is not watched.
    """
    entries = all_sources()
    for ancestor in model.__mro__:
        for source in entries:
            if _concrete(ancestor) is _concrete(source.model):
                return source
    raise LookupError(f"{model._meta.label} is not in SHOPIMG['SOURCES'].")


def table_of(model: type[Model]) -> type[Model]:
    """Return the concrete model by which rows refer to an image: the watched one of its kind."""
    with suppress(LookupError):  # not watched: rows can only refer to the model itself
        model = source_for(model).model
    return _concrete(model) or model


def models_saving() -> list[type[Model]]:
    """Return every model whose instances are images, or have one in their own inherited row."""
    tables = _tables()
    return [model for model in apps.get_models() if any(issubclass(model, t) for t in tables)]


def models_deleting() -> list[type[Model]]:
    """Return every model whose deletion removes an image, and which is told so by Django.

    Deleting a row that inherits from an image tells the image's model too, unless it stays.
    """
    tables = _tables()
    return [model for model in apps.get_models() if _concrete(model) in tables]


def find(label: str) -> Source:
    """Return the entry for ``app.Model``, in any case.

    Raises:
        LookupError: it is not watched.
    """
    for source in all_sources():
        if source.label.lower() == label.lower():
            return source
    known = ", ".join(source.label for source in all_sources())
    raise LookupError(f"{label} is not in SHOPIMG['SOURCES']. Known: {known}.")


def chosen(label: str | None) -> list[Source]:
    """Return the entry for ``app.Model``, or all of them where no model is named.

    Raises:
        LookupError: it is not watched.
    """
    return [find(label)] if label else all_sources()


def columns_of(model: type[Model]) -> frozenset[str]:
    """Return the fields by which images may be grouped: those that their table has."""
    return frozenset(field.name for field in model._meta.concrete_fields)


def group_of(instance: Model, field: str) -> Any:
    """Return what images of one product have in common: for a relation, the key of the product."""
    return instance.serializable_value(field)


def has_new_upload(source: Source, instance: Model) -> bool:
    """Tell whether saving ``instance`` will store a new file."""
    if source.field in instance.get_deferred_fields():
        return False
    file = source.file_of(instance)
    # Django's own mark of a file that is not in the storage yet.
    return bool(file) and not getattr(file, "_committed", True)


def stored_bytes(file: FieldFile) -> int | None:
    """Return the length of an uploaded file; None where its storage does not tell."""
    try:
        with storage.failures():
            return int(file.storage.size(file.name or ""))
    except OSError:
        return None


def is_local(file: FieldFile) -> bool:
    """Tell whether a file lies on this machine, where it costs nothing to look at it."""
    try:
        return bool(file.path)
    except (NotImplementedError, SuspiciousFileOperation):
        return False


def read_bytes(source: Source, instance: Model) -> bytes:
    """Return the uploaded file.

    Raises:
        SourceMissingError: the storage does not have it.
        StorageUnavailableError: it may have the file, or this machine lacks the storage's volume.
        SourceTooLargeError: it is too heavy; only the allowed length is read.
    """
    file = source.file_of(instance)
    if not file:
        raise SourceMissingError
    try:
        with storage.failures(), file.storage.open(file.name or "") as content:
            data: bytes = content.read(limits.MAX_SOURCE_BYTES + 1)
    except OSError as err:
        missing = isinstance(err, _MISSING)
        if missing and not storage.is_unmounted(file.storage):
            raise SourceMissingError(detail=str(err)) from err
        message = _("The storage does not answer. Try again.")
        detail = f"{err}{_UNMOUNTED if missing else ''}"
        raise StorageUnavailableError(message, detail=detail) from err
    limits.check_source_bytes(len(data))
    return data


def _concrete(ancestor: type) -> type[Model] | None:
    """Return the model that has the table: itself, except for a proxy; None where nothing has."""
    meta = getattr(ancestor, "_meta", None)
    return meta.concrete_model if meta else None


def _tables() -> set[type[Model]]:
    return {_concrete(source.model) or source.model for source in all_sources()}


def _source(label: str, options: Mapping[str, str]) -> Source:
    if not isinstance(options, Mapping):
        raise ImproperlyConfigured(f"SHOPIMG['SOURCES'][{label!r}] is not a dictionary.")
    unknown = sorted(set(options) - _OPTIONS)
    if unknown or "field" not in options:
        raise ImproperlyConfigured(
            f"SHOPIMG['SOURCES'][{label!r}] needs 'field' and may have 'recipe' and 'alt'"
            + (f", not {', '.join(unknown)}." if unknown else ".")
        )
    try:
        model = apps.get_model(label)
        field = model._meta.get_field(options["field"])
    except FieldDoesNotExist as err:
        files = [f.name for f in model._meta.get_fields() if isinstance(f, FileField)]
        known = f"Its file fields: {', '.join(files)}." if files else "It has no file field."
        raise ImproperlyConfigured(f"SHOPIMG['SOURCES'][{label!r}]: {err}. {known}") from err
    except (LookupError, ValueError) as err:
        raise ImproperlyConfigured(f"SHOPIMG['SOURCES'][{label!r}]: {err}") from err
    if not isinstance(field, FileField):
        raise ImproperlyConfigured(f"{label}.{options['field']} is not a file or image field.")
    source = Source(model, **options)
    if source.alt and not hasattr(model, source.alt):
        raise ImproperlyConfigured(
            f"SHOPIMG['SOURCES'][{label!r}]: {label} has no attribute {source.alt!r} for 'alt'."
        )
    return source
