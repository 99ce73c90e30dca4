"""The host's save and delete signals: doors to the services."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models.fields.files import FieldFile
from django.db.models.signals import post_delete, post_save, pre_save

from shopimg import sources
from shopimg.models import EnhancementJob
from shopimg.querysets import source_key
from shopimg.services import publishing, requests


def connect() -> None:
    """Listen to every watched model, to its proxies and to the models that inherit from it."""
    saving, deleting = sources.models_saving(), sources.models_deleting()
    for signal, receiver, senders in (
        (pre_save, before_save, saving),
        (post_save, source_saved, saving),
        (post_delete, source_deleted, deleting),
    ):
        for sender in senders:
            uid = f"shopimg.{receiver.__name__}.{sender._meta.label}"
            signal.connect(receiver, sender=sender, dispatch_uid=uid)


def before_save(sender: type[models.Model], instance: models.Model, **_: Any) -> None:
    """Note whether this save stores a new file; afterwards that cannot be seen any more."""
    source = sources.source_for(sender)
    instance._state.shopimg_new_upload = sources.has_new_upload(source, instance)  # type: ignore[attr-defined]


def source_saved(sender: type[models.Model], instance: models.Model, **kwargs: Any) -> None:
    """Queue a job for a new upload; forget the old one when the file was taken away."""
    source = sources.source_for(sender)
    saved = kwargs.get("update_fields")
    untouched = saved is not None and source.field not in saved
    if kwargs.get("raw") or untouched or source.field in instance.get_deferred_fields():
        return
    file = source.file_of(instance)
    if not file:
        source_deleted(sender, instance)
    elif instance._state.shopimg_new_upload or not _is_known(instance, file):  # type: ignore[attr-defined]
        requests.request_or_log(instance)


def source_deleted(sender: type[models.Model], instance: models.Model, **_: Any) -> None:
    """Cancel jobs and drafts, and withdraw what is published."""
    key = source_key(instance)
    requests.forget_source(key)
    publishing.withdraw_source(key)


def _is_known(instance: models.Model, file: FieldFile) -> bool:
    """Tell whether the newest job of an image is about its file.

    ``FieldFile.save`` stores before the image is saved, and may do so under the same name; then the
    length tells. It is not asked for over a network, by every save of the host.
    """
    jobs = EnhancementJob.objects.for_source(instance).order_by("-created_at")
    newest = jobs.values_list("source_name", "source_bytes").first()
    if newest is None or newest[0] != file.name:
        return False
    length = sources.stored_bytes(file) if sources.is_local(file) else None
    return length in (None, newest[1])
