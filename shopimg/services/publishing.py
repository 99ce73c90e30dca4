"""What shoppers see: publish, withdraw and roll back by swapping one pointer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from shopimg import renditions, signals, sources, storage, wakeup
from shopimg.contract import CapacityError, InvalidTransitionError
from shopimg.models import EnhancedVariant
from shopimg.querysets import source_key
from shopimg.services import decisions
from shopimg.states import Decision, ReviewState

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

_APPROVED = Q(state=ReviewState.APPROVED)
_WAS_PUBLISHED = Q(state=ReviewState.SUPERSEDED, published_at__isnull=False)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a storefront shows for one image."""

    original_url: str
    """Address of the uploaded file; empty where there is none."""
    alt: str
    """Text for people who cannot see the picture."""
    variant: EnhancedVariant | None
    """The published variant, or None: then the original is shown."""


def publish(
    variant: EnhancedVariant, *, by: AbstractBaseUser, version: int | None = None
) -> EnhancedVariant:
    """Make an approved variant what shoppers see; its predecessor is superseded.

    Args:
        variant: an approved variant.
        by: who publishes.
        version: the version that was looked at; the one of ``variant`` by default.

    Raises:
        InvalidTransitionError: it is not approved, or it has changed in the meantime.
        CapacityError: the storage did not take the file; nothing has changed.
    """
    return _show(variant, _APPROVED, Decision.PUBLISH, by, version)


def withdraw(
    variant: EnhancedVariant, *, by: AbstractBaseUser | None, version: int | None = None
) -> EnhancedVariant:
    """Take a variant out of the storefront, which shows the original again.

    Args:
        variant: a published variant.
        by: who withdraws; None for the system, when the image was deleted.
        version: the version that was looked at; the one of ``variant`` by default.

    Raises:
        InvalidTransitionError: it is not published, or it has changed in the meantime.
    """
    with transaction.atomic():
        _move(variant, Q(state=ReviewState.PUBLISHED), version, state=ReviewState.SUPERSEDED)
        decisions.record(variant, Decision.WITHDRAW, by)
        _after_commit(signals.variant_withdrawn, variant)
        transaction.on_commit(partial(wakeup.send_delete_files, variant.pk), robust=True)
    return variant


def rollback(
    variant: EnhancedVariant, *, by: AbstractBaseUser, version: int | None = None
) -> EnhancedVariant | None:
    """Show what was shown before a variant: its predecessor, else the original.

    Args:
        variant: a published variant.
        by: who rolls back.
        version: the version that was looked at; the one of ``variant`` by default.

    Returns:
        The variant that is shown now, or None for the original.

    Raises:
        InvalidTransitionError: it is not published, or it has changed in the meantime.
        CapacityError: the storage did not take the file; nothing has changed.
    """
    previous = previous_of(variant)
    if previous is None:
        withdraw(variant, by=by, version=version)
        return None
    _check(variant, Q(state=ReviewState.PUBLISHED), version)
    return _show(previous, _WAS_PUBLISHED, Decision.ROLLBACK, by, previous.version)


def previous_of(variant: EnhancedVariant) -> EnhancedVariant | None:
    """Return what was published in the same place before a variant, or None."""
    if variant.published_at is None:
        return None
    earlier = EnhancedVariant.objects.same_slot(variant).filter(
        _WAS_PUBLISHED, published_at__lt=variant.published_at
    )
    return earlier.order_by("-published_at").first()


def withdraw_source(key: dict[str, Any]) -> None:
    """Withdraw everything that is published for an image that was deleted."""
    with transaction.atomic():
        for variant in EnhancedVariant.objects.filter(**key).published().select_for_update():
            withdraw(variant, by=None)


def image_to_show(instance: models.Model, role: str | None = None) -> Shown:
    """Return what a storefront shows for an image: one query."""
    return images_to_show([instance], role)[0]


