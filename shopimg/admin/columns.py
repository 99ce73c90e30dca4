"""The columns of the queue and of the job list; they know the request whose permissions count."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from shopimg import permissions
from shopimg.admin.answers import moment
from shopimg.admin.decisions import named, title_of
from shopimg.admin.facts import change, mark, pixels, seconds
from shopimg.admin.line import Line, page_url, review_url, waiting_candidates
from shopimg.admin.places import admin_url_of
from shopimg.conf import settings
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.states import ReviewState


def age(at: datetime) -> SafeString:
    """Write how long ago something was, with the exact time on demand."""
    is_new = timezone.now() - at < timedelta(minutes=1)
    text = _("just now") if is_new else _("%(time)s ago") % {"time": timesince(at, depth=1)}
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), moment(at), text)


def badge(state: str, label: Any) -> SafeString:
    """Write a state in its colour."""
    return format_html('<span class="shopimg-badge" data-state="{}">{}</span>', state, label)


def in_order(job: EnhancementJob) -> list[EnhancedVariant]:
    """Return the results of a job as people look for them: by role, candidate and age."""
    return sorted(job.variants.all(), key=lambda v: (v.role, v.candidate, v.created_at))


def result(
    variant: EnhancedVariant, text: str, request: HttpRequest, site: AdminSite
) -> SafeString | str:
    """Name a result, as a link to its review page for those who may see that."""
    if not request.user.has_perm(permissions.VIEW):
        return text
    return format_html('<a href="{}">{}</a>', review_url(variant, site=site.name), text)


@dataclass(frozen=True, slots=True)
class Columns:
    """What both lists show of the photo behind a row."""

    request: HttpRequest
    site: AdminSite

    @admin.display(description=gettext_lazy("photo"))
    def photo(self, row: Any) -> SafeString:
        """Name the photo, as a link to the page of the host's admin where it is edited."""
        name = str(row.source) if row.source else _("deleted photo")
        url = admin_url_of(row.source, self.request, self.site) if row.source else None
        kind = row.source_type.name
        if url is None:
            return format_html('<b>{}</b><br><span class="quiet">{}</span>', name, kind)
        return format_html('<a href="{}">{}</a><br><span class="quiet">{}</span>', url, name, kind)


class VariantColumns(Columns):
    """The queue's columns."""

    @admin.display(description=gettext_lazy("before and after"))
    def pair(self, variant: EnhancedVariant) -> SafeString:
        """Show both pictures, or all there is to choose from, as a link to the review page."""
        choice = _choice(variant)
        words = {"variant": title_of(variant), "candidates": _number_of(choice)}
        label = _("Review %(variant)s, %(candidates)s") if choice else _("Review %(variant)s")
        return format_html(
            '<a class="shopimg-pair" href="{}" aria-label="{}">{}<span class="after">{}</span></a>',
            review_url(variant, Line(self.request).query, site=self.site.name),
            label % words,
            self._thumbnails([variant], "before-thumbnail"),
            self._thumbnails(choice or [variant], "after-thumbnail"),
        )

    def _thumbnails(self, variants: list[EnhancedVariant], name: str) -> SafeString:
        image = '<img src="{}" alt="" loading="lazy" width="96" height="96">'
        addresses = [page_url("picture", one, name, site=self.site.name) for one in variants]
        return format_html_join("", image, ((address,) for address in addresses))

    @admin.display(description=gettext_lazy("made as"), ordering="role")
    def made_as(self, variant: EnhancedVariant) -> SafeString:
        """Name the role and the recipe, and count what there is to choose from."""
        choice = _choice(variant)
        role = variant.role if choice else named(variant)
        details = [variant.job.recipe, *([_number_of(choice)] if choice else [])]
        lines = format_html_join("", '<br><span class="quiet">{}</span>', zip(details, strict=True))
        return format_html("{}{}", role, lines)

    @admin.display(description=gettext_lazy("size"), ordering="size_bytes")
    def size(self, variant: EnhancedVariant) -> SafeString:
        """Compare pixels and bytes."""
        job = variant.job
        return format_html(
            '{}<br><span class="quiet">{}</span>',
            change(
                pixels(job.source_width, job.source_height), pixels(variant.width, variant.height)
            ),
            change(filesizeformat(job.source_bytes), filesizeformat(variant.size_bytes)),
        )

    @admin.display(description=gettext_lazy("state and age"), ordering="created_at")
    def state(self, variant: EnhancedVariant) -> SafeString:
        """Say where the variant is, since when it exists, and what to look at before a decision."""
        waits = variant.state == ReviewState.AWAITING_REVIEW
        look = mark(_choice(variant) or [variant]) if waits else ""
        return format_html(
            '{}<br><span class="quiet">{}</span>{}',
            badge(variant.state, variant.get_state_display()),
            age(variant.created_at),
            format_html('<br><span class="shopimg-look">{}</span>', look) if look else "",
        )


def _choice(variant: EnhancedVariant) -> list[EnhancedVariant]:
    """Return the candidates that a row of the queue stands for; nothing where it is but one."""
    waiting = waiting_candidates(variant)
    return waiting if len(waiting) > 1 and variant in waiting else []


def _number_of(choice: list[EnhancedVariant]) -> str:
    text = ngettext("%(number)d candidate", "%(number)d candidates", len(choice))
    return text % {"number": len(choice)}


class JobColumns(Columns):
    """The job list's columns."""

    @admin.display(description=gettext_lazy("state"), ordering="state")
    def state(self, job: EnhancementJob) -> SafeString:
        """Say where the job is, as a link to its page."""
        url = reverse(
            "admin:shopimg_enhancementjob_change", args=[job.pk], current_app=self.site.name
        )
        return format_html('<a href="{}">{}</a>', url, badge(job.state, job.get_state_display()))

    @admin.display(description=gettext_lazy("attempts"), ordering="attempts")
    def attempts(self, job: EnhancementJob) -> str:
        """Say how many of the attempts are used up."""
        limit = settings.MAX_ATTEMPTS
        return _("%(attempts)d of %(limit)d") % {"attempts": job.attempts, "limit": limit}

    @admin.display(description=gettext_lazy("error"), ordering="error_code")
    def error(self, job: EnhancementJob) -> SafeString | str:
        """Say why it failed: words for people, the code for support."""
        if not job.error_code:
            return ""
        return format_html("{}<br><code>{}</code>", job.error_message, job.error_code)

    @admin.display(description=gettext_lazy("took"))
    def took(self, job: EnhancementJob) -> str:
        """Say how long the last attempt took."""
        return seconds(job.seconds, 1)

    @admin.display(description=gettext_lazy("created"), ordering="created_at")
    def created(self, job: EnhancementJob) -> SafeString:
        """Say since when the job exists."""
        return age(job.created_at)

    @admin.display(description=gettext_lazy("results"))
    def results(self, job: EnhancementJob) -> SafeString | str:
        """Link to the variants, by role."""
        return format_html_join(
            SafeString("<br>"),
            "{}",
            ((result(v, named(v), self.request, self.site),) for v in in_order(job)),
        )

    @admin.display(description=gettext_lazy("results"))
    def outcome(self, job: EnhancementJob) -> SafeString | str:
        """Link to the variants, and say what became of each."""
        rows = (
            (result(v, f"{named(v)} · {pixels(v.width, v.height)}", self.request, self.site), v)
            for v in in_order(job)
        )
        lines = ((link, variant.get_state_display()) for link, variant in rows)
        return format_html_join(SafeString("<br>"), "{} ({})", lines) or "-"
