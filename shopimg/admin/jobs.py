"""The job list: what runs, what failed and why, and the buttons to run it again or stop it."""

from __future__ import annotations

import json
from functools import partial
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from shopimg import permissions
from shopimg.admin.columns import JobColumns
from shopimg.admin.facts import seconds
from shopimg.admin.filters import ErrorFilter, JobStateFilter, ModelFilter, RecipeFilter
from shopimg.admin.labels import STEP_LABELS
from shopimg.admin.operations import OPERATIONS, offered, press, press_all
from shopimg.admin.places import admin_url_of
from shopimg.admin.search import SearchesPhotos
from shopimg.admin.workers import worker_notice
from shopimg.models import EnhancementJob

_OVERVIEW = (
    "state",
    "recipe",
    "source_name",
    "attempts",
    "created_at",
    "started_at",
    "finished_at",
    "seconds_by_step",
)
_ERROR = ("error_message", "error_code", "error_detail")
_TECHNICAL = (
    "id",
    "source_digest",
    "fingerprint",
    "recipe_as_asked",
    "requested_by",
    "bulk_run",
    "run_after",
    "sent_at",
    "lease_owner",
    "lease_until",
)


@admin.register(EnhancementJob)
class EnhancementJobAdmin(SearchesPhotos[EnhancementJob]):
    """Jobs, with what went wrong and how long it took."""

    list_display_links = None
    list_filter = (
        JobStateFilter,
        RecipeFilter,
        ModelFilter,
        ErrorFilter,
        ("created_at", admin.DateFieldListFilter),
    )
    list_select_related = ("source_type",)
    list_per_page = 50
    list_max_show_all = 100
    show_full_result_count = False
    search_fields = ("id", "source_id", "source_name", "source_digest", "error_code")
    change_list_template = "shopimg/admin/jobs.html"
    change_form_template = "shopimg/admin/job.html"
    actions = ("retry_selected", "cancel_selected")

    class Media:
        """Badges."""

        css: ClassVar = {"all": ["shopimg/admin.css", "shopimg/jobs.css"]}

    def get_urls(self) -> list[URLPattern]:
        """Add the buttons of a job's page."""
        pages = [
            path(
                f"<uuid:pk>/{name}/",
                self.admin_site.admin_view(partial(press, self, name=name)),
                name=f"shopimg_enhancementjob_{name}",
            )
            for name in OPERATIONS
        ]
        return [*pages, *super().get_urls()]

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the columns, which know whose permissions count."""
        show = JobColumns(request, self.admin_site)
        columns = [show.state, show.photo, "recipe", show.attempts, show.error]
        return [*columns, show.took, show.created, show.results]

    def get_fieldsets(self, request: HttpRequest, obj: EnhancementJob | None = None) -> Any:
        """Return what there is to say: a job without an error has no such section."""
        error = [(_("Error"), {"fields": _ERROR})] if obj and obj.error_code else []
        technical = {"fields": _TECHNICAL, "classes": ["collapse"]}
        overview = {"fields": (*_OVERVIEW, JobColumns(request, self.admin_site).outcome)}
        return [(None, overview), *error, (_("Technical"), technical)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return every field: nothing is edited by hand."""
        return [*_OVERVIEW, *_ERROR, *_TECHNICAL]

    def get_queryset(self, request: HttpRequest) -> QuerySet[EnhancementJob]:
        """Return what the user may see, with photos and variants."""
        return super().get_queryset(request).prefetch_related("source", "variants")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say whether anybody works."""
        context = {"title": _("Jobs"), "worker_notice": worker_notice(), **(extra_context or {})}
        return super().changelist_view(request, context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Offer what the state and the user's permissions allow."""
        job: EnhancementJob = context["original"]
        # Without the scripts of editable forms, which break strict content security policies.
        context["media"] = forms.Media(css={"all": ["shopimg/admin.css"]})
        context["operations"] = offered(job, request)
        context["title"] = str(job.source or job.source_name)
        context["photo_url"] = job.source and admin_url_of(job.source, request, self.admin_site)
        context["worker_notice"] = worker_notice()
        return super().render_change_form(request, context, *args, **kwargs)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may run jobs again and stop them."""
        return permissions.allows(request.user, "retry")

    @admin.action(description=_("Run again"), permissions=["operate"])
    def retry_selected(self, request: HttpRequest, selected: QuerySet[EnhancementJob]) -> None:
        """Queue jobs that are over once more."""
        press_all(request, selected, "retry")

    @admin.action(description=_("Cancel"), permissions=["operate"])
    def cancel_selected(self, request: HttpRequest, selected: QuerySet[EnhancementJob]) -> None:
        """Stop jobs that are not over."""
        press_all(request, selected, "cancel")

    @admin.display(description=_("seconds by step"))
    def seconds_by_step(self, job: EnhancementJob) -> SafeString:
        """List how long each step took."""
        rows = [(STEP_LABELS.get(step, step), seconds(s)) for step, s in job.timings.items()]
        return format_html_join("", "<div>{}: {}</div>", rows) or SafeString("-")

    @admin.display(description=_("recipe as it was asked for"))
    def recipe_as_asked(self, job: EnhancementJob) -> SafeString:
        """Show the table of roles and steps."""
        return format_html("<pre>{}</pre>", json.dumps(job.recipe_table, indent=2))
