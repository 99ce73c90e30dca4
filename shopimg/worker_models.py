"""What workers tell the shop about themselves: signs of life, and what jobs would cost."""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from shopimg.querysets import WorkerHeartbeatQuerySet


class WorkerHeartbeat(models.Model):
    """The last sign of life of one worker process; an old one means a dead or deaf worker."""

    name = models.CharField(_("worker"), max_length=255, primary_key=True)
    queues = models.CharField(_("queues"), max_length=255)
    processes = models.PositiveSmallIntegerField(_("jobs at once"), default=1)
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    seen_at = models.DateTimeField(_("last seen"), default=timezone.now)

    objects = WorkerHeartbeatQuerySet.as_manager()

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class CostQuestion(models.Model):
    """Asks a worker what jobs would cost on its machine; the row carries question and answer."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    recipe = models.CharField(max_length=64)
    recipe_table = models.JSONField()
    sizes = models.JSONField()
    answer = models.JSONField(null=True)
    problem = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[models.Manager[CostQuestion]] = models.Manager()

    def __str__(self) -> str:
        return self.recipe
