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
from shopimg.models import WorkerHeartbeat
from shopimg.services import workers


@dataclass(frozen=True, slots=True)
class WorkerNotice:
    """What to tell people about the workers."""

    alive: int
    """Workers that have given a sign of life just now."""
    unserved: tuple[str, ...]
    """Queues that none of them looks into."""

    @property
    def commands(self) -> list[str]:
        """How to start one for each of these queues, as docs/quickstart.md does."""
        return [
            f"celery -A enhancer_worker worker -n {queue}@%h -Q {queue} "
            f"{'--beat ' if queue == settings.UPKEEP_QUEUE else ''}--concurrency 1 -l INFO"
            for queue in self.unserved
        ]


def worker_notice() -> WorkerNotice:
    """Look whether anybody works, on every queue."""
    return WorkerNotice(WorkerHeartbeat.objects.alive().count(), workers.unserved())


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
