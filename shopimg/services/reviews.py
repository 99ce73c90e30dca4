"""Approve or reject a draft: exactly these bytes, once, by somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from shopimg.conf import settings
from shopimg.contract import CapacityError
from shopimg.models import EnhancedVariant
from shopimg.services import decisions, photographs, publishing, transitions
from shopimg.states import Decision, RejectReason, ReviewState

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser

_WAITING = Q(state=ReviewState.AWAITING_REVIEW)


def approve(
    variant: EnhancedVariant,
    *,
    by: AbstractBaseUser,
    version: int | None = None,
    note: str = "",
) -> EnhancedVariant:
    """Approve a draft, and publish it where ``PUBLISH_ON_APPROVAL`` says so.

    The other candidates that were made for the same place give way.

    Args:
        variant: the draft.
        by: who decides.
        version: the version that was looked at; the one of ``variant`` by default.
        note: kept with the decision, up to ``decisions.LONGEST_NOTE`` characters.

    Raises:
        InvalidTransitionError: somebody else has decided, has approved another candidate, the draft
            was superseded, or its photo is gone or another one.
        CapacityError: approved, but the public storage did not take the file; publish again.
    """
    now = timezone.now()
    photographs.refuse_overwritten(variant)
    with transaction.atomic():
        photo = photographs.file_name(variant, lock=True)
        _lock_choice(variant)
        _decide(variant, version, state=ReviewState.APPROVED, approved_by=by, approved_at=now)
        photographs.check_unchanged(variant, photo)
        EnhancedVariant.objects.awaiting_review().beside(variant).supersede()
        decisions.record(variant, Decision.APPROVE, by, note=note)
    # Only now: nothing may be copied to the public storage before the approval is certain.
    if settings.PUBLISH_ON_APPROVAL:
        try:
            publishing.publish(variant, by=by)
        except CapacityError as err:
            message = _("Approved, but the storage did not take the file. Publish it once it does.")
            raise CapacityError(message, detail=err.detail) from err
    return variant


def reject(
    variant: EnhancedVariant,
    *,
    by: AbstractBaseUser,
    reason: str,
    version: int | None = None,
    note: str = "",
) -> EnhancedVariant:
    """Reject a draft; what is published stays.

    Args:
        variant: the draft.
        by: who decides.
        reason: one of ``RejectReason``.
        version: the version that was looked at; the one of ``variant`` by default.
        note: kept with the decision, up to ``decisions.LONGEST_NOTE`` characters.

    Raises:
        InvalidTransitionError: somebody else has decided, or the draft was superseded.
        ValueError: the reason is not in the list.
    """
    reason = RejectReason(reason)
    with transaction.atomic():
        _decide(variant, version, state=ReviewState.REJECTED)
        decisions.record(variant, Decision.REJECT, by, reason=reason, note=note)
    return variant


def _lock_choice(variant: EnhancedVariant) -> None:
    """Let reviewers who pick different candidates wait for each other, so that one wins."""
    waiting = EnhancedVariant.objects.awaiting_review()
    waiting.filter(job=variant.job_id, role=variant.role).lock()


def _decide(variant: EnhancedVariant, version: int | None, **changes: Any) -> None:
    looked_at = variant.version if version is None else version
    transitions.move(variant, _WAITING, looked_at, **changes)
