"""The review page of one variant, and the pictures on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db.models import prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from shopimg import permissions, previews
from shopimg.admin import facts, remaking
from shopimg.admin.decisions import ACTIONS, is_further_view, title_of
from shopimg.admin.line import Line, page_url, queue_url, review_url, waiting_candidates
from shopimg.admin.places import admin_url_of
from shopimg.admin.registration import registration
from shopimg.conf import settings
from shopimg.models import EnhancedVariant
from shopimg.services import photographs, publishing
from shopimg.states import LIVE_VARIANTS, RejectReason, ReviewState

if TYPE_CHECKING:
    from shopimg.admin.queue import EnhancedVariantAdmin

_STRIP_BEHIND = 3
_STRIP_AHEAD = 12

_OFFERED = {
    ReviewState.AWAITING_REVIEW: ("approve", "reject", "regenerate", "correct", "retry"),
    ReviewState.APPROVED: ("publish", "regenerate", "correct", "retry"),
    ReviewState.PUBLISHED: ("rollback", "withdraw", "regenerate", "correct", "retry"),
    ReviewState.REJECTED: ("regenerate", "correct", "retry"),
    ReviewState.SUPERSEDED: ("restore", "regenerate", "correct", "retry"),
}
"""Buttons by state; ``restore`` only for what was taken out of the shop, ``regenerate`` only for
scenes, ``correct`` only for what was cut out. What has given way is made again only while nothing
stands in its place."""

_PICTURES: dict[str, tuple[Callable[..., HttpResponse], previews.Side]] = {
    "before": (previews.picture_response, previews.Side.BEFORE),
    "after": (previews.picture_response, previews.Side.AFTER),
    "mask": (previews.picture_response, previews.Side.MASK),
    "before-thumbnail": (previews.thumbnail_response, previews.Side.BEFORE),
    "after-thumbnail": (previews.thumbnail_response, previews.Side.AFTER),
}
"""Last word of an address -> picture."""


def picture(
    model_admin: EnhancedVariantAdmin, request: HttpRequest, pk: UUID, name: str
) -> HttpResponse:
    """Serve one of the pictures of a variant.

    Raises:
        Http404: there is none, or it is none of the user's business.
    """
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    variant = _visible(model_admin, request, pk)
    if name not in _PICTURES:
        raise Http404
    respond, side = _PICTURES[name]
    return respond(variant, side)


def page(model_admin: EnhancedVariantAdmin, request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show a variant beside its upload, with everything that can be done about it.

    Raises:
        Http404: there is none, or it is none of the user's business.
    """
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    variant = _visible(model_admin, request, pk)
    site = model_admin.admin_site
    title = title_of(variant)
    actions = _actions(variant, request)
    context = {
        **site.each_context(request),
        "is_nav_sidebar_enabled": False,
        "opts": model_admin.opts,
        "title": _("Review %(variant)s") % {"variant": title},
        "name": str(variant.source or variant.job.source_name),
        "variant": variant,
        "registration": registration(variant),
        **_navigation(variant, Line(request), site.name),
        "candidates": _candidates(variant, Line(request), site.name),
        **_facts(variant),
        "source_url": variant.source and admin_url_of(variant.source, request, site),
        "history": variant.decisions.select_related("by"),
        "actions": actions,
        "reasons": RejectReason.choices,
        "publishes": settings.PUBLISH_ON_APPROVAL,
        "previous_published": _previous(variant),
        "shown": publishing.shown_of(variant) if "restore" in actions else None,
        "is_further_view": is_further_view(variant),
        "is_outdated": _is_outdated(variant),
        "replaced_by": _replacements(variant) if "restore" not in actions else [],
        "scene_form": remaking.scene_form(variant) if "regenerate" in actions else None,
    }
    return TemplateResponse(request, "shopimg/admin/review.html", context)


