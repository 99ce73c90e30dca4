"""The Django app: registers the system checks and listens to the watched models."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ShopimgConfig(AppConfig):
    """Configuration of ``shopimg``."""

    name = "shopimg"
    verbose_name = _("Product photos")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register checks and receivers, now that every model is loaded."""
        from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415

        from shopimg import checks, receivers  # noqa: PLC0415  # need loaded models

        checks.register()
        try:
            receivers.connect()
        except ImproperlyConfigured:
            # The system checks say what is wrong, with a hint, instead of a failing start.
            return
