"""What lists of jobs and variants can be narrowed by."""

from __future__ import annotations

from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django_filters import rest_framework as filters  # type: ignore[import-untyped]
from rest_framework.exceptions import ValidationError

from shopimg import sources
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.states import JobState, ReviewState


class SourceFilter(filters.FilterSet):  # type: ignore[misc]
    """By image and by date; for rows that belong to an image."""

    source = filters.CharFilter(
        method="of_model", max_length=200, help_text="`app_label.Model`, in any case."
    )
    source_id = filters.CharFilter(max_length=255, help_text="Primary key of the image.")
    created_after = filters.IsoDateTimeFilter(
        field_name="created_at", lookup_expr="gte", help_text="This moment or later."
    )
    created_before = filters.IsoDateTimeFilter(
        field_name="created_at", lookup_expr="lt", help_text="Before this moment."
    )

    def of_model(self, rows: QuerySet[Any], name: str, label: str) -> QuerySet[Any]:
        """Keep the rows of one watched model."""
        try:
            model = sources.find(label).model
        except LookupError as err:
            raise ValidationError({name: "There is no such watched model."}) from err
        return rows.filter(source_type=ContentType.objects.get_for_model(model))


class JobFilter(SourceFilter):
    """Jobs by state, recipe and run as well."""

    status = filters.MultipleChoiceFilter(field_name="state", choices=JobState.choices)
    recipe = filters.CharFilter(max_length=64)
    bulk_run = filters.UUIDFilter()

    class Meta:
        model = EnhancementJob
        fields = ("status", "recipe", "bulk_run", "source", "source_id")


class VariantFilter(SourceFilter):
    """Variants by state, role, recipe and job as well."""

    status = filters.MultipleChoiceFilter(field_name="state", choices=ReviewState.choices)
    role = filters.CharFilter(max_length=64)
    recipe = filters.CharFilter(field_name="job__recipe", max_length=64)
    job = filters.UUIDFilter()

    class Meta:
        model = EnhancedVariant
        fields = ("status", "role", "recipe", "job", "source", "source_id")
