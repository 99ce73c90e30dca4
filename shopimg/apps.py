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
        """Register checks and receivers, now that every model is loaded.

        Raises:
            ImproperlyConfigured: the ``SHOPIMG`` setting is not valid. A shop that started without
                its receivers would take uploads and never enhance them.
        """
        from shopimg import checks, receivers  # noqa: PLC0415  # need loaded models

        checks.register()
        checks.require_valid_setting()
        receivers.connect()
