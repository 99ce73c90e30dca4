"""The review queue: what waits, oldest first, with both pictures of each pair."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar, cast
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR, ChangeList
from django.db import transaction
from django.db.models import Count, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _

from shopimg import permissions
from shopimg.admin import bulk, decisions, remaking, review
from shopimg.admin.columns import VariantColumns
from shopimg.admin.filters import (
    ALL,
    ModelFilter,
    ReviewStateFilter,
    RoleFilter,
    VariantRecipeFilter,
    chosen_state,
    kept,
    narrow,
)
from shopimg.admin.line import Line, review_url
from shopimg.admin.search import SearchesPhotos
from shopimg.admin.workers import worker_notice
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.querysets import EnhancedVariantQuerySet
from shopimg.scope import visible_to
from shopimg.states import ReviewState


class QueueList(ChangeList):
    """Rows of the queue: candidates that wait for one decision share one."""

    def get_queryset(self, *args: Any, **kwargs: Any) -> QuerySet[EnhancedVariant]:
        """Return what the search and the filters leave, with the candidates to choose from."""
        found = cast(EnhancedVariantQuerySet, super().get_queryset(*args, **kwargs))
        waiting = Prefetch("job__variants", EnhancedVariant.objects.awaiting_review())
        return found.prefetch_related(waiting).first_of_each_choice()


@admin.register(EnhancedVariant)
class EnhancedVariantAdmin(SearchesPhotos[EnhancedVariant]):
    """Queue, review pages and pictures of variants."""

    list_display_links = None
    list_filter = (
        ReviewStateFilter,
        RoleFilter,
        VariantRecipeFilter,
        ModelFilter,
        ("created_at", admin.DateFieldListFilter),
    )
    list_select_related = ("job", "source_type")
    list_per_page = 50
    list_max_show_all = 100
    show_full_result_count = False
    search_fields = ("source_id", "job__source_name", "digest")
    change_list_template = "shopimg/admin/queue.html"
    actions = ("approve_selected", "reject_selected", "retry_selected")

    class Media:
        """Styles of the queue."""

        css: ClassVar = {
            "all": ["shopimg/admin.css", "shopimg/queue.css", "shopimg/forced-colors.css"]
        }

    def get_urls(self) -> list[URLPattern]:
        """Add the review page, its pictures and its buttons."""
        return [
            self._page("<uuid:pk>/review/", "review", partial(review.page, self)),
            self._page(
                "<uuid:pk>/pictures/<slug:name>/",
                "picture",
                partial(review.picture, self),
                cacheable=True,  # the pictures say themselves, and more strictly
            ),
            *(
                self._page(
                    f"<uuid:pk>/{action}/", action, partial(decisions.act, self, action=action)
                )
                for action in decisions.ACTIONS
            ),
            *(
                self._page(
                    f"<uuid:pk>/{action}/", action, partial(remaking.remake, self, action=action)
                )
                for action in remaking.REMAKES
            ),
            *super().get_urls(),
        ]

    def _page(self, route: str, name: str, view: Any, *, cacheable: bool = False) -> URLPattern:
        # An approval has to be certain before its file is public, also under ``ATOMIC_REQUESTS``.
        wrapped = transaction.non_atomic_requests(
            self.admin_site.admin_view(view, cacheable=cacheable)
        )
        address: URLPattern = path(route, wrapped, name=f"shopimg_enhancedvariant_{name}")
        return address

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Lead to the review page: there is no form to edit a variant with."""
        variant = self.get_object(request, object_id)
        if variant is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        return HttpResponseRedirect(review_url(variant, site=self.admin_site.name))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list whose rows are decisions."""
        return QueueList

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the columns, which know whose permissions count."""
        columns = VariantColumns(request, self.admin_site)
        return [columns.pair, columns.photo, columns.made_as, columns.size, columns.state]

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Show what waits oldest first, everything else newest first."""
        if chosen_state(request.GET) == ReviewState.AWAITING_REVIEW:
            return ("created_at", "pk")
        return ("-created_at", "pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet[EnhancedVariant]:
        """Return what the user may see, with the photos."""
        return super().get_queryset(request).prefetch_related("source")

    @transaction.non_atomic_requests  # for the actions, as in ``_page``
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Add tabs with counts, progress, and what happens next where nothing waits."""
        context = {"title": _("Review queue"), **(extra_context or {})}
        response = super().changelist_view(request, context)
        if isinstance(response, TemplateResponse) and "cl" in (response.context_data or {}):
            response.context_data.update(self._overview(request))  # type: ignore[union-attr]
        return response

    def _overview(self, request: HttpRequest) -> dict[str, Any]:
        line = Line(request)
        first = line.waiting().first()
        progress = line.progress()
        tabs = self._tabs(request, progress.waiting)
        empty = any(tab["chosen"] and not tab["count"] for tab in tabs)
        one_state = chosen_state(request.GET) not in (ReviewState.AWAITING_REVIEW, ALL)
        return {
            "tabs": tabs,
            "state_is_empty": empty and one_state and not kept(request.GET),
            "is_narrower": _is_narrower(request),
            "progress": progress,
            "first_url": first and review_url(first, line.query, site=self.admin_site.name),
            "open_jobs": visible_to(request.user, EnhancementJob.objects.unfinished()).count(),
            "worker_notice": worker_notice(),
        }

    def _tabs(self, request: HttpRequest, waiting: int) -> list[dict[str, Any]]:
        rows = narrow(super().get_queryset(request), request.GET).order_by()
        counts = dict(rows.values_list("state").annotate(Count("pk")))
        counts[ReviewState.AWAITING_REVIEW] = waiting
        chosen = chosen_state(request.GET)
        states = [*ReviewState.choices, (ALL, _("All"))]
        return [
            {
                "label": label,
                "count": sum(counts.values()) if state == ALL else counts.get(state, 0),
                "url": "?" + urlencode({"state": state, **kept(request.GET)}),
                "chosen": state == chosen,
            }
            for state, label in states
        ]

    def has_approve_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may approve."""
        return permissions.allows(request.user, "approve")

    def has_reject_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may reject."""
        return permissions.allows(request.user, "reject")

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may run jobs again."""
        return permissions.allows(request.user, "retry")

    @admin.action(description=_("Approve…"), permissions=["approve"])
    def approve_selected(
        self, request: HttpRequest, variants: QuerySet[EnhancedVariant]
    ) -> HttpResponse | None:
        """Approve, after a look at all of them."""
        return bulk.confirm_or_run(self, request, variants, bulk.APPROVE)

    @admin.action(description=_("Reject…"), permissions=["reject"])
    def reject_selected(
        self, request: HttpRequest, variants: QuerySet[EnhancedVariant]
    ) -> HttpResponse | None:
        """Reject, for one reason."""
        return bulk.confirm_or_run(self, request, variants, bulk.REJECT)

    @admin.action(description=_("Run again…"), permissions=["retry"])
    def retry_selected(
        self, request: HttpRequest, variants: QuerySet[EnhancedVariant]
    ) -> HttpResponse | None:
        """Queue the jobs behind the variants once more."""
        return bulk.confirm_or_run(self, request, variants, bulk.RETRY)


def _is_narrower(request: HttpRequest) -> bool:
    """Tell whether the list is narrowed by what the review pages do not keep."""
    by_date = any(name.startswith("created_at") for name in request.GET)
    return by_date or bool(request.GET.get(SEARCH_VAR))
