"""What shoppers see: publish, withdraw and roll back by swapping one pointer."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from shopimg import recipes, renditions, signals, sources, storage, wakeup
from shopimg.contract import CapacityError, InvalidTransitionError
from shopimg.models import EnhancedVariant, ReviewDecision
from shopimg.querysets import source_key
from shopimg.services import decisions, photographs, transitions
from shopimg.states import Decision, ReviewState

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

logger = logging.getLogger(__name__)

_APPROVED = Q(state=ReviewState.APPROVED)
_PUBLISHED = Q(state=ReviewState.PUBLISHED)
# Withdrawn and rolled-back variants have lost their date: they must not come back by a rollback.
_REPLACED = Q(state=ReviewState.SUPERSEDED, published_at__isnull=False)
_WITHDRAWN = Q(state=ReviewState.SUPERSEDED, published_at__isnull=True) & ~Q(published_name="")
_TAKEN_OUT = Q(
    Exists(ReviewDecision.objects.filter(variant=OuterRef("pk"), decision=Decision.PUBLISH)),
    state=ReviewState.SUPERSEDED,
    published_at__isnull=True,
)
MAY_COME_BACK = _REPLACED | _TAKEN_OUT
"""What was in the shop, and would be copied from its draft by a rollback or ``restore``."""

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Shown:
    """What a storefront shows for one image."""

    original_url: str
    """Address of the uploaded file; empty where there is none."""
    file_name: str
    """Name of the uploaded file in its storage; empty where there is none."""
    alt: str
    """Text for people who cannot see the picture."""
    variant: EnhancedVariant | None
    """The published variant, or None: then the original is shown."""
    roles: tuple[EnhancedVariant, ...]
    """The published variant of each role: of the recipe's first one, then the newest first."""


def publish(
    variant: EnhancedVariant, *, by: AbstractBaseUser, version: int | None = None
) -> EnhancedVariant:
    """Make an approved variant what shoppers see; its predecessor is superseded.

    Args:
        variant: an approved variant.
        by: who publishes.
        version: the version that was looked at; the one of ``variant`` by default.

    Raises:
        InvalidTransitionError: it is not approved, it has changed in the meantime, or its photo is
            gone or another one.
        CapacityError: the storage did not take the file; nothing has changed.
    """
    looked_at = _check(variant, _APPROVED, version)
    photographs.refuse_overwritten(variant)
    name = _copied(variant)
    with transaction.atomic():
        photographs.lock_unchanged(variant)
        _lock_slot(variant)
        EnhancedVariant.objects.same_slot(variant).published().supersede()
        _show(variant, _APPROVED, looked_at, published_name=name, published_at=timezone.now())
        decisions.record(variant, Decision.PUBLISH, by)
    return variant


