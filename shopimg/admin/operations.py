"""What operators do to jobs: run them again, stop them; one at a time or many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from shopimg import permissions
from shopimg.contract import InvalidTransitionError
from shopimg.models import EnhancementJob
from shopimg.services import jobs, requests
from shopimg.states import OPEN_JOBS, RETRYABLE_JOBS

if TYPE_CHECKING:
    from shopimg.admin.jobs import EnhancementJobAdmin

LIMIT = 500
"""Jobs per request; the rest is for ``shopimg_reprocess``."""

OPERATIONS: Mapping[str, Callable[[EnhancementJob], None]] = {
    "retry": requests.run_again,
    "cancel": jobs.cancel,
}
"""Every button, by the last word of its address."""

_FITTING = {"retry": RETRYABLE_JOBS, "cancel": OPEN_JOBS}
_DONE: Mapping[str, Any] = {
    "retry": gettext_lazy("Queued again."),
    "cancel": gettext_lazy("Cancelled."),
}


def offered(job: EnhancementJob, request: HttpRequest) -> list[str]:
    """Return the operations that the state of a job and the user's permissions allow."""
    fitting = [name for name in OPERATIONS if job.state in _FITTING[name]]
    return [name for name in fitting if permissions.allows(request.user, name)]


def press(
    model_admin: EnhancementJobAdmin, request: HttpRequest, pk: UUID, *, name: str
) -> HttpResponse:
    """Carry out one of ``OPERATIONS`` on a job.

    Raises:
        Http404: there is no such job, or it is none of the user's business.
        PermissionDenied: the user may look at it only.
    """
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    job = model_admin.get_queryset(request).filter(pk=pk).first()
    if job is None:
        raise Http404
    may_view = model_admin.has_view_permission(request, job)
    if not may_view or not permissions.allows(request.user, name):
        raise PermissionDenied
    site = model_admin.admin_site
    own_url = reverse("admin:shopimg_enhancementjob_change", args=[pk], current_app=site.name)
    try:
        OPERATIONS[name](job)
    except InvalidTransitionError as err:
        context = {
            **site.each_context(request),
            "opts": model_admin.opts,
            "title": _("That did not work"),
            "message": err.public_message,
            "own_url": own_url,
        }
        return TemplateResponse(request, "shopimg/admin/refused.html", context, status=409)
    messages.success(request, str(_DONE[name]))
    return HttpResponseRedirect(own_url)


def press_all(request: HttpRequest, selected: QuerySet[EnhancementJob], name: str) -> None:
    """Carry out one of ``OPERATIONS`` on many jobs, and say how it went.

    Jobs whose state does not allow it use up none of ``LIMIT``: whoever selects all once more goes
    on with the rest.
    """
    fitting = list(selected.filter(state__in=_FITTING[name])[: LIMIT + 1])
    done, refused = 0, selected.exclude(state__in=_FITTING[name]).count()
    for job in fitting[:LIMIT]:
        try:
            OPERATIONS[name](job)
        except InvalidTransitionError:
            refused += 1
        else:
            done += 1
    if done:
        text = ngettext("%(count)d job: %(what)s", "%(count)d jobs: %(what)s", done)
        messages.success(request, text % {"count": done, "what": _DONE[name]})
    if refused:
        text = ngettext(
            "%(count)d job is not in a state that allows this.",
            "%(count)d jobs are not in a state that allows this.",
            refused,
        )
        messages.warning(request, text % {"count": refused})
    if len(fitting) > LIMIT:
        messages.info(request, _("At most %(limit)d at a time.") % {"limit": LIMIT})
