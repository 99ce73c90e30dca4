"""Bulk runs as the admin sees them: how far each is, with a way to its jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin import AdminSite
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from shopimg import permissions
from shopimg.admin.readonly import ReadOnlyAdmin
from shopimg.contract import InvalidTransitionError
from shopimg.models import BulkRun, EnhancementJob
from shopimg.scope import runs_of, runs_visible_to, visible_to
from shopimg.services import cancellation
from shopimg.states import FAILED_JOBS, OPEN_JOBS, OPEN_RUNS, JobState

if TYPE_CHECKING:
    from shopimg.scope import User

_GROUPS: Mapping[str, tuple[JobState, ...]] = {
    "succeeded": (JobState.SUCCEEDED,),
    "failed": FAILED_JOBS,
    "open": tuple(sorted(OPEN_JOBS)),
    "cancelled": (JobState.CANCELLED,),
}
"""What people ask of the jobs of a run -> states."""

_RUN = ("recipe", "state", "examined", "queued", "skipped", "refused", "requested_by",
        "created_at", "queued_at", "finished_at")  # fmt: skip
_RUN_TECHNICAL = ("id", "filters", "cursor", "queue_after")


@dataclass(frozen=True)
class JobsOver:
    """How far the jobs of a run are, with a way to them; knows whose permissions count."""

    request: HttpRequest
    site: AdminSite

    # Read by the admin, as from a function.
    __name__ = "jobs_over"
    short_description = _("jobs")

    def __call__(self, run: Any) -> SafeString:
        """Say how many jobs went well, how many did not, and how many are left."""
        texts = {
            "succeeded": gettext("%(number)d succeeded"),
            "failed": gettext("%(number)d failed"),
            "open": gettext("%(number)d to do"),
        }
        if run.cancelled:
            texts["cancelled"] = gettext("%(number)d cancelled")
        parts = ((self._part(run, name, text),) for name, text in texts.items())
        return format_html_join(", ", "{}", parts)

    def _part(self, run: Any, name: str, text: str) -> SafeString | str:
        number = getattr(run, name)
        words = text % {"number": number}
        if not number or not permissions.sees_jobs(self.request.user):
            return words
        address = reverse("admin:shopimg_enhancementjob_changelist", current_app=self.site.name)
        query = urlencode({"bulk_run": run.pk, "state__in": ",".join(_GROUPS[name])})
        return format_html('<a href="{}?{}">{}</a>', address, query, words)


@admin.register(BulkRun)
class BulkRunAdmin(ReadOnlyAdmin[BulkRun]):
    """Runs of ``shopimg_reprocess`` and the API; under a scope, as the API shows them."""

    list_filter = ("state",)
    actions = ("cancel_selected",)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """Return the columns, which know whose permissions count."""
        # The name says when: a column of its own would be cut on a small laptop.
        numbers = ["examined", "queued", "skipped", "refused"]
        return ["__str__", "state", JobsOver(request, self.admin_site), *numbers]

    def get_fieldsets(self, request: HttpRequest, obj: BulkRun | None = None) -> Any:
        """Return what there is to say; what resumes a run is for support."""
        overview = [*_RUN[:2], JobsOver(request, self.admin_site), *_RUN[2:]]
        technical = {"fields": _RUN_TECHNICAL, "classes": ["collapse"]}
        return [(None, {"fields": overview}), (_("Technical"), technical)]

    def get_queryset(self, request: HttpRequest) -> QuerySet[BulkRun]:
        """Count the jobs of each run that the user may see in the same query."""
        runs = runs_visible_to(request.user, super().get_queryset(request))
        return runs.annotate(**dict(_counts(request.user)))

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Tell whether the user may stop runs."""
        return permissions.allows(request.user, "cancel")

    @admin.action(description=_("Cancel"), permissions=["operate"])
    def cancel_selected(self, request: HttpRequest, selected: QuerySet[BulkRun]) -> None:
        """Queue nothing more for runs, and let their jobs end at the next sweep."""
        done, asked = 0, selected.count()
        for run in runs_of(request.user, selected.filter(state__in=OPEN_RUNS)):
            with suppress(InvalidTransitionError):
                cancellation.cancel(run)
                done += 1
        if done:
            text = ngettext(
                "%(count)d run is cancelled; its jobs end within a minute.",
                "%(count)d runs are cancelled; their jobs end within a minute.",
                done,
            )
            messages.success(request, text % {"count": done})
        if refused := asked - done:
            text = ngettext(
                "%(count)d run is over already, or is not yours to cancel.",
                "%(count)d runs are over already, or are not yours to cancel.",
                refused,
            )
            messages.warning(request, text % {"count": refused})


def _counts(user: User) -> Iterator[tuple[str, Count]]:
    jobs = EnhancementJob.objects.all()
    visible = visible_to(user, jobs)
    seen = Q() if visible is jobs else Q(jobs__in=visible.order_by().values("pk"))
    for name, states in _GROUPS.items():
        yield name, Count("jobs", filter=Q(jobs__state__in=states) & seen)