def withdraw(
    variant: EnhancedVariant, *, by: AbstractBaseUser | None, version: int | None = None
) -> EnhancedVariant:
    """Take a variant out of the storefront, which shows the original again.

    The sweeper deletes its public files after ``WITHDRAWN_SECONDS``: pages that were made a moment
    ago still name them, and a browser shows nothing in the place of a file that is gone.

    Args:
        variant: a published variant.
        by: who withdraws; None for the system, when the image was deleted.
        version: the version that was looked at; the one of ``variant`` by default.

    Raises:
        InvalidTransitionError: it is not published, or it has changed in the meantime.
    """
    looked_at = variant.version if version is None else version
    with transaction.atomic():
        _hide(variant, looked_at)
        decisions.record(variant, Decision.WITHDRAW, by)
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
        InvalidTransitionError: it is not published, it has changed in the meantime, or its photo is
            gone.
        CapacityError: the storage did not take the file; nothing has changed.
    """
    looked_at = _check(variant, _PUBLISHED, version)
    previous = previous_of(variant)
    if previous is None:
        withdraw(variant, by=by, version=looked_at)
        return None
    name = _copied(previous)
    with transaction.atomic():
        photographs.lock(variant)
        _lock_slot(variant)
        _hide(variant, looked_at)
        _show(previous, _REPLACED, previous.version, published_name=name)
        decisions.record(variant, Decision.WITHDRAW, by)
        decisions.record(previous, Decision.ROLLBACK, by)
    return previous


def restore(
    variant: EnhancedVariant, *, by: AbstractBaseUser, version: int | None = None
) -> EnhancedVariant:
    """Undo a rollback or a withdrawal: show again what was taken out of the shop.

    Args:
        variant: what was rolled back or withdrawn.
        by: who restores.
        version: the version that was looked at; the one of ``variant`` by default.

    Raises:
        InvalidTransitionError: it was not taken out, its photo is gone or another one, or something
            else has been published in its place since then.
        CapacityError: the storage did not take the file; nothing has changed.
    """
    looked_at = _check(variant, _TAKEN_OUT, version)
    name = _copied(variant)
    with transaction.atomic():
        photographs.lock_unchanged(variant)
        _lock_slot(variant)
        if _is_replaced(variant):
            raise InvalidTransitionError(_("Another picture has been published since then."))
        EnhancedVariant.objects.same_slot(variant).published().supersede()
        _show(variant, _TAKEN_OUT, looked_at, published_name=name, published_at=timezone.now())
        decisions.record(variant, Decision.PUBLISH, by)
    return variant


def is_restorable(variant: EnhancedVariant) -> bool:
    """Tell whether ``restore`` would show a variant again."""
    taken_out = EnhancedVariant.objects.filter(_TAKEN_OUT, pk=variant.pk).exists()
    same_photo = photographs.file_name(variant) == variant.job.source_name != ""
    return taken_out and same_photo and not _is_replaced(variant)


def previous_of(variant: EnhancedVariant) -> EnhancedVariant | None:
    """Return what was published in the same place before a variant, or None."""
    if variant.published_at is None:
        return None
    earlier = EnhancedVariant.objects.same_slot(variant).filter(
        _REPLACED, published_at__lt=variant.published_at
    )
    return earlier.order_by("-published_at").first()


def withdraw_source(key: dict[str, Any]) -> None:
    """Withdraw everything that is published for an image that was deleted.

    What was published before that does not come back by a rollback, should the image get another
    file, and its public files go, too.
    """
    of_image = EnhancedVariant.objects.filter(**key)
    with transaction.atomic():
        for variant in of_image.published().select_for_update():
            withdraw(variant, by=None)
        of_image.filter(_REPLACED).update(published_at=None, updated_at=timezone.now())


def shown_of(variant: EnhancedVariant) -> EnhancedVariant | None:
    """Return what a storefront shows by default of the photo of a variant; None: the original."""
    photo = variant.source
    if not isinstance(photo, models.Model):
        return None
    try:
        return images_to_show([photo])[0].variant
    except LookupError:
        return None  # its model is not watched any more


def images_to_show(instances: Iterable[models.Model], role: str | None = None) -> list[Shown]:
    """Return what a storefront shows for several images, in their order: one query.

    Args:
        instances: rows of watched models.
        role: role of the recipe; by default the first one of the watched model's recipe, or
            where that is not published, the one that was published last.
    """
    instances = list(instances)
    published = EnhancedVariant.objects.for_sources(instances).published().select_related("job")
    published = published.defer("job__recipe_table", "job__timings", "job__error_detail")
    by_source: dict[tuple[int, str], dict[str, EnhancedVariant]] = {}
    for variant in published.order_by("published_at"):
        key = (variant.source_type_id, variant.source_id)
        by_source.setdefault(key, {})[variant.role] = variant
    main_role = cache(recipes.main_role)
    return [_shown(instance, role, by_source, main_role) for instance in instances]


def make_renditions(variant: EnhancedVariant) -> None:
    """Write the responsive sizes of a published variant, mark them as usable, and tell receivers.

    Writes the public file itself again where it is gone: a clean-up may have deleted it between
    the copy and the commit of its publisher.

    Raises:
        OSError: a storage failed; the sweeper asks again.
    """
    storage.publish_copy(variant.draft_name, variant.digest, variant.mime_type)
    renditions.write(variant)
    rows = EnhancedVariant.objects.filter(pk=variant.pk)
    now = timezone.now()
    if rows.published().update(renditions_at=now, updated_at=now):
        variant.refresh_from_db()
        signals.send_after_commit(signals.renditions_ready, variant=variant)
    elif rows.filter(published_at=None).exists():
        # Withdrawn, and its files deleted, while these were being written.
        delete_public_files(variant)


def withdrawn_with_files(before: datetime) -> list[uuid.UUID]:
    """Return the variants that were withdrawn before a moment and still have public files."""
    left = EnhancedVariant.objects.filter(_WITHDRAWN, updated_at__lt=before).order_by("updated_at")
    return list(left.values_list("pk", flat=True)[:_BATCH])


def without_renditions(before: datetime) -> list[uuid.UUID]:
    """Return the variants that were published before a moment and still have one size only."""
    waiting = EnhancedVariant.objects.published().filter(renditions_at=None, updated_at__lt=before)
    return list(waiting.order_by("updated_at").values_list("pk", flat=True)[:_BATCH])


def delete_public_files(variant: EnhancedVariant) -> None:
    """Delete the public files of a withdrawn variant, unless another one shows the same bytes."""
    name = variant.published_name
    if not name:
        return
    others = EnhancedVariant.objects.published().filter(published_name=name)
    if not others.exists():
        files = [name, *renditions.names(variant)]
        if storage.delete(storage.published(), files) < len(files):
            return  # the sweeper asks again
        if others.update(renditions_at=None):  # published between the question and the deletion
            make_renditions(others[0])
    EnhancedVariant.objects.filter(_WITHDRAWN, pk=variant.pk).update(
        published_name="", renditions_at=None
    )


def _shown(
    instance: models.Model,
    role: str | None,
    by_source: dict[tuple[int, str], dict[str, EnhancedVariant]],
    main_role: Callable[[str], str],
) -> Shown:
    source = sources.source_for(type(instance))
    key = source_key(instance)
    file = source.file_of(instance)
    published = by_source.get((key["source_type"].pk, key["source_id"]), {})
    main = main_role(source.recipe)
    newest_first = list(reversed(published.values()))
    roles = sorted(newest_first, key=lambda variant: variant.role != main)
    return Shown(
        original_url=file.url if file else "",
        file_name=str(file.name) if file else "",
        alt=source.alt_of(instance),
        variant=next(iter(roles), None) if role is None else published.get(role),
        roles=tuple(roles),
    )


def _copied(variant: EnhancedVariant) -> str:
    try:
        return storage.publish_copy(variant.draft_name, variant.digest, variant.mime_type)
    except OSError as err:
        logger.warning("could not copy %s to the public storage", variant.pk, exc_info=True)
        message = _("The storage did not take the file. Nothing has changed; try again.")
        raise CapacityError(message, detail=str(err)) from err


def _lock_slot(variant: EnhancedVariant) -> None:
    """Let publishers of one slot wait for each other, so that the loser gets a clear message."""
    EnhancedVariant.objects.same_slot(variant).lock()


def _is_replaced(variant: EnhancedVariant) -> bool:
    """Tell whether anything was published in the place of a variant since it was taken out."""
    others = EnhancedVariant.objects.same_slot(variant)
    return others.filter(published_at__gt=variant.updated_at).exists()


def _show(variant: EnhancedVariant, allowed: Q, version: int, **changes: Any) -> None:
    changes = {"state": ReviewState.PUBLISHED, "renditions_at": None, **changes}
    transitions.move(variant, allowed, version, **changes)
    signals.send_after_commit(signals.variant_published, variant=variant)
    transaction.on_commit(partial(wakeup.send_renditions, variant.pk), robust=True)


def _hide(variant: EnhancedVariant, version: int) -> None:
    transitions.move(variant, _PUBLISHED, version, state=ReviewState.SUPERSEDED, published_at=None)
    signals.send_after_commit(signals.variant_withdrawn, variant=variant)


def _check(variant: EnhancedVariant, allowed: Q, version: int | None) -> int:
    """Refuse early, so that nothing is copied for a variant that may not be shown."""
    looked_at = variant.version if version is None else version
    rows = EnhancedVariant.objects.filter(allowed, pk=variant.pk, version=looked_at)
    if not rows.exists():
        variant.refresh_from_db()
        raise InvalidTransitionError(decisions.taken_message(variant, looked_at))
    return looked_at
