"""What all serializers share: moments in ISO 8601 and images of the host, whatever its settings."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from django.db import models
from rest_framework import ISO_8601, serializers

from shopimg.models import SourceRow

_Row = TypeVar("_Row", bound=models.Model)


class Moment(serializers.DateTimeField):
    """A moment in ISO 8601, also where the host has chosen another format for its own API."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format=ISO_8601, **kwargs)


class RowSerializer(serializers.ModelSerializer[_Row]):
    """A row of shopimg, read-only."""

    serializer_field_mapping: ClassVar[Any] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: Moment,
    }


class SourceReference(serializers.Serializer[SourceRow]):
    """One image of the host."""

    model = serializers.SerializerMethodField(help_text="`app_label.model`, in lower case.")
    id = serializers.CharField(source="source_id", help_text="Primary key, as text.")

    def get_model(self, row: SourceRow) -> str:
        """Return the label of the image's model."""
        return f"{row.source_type.app_label}.{row.source_type.model}"
