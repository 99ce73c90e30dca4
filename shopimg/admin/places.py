"""Where a photo is in the host's own admin: its change page, or that of the row it belongs to."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse


def admin_url_of(image: Model, request: HttpRequest, site: AdminSite) -> str | None:
    """Return the address of the page on which a photo is edited.

    Args:
        image: a row of a watched model.
        request: whose permissions count.
        site: the admin in use.

    Returns:
        None where the host's admin has no such page, or the user may not see it.
    """
    model = type(image)
    if site.is_registered(model):
        return _change_url(site.get_model_admin(model), request, image.pk)
    for field in model._meta.concrete_fields:
        owner: Any = field.related_model
        if field.remote_field is None or not site.is_registered(owner):
            continue
        page = site.get_model_admin(owner)
        if any(inline.model is model for inline in page.inlines):
            return _change_url(page, request, getattr(image, field.attname))
    return None


def _change_url(page: ModelAdmin[Any], request: HttpRequest, key: Any) -> str | None:
    if not page.has_view_or_change_permission(request):
        return None
    options = page.model._meta
    name = f"admin:{options.app_label}_{options.model_name}_change"
    return reverse(name, args=[key], current_app=page.admin_site.name)
