"""The Celery app of worker processes: ``celery -A enhancer_worker worker``.

The only module of this package that knows Django: it loads the host's settings and tasks.
"""

from __future__ import annotations

import os

import django
from celery import Celery

from shopimg import broker

if "DJANGO_SETTINGS_MODULE" not in os.environ:
    raise RuntimeError("Set DJANGO_SETTINGS_MODULE to the settings of the shop before the worker.")

app = Celery("enhancer_worker")
app.config_from_object("django.conf:settings", namespace="CELERY")
broker.consume(broker.configure(app))
app.autodiscover_tasks()
django.setup()
