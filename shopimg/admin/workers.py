"""Workers as the admin sees them: a list, and a warning where nobody works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from shopimg.admin.columns import age, badge
from shopimg.admin.readonly import ReadOnlyAdmin
from shopimg.conf import settings
from shopimg.models import BulkRun, WorkerHeartbeat


@dataclass(frozen=True, slots=True)
class WorkerNotice:
    """What to tell people about the workers."""

    alive: int
    """Workers that have given a sign of life just now."""
    command: str
    """How to start one."""


def worker_notice() -> WorkerNotice:
    """Look whether anybody works."""
    queues = ",".join(dict.fromkeys([settings.QUEUE, settings.BULK_QUEUE]))
    return WorkerNotice(
        alive=WorkerHeartbeat.objects.alive().count(),
        command=f"celery -A enhancer_worker worker -Q {queues}",
    )


@admin.register(WorkerHeartbeat)
class WorkerHeartbeatAdmin(ReadOnlyAdmin[WorkerHeartbeat]):
    """Every worker that has not said goodbye."""

    list_display = ("name", "queues", "sign_of_life", "running_since")
    list_display_links = None

    class Media:
        """Badges."""

        css: ClassVar = {"all": ["shopimg/admin.css"]}

    @admin.display(description=_("last sign of life"), ordering="seen_at")
    def sign_of_life(self, worker: WorkerHeartbeat) -> SafeString:
        """Say whether the worker is alive."""
        silent_seconds = (timezone.now() - worker.seen_at).total_seconds()
        alive = silent_seconds <= 3 * settings.HEARTBEAT_SECONDS
        state = badge("succeeded", _("alive")) if alive else badge("failed", _("silent"))
        return format_html("{} {}", state, age(worker.seen_at))

    @admin.display(description=_("running since"), ordering="started_at")
    def running_since(self, worker: WorkerHeartbeat) -> SafeString:
        """Say when it started."""
        return age(worker.started_at)


@admin.register(BulkRun)
class BulkRunAdmin(ReadOnlyAdmin[BulkRun]):
    """Calls of ``shopimg_reprocess``."""

    list_display = ("__str__", "state", "examined", "queued", "skipped", "created_at")
    list_filter = ("state",)
