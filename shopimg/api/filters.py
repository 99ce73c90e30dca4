"""What lists of jobs and variants can be narrowed by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet, TextChoices
from django_filters import rest_framework as filters  # type: ignore[import-untyped]
from django_filters.fields import IsoDateTimeField  # type: ignore[import-untyped]
from rest_framework.exceptions import ValidationError

from shopimg import sources
from shopimg.models import EnhancedVariant, EnhancementJob
from shopimg.states import JobState, ReviewState


class MomentField(IsoDateTimeField):  # type: ignore[misc]
    """A moment in ISO 8601, in UTC: databases do not know every offset that Python reads."""

    def clean(self, value: Any) -> datetime | None:
        """Return the moment.

        Raises:
            ValidationError: it is none, or not within the years 1 to 9999 in UTC.
        """
        moment: datetime | None = super().clean(value)
        try:
            return moment and moment.astimezone(UTC)
        except OverflowError as err:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from err


class MomentFilter(filters.IsoDateTimeFilter):  # type: ignore[misc]
    """By a moment."""

    field_class = MomentField


class SourceFilter(filters.FilterSet):  # type: ignore[misc]
    """By image and by date; for rows that belong to an image."""

    source = filters.CharFilter(
        method="of_model", max_length=200, help_text="`app_label.Model`, in any case."
    )
    source_id = filters.CharFilter(max_length=255, help_text="Primary key of the image.")
    created_after = MomentFilter(
        field_name="created_at", lookup_expr="gte", help_text="This moment or later."
    )
    created_before = MomentFilter(
        field_name="created_at", lookup_expr="lt", help_text="Before this moment."
    )

    def of_model(self, rows: QuerySet[Any], name: str, label: str) -> QuerySet[Any]:
        """Keep the rows of one watched model."""
        try:
            model = sources.find(label).model
        except LookupError as err:
            raise ValidationError({name: str(err)}) from err
        return rows.filter(source_type=ContentType.objects.get_for_model(model))


def _by_state(states: type[TextChoices]) -> filters.MultipleChoiceFilter:
    known = ", ".join(states.values)
    unknown = f"There is no status '%(value)s'. Known: {known}."
    return filters.MultipleChoiceFilter(
        field_name="state",
        choices=states.choices,
        error_messages={"invalid_choice": unknown},
        distinct=False,  # one column gives no row twice, and to make sure would sort them all
    )


class JobFilter(SourceFilter):
    """Jobs by state, recipe and run as well."""

    status = _by_state(JobState)
    recipe = filters.CharFilter(max_length=64)
    bulk_run = filters.UUIDFilter()

    class Meta:
        model = EnhancementJob
        fields = ("status", "recipe", "bulk_run", "source", "source_id")


class VariantFilter(SourceFilter):
    """Variants by state, role, recipe and job as well."""

    status = _by_state(ReviewState)
    role = filters.CharFilter(max_length=64)
    recipe = filters.CharFilter(field_name="job__recipe", max_length=64)
    job = filters.UUIDFilter()

    class Meta:
        model = EnhancedVariant
        fields = ("status", "role", "recipe", "job", "source", "source_id")
