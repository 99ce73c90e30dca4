"""Links from the host's own admin to the enhancement of a photo: its state, review and jobs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django import forms
from django.contrib.admin import AdminSite
from django.contrib.admin.options import BaseModelAdmin
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from shopimg import permissions
from shopimg.admin.columns import badge
from shopimg.admin.line import review_url
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.querysets import source_key
from shopimg.scope import visible_to
from shopimg.states import LIVE_VARIANTS

if TYPE_CHECKING:
    _Base = BaseModelAdmin[Any]
else:
    _Base = object


@dataclass(frozen=True)
class Enhancement:
    """A read-only field of the host's admin; it knows the request whose permissions count."""

    request: HttpRequest
    site: AdminSite

    # Read by the admin, as from a function.
    __name__ = "enhancement"
    short_description = gettext_lazy("enhancement")

    def __call__(self, image: Model) -> SafeString | str:
        """Say where the newest job of a photo is, and link to its review pages and all its jobs."""
        if image.pk is None:
            return "-"
        lines = [*self._history(image), *self._reviews(image)]
        return format_html_join("", "<div>{}</div>", ((line,) for line in lines)) or "-"

    def _history(self, image: Model) -> list[SafeString]:
        user = self.request.user
        if not permissions.sees_jobs(user):
            return []
        newest = visible_to(user, EnhancementJob.objects.for_source(image)).order_by("-created_at")
        job = newest.first()
        if job is None:
            return [SafeString(_("No job yet."))]
        address = reverse("admin:shopimg_enhancementjob_changelist", current_app=self.site.name)
        key = source_key(image)
        query = urlencode({"source_type": key["source_type"].pk, "source_id": key["source_id"]})
        state = badge(job.state, job.get_state_display())
        link = format_html('<a href="{}?{}">{}</a>', address, query, _("Job history"))
        why = [format_html("{}", job.error_message)] if job.error_code else []
        return [format_html("{} {}", state, link), *why]

    def _reviews(self, image: Model) -> list[SafeString]:
        user = self.request.user
        if not user.has_perm(permissions.VIEW):
            return []
        live = EnhancedVariant.objects.for_source(image).filter(state__in=LIVE_VARIANTS)
        return [
            format_html(
                '<a href="{}">{}</a> {}',
                review_url(variant, site=self.site.name),
                _("Review %(role)s") % {"role": variant.role},
                badge(variant.state, variant.get_state_display()),
            )
            for variant in visible_to(user, live.first_of_each_choice()).order_by("-created_at")
        ]


class EnhancementLinks(_Base):
    """Adds the field to the admin page, or the inline, of a watched model.

    Put it first: ``class ProductImageInline(EnhancementLinks, admin.TabularInline)``. Each photo
    on the page costs two queries.
    """

    @property
    def media(self) -> forms.Media:
        """Add the badges."""
        return super().media + forms.Media(css={"all": ["shopimg/admin.css"]})

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Add the field."""
        given = super().get_readonly_fields(request, obj)
        return [*given, Enhancement(request, self.admin_site)]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Add the field where the page names its fields."""
        given = list(super().get_fieldsets(request, obj))
        field: Any = Enhancement(request, self.admin_site)
        if field in flatten_fieldsets(given):
            return given
        return [*given, (None, {"fields": [field]})]
