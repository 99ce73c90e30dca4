"""Decisions on many variants at once: first a page that shows them, then one service call each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from shopimg.admin.decisions import ACTIONS, title_of
from shopimg.admin.facts import mark
from shopimg.admin.line import page_url, review_url, waiting_candidates
from shopimg.admin.readonly import person
from shopimg.conf import settings
from shopimg.contract import EnhancementError
from shopimg.models import EnhancedVariant
from shopimg.states import RejectReason, ReviewState

if TYPE_CHECKING:
    from shopimg.admin.queue import EnhancedVariantAdmin

LIMIT = 100
"""Variants per confirmation: as many as people can look at, and as fit into one request."""

_REASONS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class BulkAction:
    """Something to do with every selected variant."""

    name: str
    """One of ``decisions.ACTIONS``; ``<name>_selected`` is the action of the queue."""
    question: Any
    """Title of the confirmation page."""
    explanation: Any
    """What will happen."""
    button: Any
    """What to press."""
    explanation_unpublished: Any = None
    """What will happen where approving does not publish, if that differs."""


APPROVE = BulkAction(
    "approve",
    gettext_lazy("Approve these pictures?"),
    explanation=gettext_lazy("Shoppers see approved pictures at once."),
    button=gettext_lazy("Approve"),
    explanation_unpublished=gettext_lazy("Approved pictures wait until somebody publishes them."),
)
REJECT = BulkAction(
    "reject",
    gettext_lazy("Reject these pictures?"),
    gettext_lazy("Rejected pictures are never shown. What shoppers see now stays."),
    gettext_lazy("Reject"),
)
RETRY = BulkAction(
    "retry",
    gettext_lazy("Run these jobs again?"),
    gettext_lazy("Each draft stays until there is a new one, which is then reviewed instead."),
    gettext_lazy("Run again"),
)


def confirm_or_run(
    model_admin: EnhancedVariantAdmin,
    request: HttpRequest,
    variants: QuerySet[EnhancedVariant],
    action: BulkAction,
) -> HttpResponse | None:
    """Show what is selected; do it once that page has been confirmed."""
    if action is REJECT:
        variants = _with_candidates(model_admin, request, variants)
    if "confirmed" not in request.POST:
        return _confirmation(model_admin, request, variants, action)
    if action is REJECT and request.POST.get("reason") not in RejectReason.values:
        return _confirmation(model_admin, request, variants, action, error=_("Choose a reason."))
    # Not ``variants``: what somebody else has decided meanwhile has left the queue, and is to be
    # reported instead of skipped in silence.
    selected = request.POST.getlist(ACTION_CHECKBOX_NAME)[:LIMIT]
    rows = model_admin.get_queryset(request).select_related("job").filter(pk__in=selected)
    _run(request, list(rows.order_by("created_at", "pk")), action)
    return None


def _with_candidates(
    model_admin: EnhancedVariantAdmin,
    request: HttpRequest,
    variants: QuerySet[EnhancedVariant],
) -> QuerySet[EnhancedVariant]:
    """Add all that there is to choose from where a row of the queue stands for several pictures."""
    waits = Q(state=ReviewState.AWAITING_REVIEW)
    choice = variants.filter(waits, job=OuterRef("job"), role=OuterRef("role"))
    rows = model_admin.get_queryset(request).select_related("job", "source_type")
    shown = rows.filter(Q(pk__in=variants.order_by().values("pk")) | waits & Q(Exists(choice)))
    return shown.order_by("created_at", "pk")


def _confirmation(
    model_admin: EnhancedVariantAdmin,
    request: HttpRequest,
    variants: QuerySet[EnhancedVariant],
    action: BulkAction,
    error: str = "",
) -> HttpResponse:
    site = model_admin.admin_site
    total = variants.count()
    rows = [_row(variant, site.name, action) for variant in variants[:LIMIT]]
    context = {
        **site.each_context(request),
        "opts": model_admin.opts,
        "title": action.question,
        "action": action,
        "explanation": (not settings.PUBLISH_ON_APPROVAL and action.explanation_unpublished)
        or action.explanation,
        "error": error,
        "reasons": RejectReason.choices if action is REJECT else (),
        "chosen_reason": request.POST.get("reason", ""),
        "note": request.POST.get("note", ""),
        "checkbox_name": ACTION_CHECKBOX_NAME,
        "total": total,
        "left_out": max(0, total - LIMIT),
        "rows": rows,
        "marked": sum(bool(row["look"]) for row in rows),
    }
    return TemplateResponse(request, "shopimg/admin/confirm.html", context)


def _row(variant: EnhancedVariant, site: str, action: BulkAction) -> dict[str, Any]:
    return {
        "variant": variant,
        "title": title_of(variant),
        "url": review_url(variant, site=site),
        "before": page_url("picture", variant, "before-thumbnail", site=site),
        "after": page_url("picture", variant, "after-thumbnail", site=site),
        "look": mark([variant]) if action is APPROVE else "",
        "others": len(waiting_candidates(variant)) - 1 if action is APPROVE else 0,
    }


def _run(request: HttpRequest, variants: Sequence[EnhancedVariant], action: BulkAction) -> None:
    done = 0
    refused: list[str] = []
    for variant in variants:
        try:
            _perform(ACTIONS[action.name], request, variant)
        except EnhancementError as err:
            refused.append(f"{title_of(variant)}: {err.public_message}")
        else:
            done += 1
    _report(request, action, done, refused)


def _perform(perform: Callable[..., str], request: HttpRequest, variant: EnhancedVariant) -> None:
    form: Mapping[str, str] = request.POST
    try:
        version = int(form.get(f"version-{variant.pk}", ""))
    except ValueError:  # also of thousands of digits
        version = 0
    perform(person(request), variant, version, form)


def _report(request: HttpRequest, action: BulkAction, done: int, refused: list[str]) -> None:
    if done:
        text = ngettext("%(button)s: %(count)d done.", "%(button)s: %(count)d done.", done)
        messages.success(request, text % {"button": action.button, "count": done})
    for reason in refused[:_REASONS_SHOWN]:
        messages.warning(request, reason)
    more = len(refused) - _REASONS_SHOWN
    if more > 0:
        text = ngettext("%(count)d more was refused.", "%(count)d more were refused.", more)
        messages.warning(request, text % {"count": more})
