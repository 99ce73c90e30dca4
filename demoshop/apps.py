"""The demo shop as a Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from demoshop.celery import app as celery_app


class DemoshopConfig(AppConfig):
    name = "demoshop"
    verbose_name = _("Demo shop")
    default_auto_field = "django.db.models.BigAutoField"
    celery_app = celery_app
    """Loaded with the shop, so that the web process sends jobs to the shop's broker."""
