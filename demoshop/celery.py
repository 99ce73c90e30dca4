"""The Celery app by which the web process sends jobs; the workers run ``enhancer_worker``."""

from celery import Celery

app = Celery("demoshop", set_as_current=False)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.set_default()