def _visible(model_admin: EnhancedVariantAdmin, request: HttpRequest, pk: UUID) -> EnhancedVariant:
    rows = model_admin.get_queryset(request).select_related("job", "source_type")
    variant = rows.filter(pk=pk).first()
    if variant is None or not model_admin.has_view_permission(request, variant):
        raise Http404
    return variant


def _navigation(variant: EnhancedVariant, line: Line, site: str) -> dict[str, Any]:
    behind = line.before(variant, _STRIP_BEHIND)
    ahead = line.after(variant, _STRIP_AHEAD)
    following = ahead[0] if ahead else line.oldest_but(variant)
    waiting = waiting_candidates(variant)
    beside = next((other for other in waiting if other != variant), None)
    strip = [*reversed(behind), variant, *ahead]
    prefetch_related_objects(strip, "source")
    return {
        "query": line.query,
        "queue_url": queue_url(line.query, site=site),
        "own_url": review_url(variant, line.query, site=site),
        "next_url": following and review_url(following, line.query, site=site),
        "beside_url": beside and review_url(beside, line.query, site=site),
        "previous_url": behind and review_url(behind[0], line.query, site=site),
        "progress": line.progress(),
        "strip": [
            (one, title_of(one), review_url(one, line.query, site=site), _thumbnail(one, site))
            for one in strip
        ],
    }


def _candidates(variant: EnhancedVariant, line: Line, site: str) -> list[dict[str, Any]]:
    """Return what there is to choose from; nothing where there is no choice."""
    made = variant.candidates()
    if len(made) == 1:
        return []
    return [
        {
            "number": number,
            "variant": one,
            "url": review_url(one, line.query, site=site),
            "thumbnail": _thumbnail(one, site),
        }
        for number, one in enumerate(made, start=1)
    ]


def _thumbnail(variant: EnhancedVariant, site: str) -> str:
    return page_url("picture", variant, "after-thumbnail", site=site)


def _facts(variant: EnhancedVariant) -> dict[str, Any]:
    return {
        "before_size": facts.pixels(variant.job.source_width, variant.job.source_height),
        "after_size": facts.pixels(variant.width, variant.height),
        "warnings": facts.warnings(variant),
        "sizes": facts.sizes(variant),
        "figures": facts.figures(variant),
        "scenery": facts.scenery(variant),
        "upload": facts.upload(variant),
        "steps": facts.steps(variant),
        "provenance": list(facts.provenance(variant)),
    }


def _actions(variant: EnhancedVariant, request: HttpRequest) -> dict[str, bool]:
    """Return which buttons there are, and whether the user may press them."""
    offered = _OFFERED[ReviewState(variant.state)]
    possible = {*ACTIONS, *remaking.kinds(variant)}
    if variant.state == ReviewState.SUPERSEDED:
        if not publishing.is_restorable(variant):
            possible -= {"restore"}
        if _replacements(variant) or not _is_of_current_upload(variant):
            possible -= {"regenerate", "correct", "retry"}
    return {name: permissions.allows(request.user, name) for name in offered if name in possible}


def _previous(variant: EnhancedVariant) -> EnhancedVariant | None:
    published = variant.state == ReviewState.PUBLISHED
    return publishing.previous_of(variant) if published else None


def _replacements(variant: EnhancedVariant) -> list[EnhancedVariant]:
    """Return what stands in the place of a variant that has given way and cannot come back."""
    if variant.state != ReviewState.SUPERSEDED:
        return []
    others = EnhancedVariant.objects.same_slot(variant).filter(state__in=LIVE_VARIANTS)
    return list(others.first_of_each_choice().order_by("created_at", "pk"))


def _is_outdated(variant: EnhancedVariant) -> bool:
    """Tell whether shoppers see what was made of another upload than the photo has now."""
    published = variant.state == ReviewState.PUBLISHED
    return published and bool(photographs.file_name(variant)) and not _is_of_current_upload(variant)


def _is_of_current_upload(variant: EnhancedVariant) -> bool:
    return photographs.file_name(variant) == variant.job.source_name
