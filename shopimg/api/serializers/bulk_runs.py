"""Bulk runs: what they are about, what they would cost, how far they have come."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from shopimg.api.serializers.base import RequestSerializer, RowSerializer, Status
from shopimg.models import BulkRun
from shopimg.services.bulk import Selection
from shopimg.states import FAILED_JOBS, JobState, RunState


class ProgressSerializer(serializers.Serializer[Any]):
    """How many of the run's jobs are in each state, of the images that the user may see."""

    def get_fields(self) -> dict[str, Any]:
        """Return one number per state."""
        return {state.value: serializers.IntegerField() for state in JobState}


class BulkRunSerializer(RowSerializer[BulkRun]):
    """One run over the catalogue."""

    status = Status("RunStatus", RunState, source="state")
    url = serializers.HyperlinkedIdentityField(view_name="shopimg_api:bulk-run-detail")
    progress = ProgressSerializer()

    class Meta:
        model = BulkRun
        fields = (
            "id", "status", "url", "recipe", "filters", "examined", "queued", "skipped",
            "refused", "progress", "created_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields
        extra_kwargs: ClassVar[Any] = {
            "examined": {"help_text": "Images looked at so far."},
            "queued": {"help_text": "Jobs that this run has put into the queue."},
            "skipped": {"help_text": "Images left as they are: up to date."},
            "refused": {
                "help_text": "Images whose upload cannot be used: their jobs say why. Also those "
                "whose file could not be read: they have no job, and the worker's log says why."
            },
        }


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Repeat what failed", {"model": "catalogue.ProductImage", "only_failed": True}
        ),
        OpenApiExample(
            "Count first", {"model": "catalogue.ProductImage", "recipe": "clean", "dry_run": True}
        ),
    ]
)
class NewBulkRunSerializer(RequestSerializer):
    """Which images a run is about, and what to do with them: as for `shopimg_reprocess`."""

    model = serializers.CharField(
        max_length=200, required=False, help_text="`app_label.Model`; every watched model without."
    )
    recipe = serializers.CharField(
        max_length=64, required=False, help_text="Name of a recipe; each model's own without."
    )
    ids = serializers.ListField(
        child=serializers.CharField(max_length=255),
        required=False,
        min_length=1,
        max_length=1000,
        help_text="Primary keys of images of `model`; all without.",
    )
    status = serializers.ListField(
        child=Status("JobStatus", JobState),
        required=False,
        min_length=1,
        max_length=len(JobState),
        help_text="Only images whose latest job is in one of these states.",
    )
    since = serializers.DateTimeField(
        required=False, help_text="Only images whose latest job was created then or later."
    )
    limit = serializers.IntegerField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="Most images."
    )
    only_failed = serializers.BooleanField(
        default=False, help_text="Short for `status` failed and quarantined, with `force`."
    )
    force = serializers.BooleanField(default=False, help_text="Also what is up to date.")
    dry_run = serializers.BooleanField(default=False, help_text="Count, and change nothing: 200.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse two answers to one question.

        Raises:
            ValidationError: `status` and `only_failed` are both given.
        """
        if attrs["only_failed"] and "status" in attrs:
            raise serializers.ValidationError({"status": "Not together with only_failed."})
        return attrs

    def selection(self) -> Selection:
        """Return what was asked for, as the service takes it."""
        asked = self.validated_data
        failed = asked["only_failed"]
        return Selection(
            model=asked.get("model"),
            recipe=asked.get("recipe"),
            ids=tuple(asked.get("ids", ())),
            statuses=tuple(map(str, FAILED_JOBS if failed else asked.get("status", ()))),
            since=asked.get("since"),
            limit=asked.get("limit"),
            force=asked["force"] or failed,
        )


class EstimateSerializer(serializers.Serializer[Any]):
    """What a run would cost."""

    images = serializers.IntegerField(help_text="How many images it would look at.")
    up_to_date = serializers.IntegerField(
        help_text="How many of them it would leave as they are; 0 with `force`."
    )
    to_queue = serializers.IntegerField(help_text="How many jobs it would queue.")
    seconds_per_image = serializers.FloatField(
        allow_null=True, help_text="Mean worker time of earlier jobs; null without any."
    )
    seconds = serializers.FloatField(allow_null=True, help_text="For one worker process.")
