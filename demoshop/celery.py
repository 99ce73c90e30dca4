"""The Celery app by which the web process sends jobs; the workers run ``enhancer_worker``."""

from celery import Celery

from shopimg import broker

app = Celery("demoshop", set_as_current=False)
app.config_from_object("django.conf:settings", namespace="CELERY")
broker.configure(app)
app.set_default()
