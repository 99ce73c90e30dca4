"""Answers to a decision: JSON for the review page's script, pages for plain forms."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext as _

from shopimg import permissions
from shopimg.admin.line import Line, queue_url, review_url
from shopimg.contract import EnhancementError, InvalidTransitionError, MaskError, RecipeError
from shopimg.models import EnhancedVariant

UNDO_TAG = "shopimg-undo"
"""Marks a message that the review page shows with a button to take the action back."""

_STATUS = {
    InvalidTransitionError.code: HTTPStatus.CONFLICT,
    MaskError.code: HTTPStatus.UNPROCESSABLE_ENTITY,
    RecipeError.code: HTTPStatus.BAD_REQUEST,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """To whom an answer goes, and about what."""

    request: HttpRequest
    variant: EnhancedVariant
    site: str
    """Name of the admin in use."""
    context: dict[str, Any]
    """What every page of the admin knows."""

    def decided(self, message: str) -> HttpResponse:
        """Confirm a decision and lead to the next draft."""
        if self._wants_json:
            line = Line(self.request)
            return JsonResponse(
                {
                    "message": message,
                    "next": self._next_url(),
                    "queue": queue_url(line.query, site=self.site),
                    "progress": _progress(line),
                }
            )
        messages.success(self.request, message)
        line = Line(self.request)
        return HttpResponseRedirect(self._next_url() or queue_url(line.query, site=self.site))

    def stayed(self, message: str, *, undo: bool = False) -> HttpResponse:
        """Confirm an action after which people look at the same variant again.

        Args:
            message: what was done.
            undo: offer to take it back, beside the message.
        """
        messages.success(self.request, message, extra_tags=UNDO_TAG if undo else "")
        return HttpResponseRedirect(self._own_url())

    def queued(self, message: str, job_url: str) -> HttpResponse:
        """Confirm that a job will make what was asked for; who may open it gets a link."""
        may_open = permissions.sees_jobs(self.request.user)
        if self._wants_json:
            link = {"url": job_url, "link": _("Open the job")} if may_open else {}
            return JsonResponse({"message": message, **link}, status=HTTPStatus.ACCEPTED)
        link_text = format_html('{} <a href="{}">{}</a>', message, job_url, _("Open the job"))
        messages.success(self.request, link_text if may_open else message)
        return HttpResponseRedirect(self._own_url())

    def refused(self, error: EnhancementError) -> HttpResponse:
        """Say why nothing was done, by whom it had been done and when."""
        status = _STATUS.get(error.code, HTTPStatus.SERVICE_UNAVAILABLE)
        return self._failed(status, error.code, error.public_message)

    def invalid(self, message: str) -> HttpResponse:
        """Say what is wrong with the form."""
        return self._failed(HTTPStatus.BAD_REQUEST, "invalid", message)

    def forbidden(self) -> HttpResponse:
        """Say which permission is missing."""
        message = _("You do not have the permission to do this. Nothing has changed.")
        return self._failed(HTTPStatus.FORBIDDEN, "permission_denied", message)

    def _failed(self, status: HTTPStatus, code: str, message: str) -> HttpResponse:
        last = self.variant.decisions.select_related("by").first()
        facts = {
            "code": code,
            "message": message,
            "by": str(last.by) if last and last.by else None,
            "at": last.at.isoformat() if last else None,
        }
        if self._wants_json:
            return JsonResponse(facts, status=status)
        return TemplateResponse(
            self.request,
            "shopimg/admin/refused.html",
            {
                **self.context,
                "title": _("That did not work"),
                "message": message,
                "last": last,
                "variant": self.variant,
                "own_url": self._own_url(),
                "next_url": self._next_url(),
            },
            status=status,
        )

    @property
    def _wants_json(self) -> bool:
        kinds = ["text/html", "application/json"]
        return self.request.get_preferred_type(kinds) == "application/json"

    def _own_url(self) -> str:
        return review_url(self.variant, Line(self.request).query, site=self.site)

    def _next_url(self) -> str | None:
        line = Line(self.request)
        following = line.next_after(self.variant)
        return review_url(following, line.query, site=self.site) if following else None


def _progress(line: Line) -> dict[str, Any]:
    """Say how much is left, for the script that keeps the page in step."""
    progress = line.progress()
    return {"text": progress.text, "decided": progress.decided, "total": progress.total}


def moment(at: Any) -> str:
    """Write a point in time as the reader's locale does."""
    return date_format(timezone.localtime(at), "DATETIME_FORMAT")
