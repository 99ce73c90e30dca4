"""The history of a variant: who decided what, about which bytes, and when."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from django.utils.translation import gettext as _

from shopimg.models import EnhancedVariant, ReviewDecision
from shopimg.states import LIVE_VARIANTS, Decision, ReviewState

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractBaseUser


LONGEST_NOTE = 2000
"""Characters of a note that are kept."""


def record(
    variant: EnhancedVariant,
    decision: Decision,
    by: AbstractBaseUser | None,
    *,
    note: str = "",
    **details: Any,
) -> ReviewDecision:
    """Write one line of a variant's history."""
    return ReviewDecision.objects.create(
        variant=variant,
        decision=decision,
        by_id=by.pk if by else None,
        digest=variant.digest,
        # PostgreSQL has no text with a zero byte in it. Forms and the API allow no longer ones.
        note=note.replace("\0", "")[:LONGEST_NOTE],
        **details,
    )


def taken_message(variant: EnhancedVariant, looked_at: int) -> str:
    """Say what happened to a variant in the meantime, by whom and when.

    Args:
        variant: as it is now.
        looked_at: the version that was to be decided on.
    """
    if _is_another_version(variant, looked_at):
        return _("You looked at version %(seen)s; it is at version %(now)s now.") % {
            "seen": looked_at,
            "now": variant.version,
        }
    last = variant.decisions.select_related("by").first()
    if last is None and (chosen := _chosen_instead(variant)):
        return _("Another candidate was approved by %(who)s on %(when)s.") % {
            "who": chosen.by,
            "when": _minute(chosen.at),
        }
    gave_way = variant.state == ReviewState.SUPERSEDED
    in_its_place = EnhancedVariant.objects.same_slot(variant).filter(state__in=LIVE_VARIANTS)
    if last is None and gave_way and in_its_place.exists():
        return _("A newer result has taken its place.")
    if last is None or (gave_way and last.decision != Decision.WITHDRAW):
        return _("The state of this draft since %(when)s is: %(state)s.") % {
            "state": variant.get_state_display(),
            "when": _minute(variant.updated_at),
        }
    return _("%(decision)s by %(who)s on %(when)s.") % {
        "decision": last.get_decision_display(),
        "who": last.by or _("the shop"),
        "when": _minute(last.at),
    }


def _is_another_version(variant: EnhancedVariant, looked_at: int) -> bool:
    """Tell whether the version is all that stands in the way: nobody has decided anything."""
    undecided = variant.state == ReviewState.AWAITING_REVIEW
    return looked_at > variant.version or (undecided and looked_at != variant.version)


def _chosen_instead(variant: EnhancedVariant) -> ReviewDecision | None:
    """Find the approval of another candidate, for one that has given way to it."""
    if variant.state != ReviewState.SUPERSEDED:
        return None
    beside = EnhancedVariant.objects.beside(variant)
    approvals = ReviewDecision.objects.filter(
        variant__in=beside, decision=Decision.APPROVE, at__gte=variant.created_at
    )
    return approvals.select_related("by").first()


def _minute(moment: datetime) -> str:
    # ISO 8601, which is read alike everywhere.
    return timezone.localtime(moment).strftime("%Y-%m-%d %H:%M")
