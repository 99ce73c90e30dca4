"""The Celery app of worker processes: ``celery -A enhancer_worker worker``.

The only module of this package that knows Django: it loads the host's settings and tasks.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterable
from typing import Any

import django
from celery import Celery
from celery.signals import task_postrun, task_prerun, worker_init
from django.db import close_old_connections
from django.utils.module_loading import import_string

from enhancer_worker.config import WorkerConfig
from enhancer_worker.engine.cuda_probe import require_cuda_apart
from enhancer_worker.engine.device import choose_placement, has_nvidia_driver
from enhancer_worker.errors import device_is_lost
from enhancer_worker.nets.manifest import WeightsRecord, read_manifest, verified_file
from shopimg import broker, enhancers
from shopimg.conf import settings as shop
from shopimg.contract import WorkerError

logger = logging.getLogger(__name__)

if "DJANGO_SETTINGS_MODULE" not in os.environ:
    raise RuntimeError("Set DJANGO_SETTINGS_MODULE to the settings of the shop before the worker.")


class WorkerApp(Celery):
    """Configures itself in every process of its worker, those that start afresh included."""

    def __reduce__(self) -> str:
        """Travel as a name: a process that starts afresh imports this module, with all it sets.

        Celery's own way copies the configuration only, which loses the defaults and signals below.
        """
        return "app"


def _config() -> WorkerConfig:
    try:
        return WorkerConfig.from_environment()
    except WorkerError as err:
        raise SystemExit(err.detail) from err


def _pool_defaults() -> dict[str, Any]:
    """Start the processes of a GPU worker afresh: CUDA does not survive a fork."""
    device = _config().device
    on_cuda = device.startswith("cuda") or (device == "auto" and has_nvidia_driver())
    return {"worker_pool_start_method": "spawn" if on_cuda else "fork"}


@task_postrun.connect
def end_process_without_device(**_: Any) -> None:
    """End a process whose CUDA has failed, now that its job is recorded; the pool replaces it.

    Raises:
        SystemExit: what the pool takes as the last result of a process. The message is then
            acknowledged, as that of any process that was lost, and the row decides what follows.
    """
    if device_is_lost():
        logger.critical("CUDA has failed in process %d, which ends now", os.getpid())
        if threading.current_thread() is not threading.main_thread():
            # In a pool of threads that exception ends nothing: the worker lived on and took no job.
            os.kill(os.getpid(), signal.SIGTERM)
        raise SystemExit(1)


@worker_init.connect
def refuse_unfit_worker(**_: Any) -> None:
    """End a worker before it takes jobs where its device, enhancer or networks are missing.

    It would fail each job in no time, and so get most of those that healthy workers could do.

    Raises:
        SystemExit: says what is missing.
    """
    if not shop.ENHANCER.startswith("enhancer_worker."):
        _require_foreign()
        return
    config = _config()
    try:
        placement = choose_placement(config.device, config.precision)
        if placement.device.startswith("cuda") and config.device != "auto":
            require_cuda_apart(placement.device)
        records = read_manifest(config.weights_dir)
        enhancers.check_digests({name: record.sha256 for name, record in records.items()})
        _check_files(config, records.values())
    except WorkerError as err:
        raise SystemExit(err.detail) from err


def _require_foreign() -> None:
    try:
        import_string(shop.ENHANCER)
    except ImportError as err:
        raise SystemExit(f"SHOPIMG['ENHANCER'] = {shop.ENHANCER!r}: {err}") from err


def _check_files(config: WorkerConfig, records: Iterable[WeightsRecord]) -> None:
    """Raise where a file of the weights is missing, and is not to be downloaded, or damaged."""
    for record in records:
        for name, digest in record.files.items():
            path = config.weights_dir / name
            if path.exists() or not config.weights_url:
                verified_file(path, digest)


# Celery connects these in forked processes only.
task_prerun.connect(close_old_connections)
task_postrun.connect(close_old_connections)

app = WorkerApp("enhancer_worker")
app.config_from_object("django.conf:settings", namespace="CELERY")
broker.consume(broker.configure(app))
app.add_defaults(_pool_defaults)
app.autodiscover_tasks()
django.setup()
if shop.WEIGHTS_DIR and not os.environ.get("ENHANCER_WEIGHTS_DIR"):
    os.environ["ENHANCER_WEIGHTS_DIR"] = str(shop.WEIGHTS_DIR)
