"""Jobs as the API shows them and as clients ask for them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from shopimg.api.serializers.base import RequestSerializer, RowSerializer, SourceReference, Status
from shopimg.api.serializers.options import OptionsField
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.states import JobState


class JobErrorSerializer(serializers.Serializer[EnhancementJob]):
    """Why the last attempt failed."""

    code = serializers.CharField(source="error_code")
    message = serializers.CharField(source="error_message")


class UploadSerializer(serializers.Serializer[EnhancementJob]):
    """The uploaded file."""

    name = serializers.CharField(source="source_name")
    digest = serializers.CharField(source="source_digest", help_text="sha256.")
    size_bytes = serializers.IntegerField(source="source_bytes")
    width = serializers.IntegerField(source="source_width", help_text="Pixels; 0 where refused.")
    height = serializers.IntegerField(source="source_height", help_text="Pixels; 0 where refused.")


class JobResultSerializer(RowSerializer[EnhancedVariant]):
    """A variant that the job has produced."""

    status = serializers.CharField(source="state")
    url = serializers.HyperlinkedIdentityField(view_name="shopimg_api:variant-detail")

    class Meta:
        model = EnhancedVariant
        fields = ("id", "role", "candidate", "status", "url")
        read_only_fields = fields


class JobSerializer(RowSerializer[EnhancementJob]):
    """One recipe to run on one uploaded file."""

    status = Status("JobStatus", JobState, source="state")
    source = SourceReference(source="*")  # type: ignore[assignment]  # a field
    upload = UploadSerializer(source="*")
    result_url = serializers.HyperlinkedIdentityField(
        view_name="shopimg_api:job-detail", help_text="Where to ask for the outcome."
    )
    error = serializers.SerializerMethodField()
    variants = JobResultSerializer(many=True)
    timings = serializers.DictField(child=serializers.FloatField(), help_text="Seconds by step.")

    class Meta:
        model = EnhancementJob
        fields = (
            "id", "status", "result_url", "source", "upload", "recipe", "bulk_run", "attempts",
            "error", "timings", "variants", "created_at", "started_at", "finished_at",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(JobErrorSerializer(allow_null=True))
    def get_error(self, job: EnhancementJob) -> dict[str, Any] | None:
        """Return why the last attempt failed, or None."""
        return JobErrorSerializer(job).data if job.error_code else None


@extend_schema_serializer(
    examples=[
        OpenApiExample("The model's own recipe", {"source": "catalogue.ProductImage", "id": "17"}),
        OpenApiExample(
            "A named recipe",
            {"source": "catalogue.ProductImage", "id": "17", "recipe": "clean"},
        ),
        OpenApiExample(
            "Other scenes",
            {
                "source": "catalogue.ProductImage",
                "id": "17",
                "recipe": "scene",
                "options": {
                    "background.style": "wood_table",
                    "background.seed": 41,
                    "shadow.mode": "soft",
                    "padding": 0.1,
                    "output_size": "1600x2000",
                },
            },
        ),
    ]
)
class NewJobSerializer(RequestSerializer):
    """Which image to enhance, and how."""

    source = serializers.CharField(  # type: ignore[assignment]  # a field
        max_length=200, help_text="`app_label.Model`, in any case."
    )
    id = serializers.CharField(max_length=255, help_text="Primary key of the image.")
    recipe = serializers.CharField(
        max_length=64, required=False, help_text="Name of a recipe; the model's own by default."
    )
    options = OptionsField(required=False, help_text="What to change in the recipe.")
