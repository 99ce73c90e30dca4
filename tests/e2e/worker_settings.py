"""Settings of the worker processes of the tests: those of the tests, on the servers at hand."""

import json
import os

from tests.settings import *  # noqa: F403
from tests.settings import SHOPIMG as _SHOPIMG

_given = json.loads(os.environ["TEST_WORKER"])

DATABASES = {"default": _given["database"]}
STORAGES = _given["storages"]
CELERY_BROKER_URL = _given["broker_url"]
CELERY_BROKER_TRANSPORT_OPTIONS = _given["transport_options"]
CELERY_BEAT_SCHEDULE = {
    "shopimg-sweep": {
        "task": "shopimg.tasks.sweep_jobs",
        "schedule": 1,
        "options": {"expires": 5, "queue": "shopimg-upkeep"},
    }
}
SHOPIMG = {**_SHOPIMG, **_given["shopimg"]}
SIGNAL_DIR = _given["signal_dir"]