def images_to_show(instances: Iterable[models.Model], role: str | None = None) -> list[Shown]:
    """Return what a storefront shows for several images, in their order: one query.

    Args:
        instances: rows of watched models.
        role: role of the recipe; by default the one that was published last.
    """
    instances = list(instances)
    published = EnhancedVariant.objects.for_sources(instances).published()
    if role is not None:
        published = published.filter(role=role)
    by_source = {(v.source_type_id, v.source_id): v for v in published.order_by("published_at")}
    return [_shown(instance, by_source) for instance in instances]


def make_renditions(variant: EnhancedVariant) -> None:
    """Write the responsive sizes of a published variant, and mark them as usable."""
    renditions.write(variant)
    EnhancedVariant.objects.filter(pk=variant.pk).published().update(renditions_at=timezone.now())


def delete_public_files(variant: EnhancedVariant) -> None:
    """Delete the public files of a withdrawn variant, unless another one shows the same bytes."""
    shared = EnhancedVariant.objects.published().filter(published_name=variant.published_name)
    if variant.published_name and not shared.exists():
        names = [variant.published_name, *renditions.names(variant)]
        storage.delete(storage.published(), names)
        EnhancedVariant.objects.filter(pk=variant.pk).update(renditions_at=None)


def _shown(instance: models.Model, by_source: dict[tuple[int, str], EnhancedVariant]) -> Shown:
    source = sources.source_for(type(instance))
    key = source_key(instance)
    file = source.file_of(instance)
    return Shown(
        original_url=file.url if file else "",
        alt=source.alt_of(instance),
        variant=by_source.get((key["source_type"].pk, key["source_id"])),
    )


def _show(
    variant: EnhancedVariant,
    allowed: Q,
    decision: Decision,
    by: AbstractBaseUser,
    version: int | None,
) -> EnhancedVariant:
    """Copy the file, then swap the pointer and write the history in one transaction."""
    _check(variant, allowed, version)
    try:
        name = storage.publish_copy(variant.draft_name, variant.digest, variant.mime_type)
    except OSError as err:
        message = _("The storage did not take the file. Nothing has changed; try again.")
        raise CapacityError(message, detail=str(err)) from err
    now = timezone.now()
    with transaction.atomic():
        _swap(
            variant, allowed, version, published_name=name, published_at=variant.published_at or now
        )
        decisions.record(variant, decision, by)
        _after_commit(signals.variant_published, variant)
        transaction.on_commit(partial(wakeup.send_renditions, variant.pk), robust=True)
    return variant


def _swap(variant: EnhancedVariant, allowed: Q, version: int | None, **changes: Any) -> None:
    slot = EnhancedVariant.objects.same_slot(variant)
    # Publishers of one slot wait for each other here; without the lock the loser would see a
    # unique violation instead of a clear message.
    list(slot.select_for_update().order_by("pk").values_list("pk", flat=True))
    slot.published().exclude(pk=variant.pk).update(
        state=ReviewState.SUPERSEDED, version=F("version") + 1, updated_at=timezone.now()
    )
    try:
        with transaction.atomic():
            _move(variant, allowed, version, state=ReviewState.PUBLISHED, **changes)
    except IntegrityError as err:
        raise InvalidTransitionError from err


def _move(variant: EnhancedVariant, allowed: Q, version: int | None, **changes: Any) -> None:
    looked_at = variant.version if version is None else version
    updated = EnhancedVariant.objects.filter(allowed, pk=variant.pk, version=looked_at).update(
        version=F("version") + 1, updated_at=timezone.now(), **changes
    )
    variant.refresh_from_db()
    if not updated:
        raise InvalidTransitionError(decisions.taken_message(variant))


def _check(variant: EnhancedVariant, allowed: Q, version: int | None) -> None:
    """Refuse early, so that nothing is copied for a variant that may not be shown."""
    looked_at = variant.version if version is None else version
    rows = EnhancedVariant.objects.filter(allowed, pk=variant.pk, version=looked_at)
    if not rows.exists():
        variant.refresh_from_db()
        raise InvalidTransitionError(decisions.taken_message(variant))


def _after_commit(signal: Any, variant: EnhancedVariant) -> None:
    send = partial(signal.send_robust, sender=EnhancedVariant, variant=variant)
    transaction.on_commit(send, robust=True)
