"""Bulk runs and their progress."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from shopimg.api.serializers.base import RowSerializer
from shopimg.models import BulkRun
from shopimg.states import JobState, RunState


class ProgressSerializer(serializers.Serializer[Any]):
    """How many of the run's jobs are in each state, of the images that the user may see."""

    def get_fields(self) -> dict[str, Any]:
        """Return one number per state."""
        return {state.value: serializers.IntegerField() for state in JobState}


class BulkRunSerializer(RowSerializer[BulkRun]):
    """One run over the catalogue."""

    status = serializers.ChoiceField(RunState.choices, source="state")
    url = serializers.HyperlinkedIdentityField(view_name="shopimg_api:bulk-run-detail")
    progress = ProgressSerializer()

    class Meta:
        model = BulkRun
        fields = (
            "id", "status", "url", "recipe", "filters", "examined", "queued", "skipped",
            "progress", "created_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields
