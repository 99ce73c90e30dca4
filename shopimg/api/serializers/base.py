"""What all serializers share: moments in ISO 8601 and images of the host, whatever its settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from django.db import models
from rest_framework import ISO_8601, serializers

from shopimg.models import SourceRow

_Row = TypeVar("_Row", bound=models.Model)


class Moment(serializers.DateTimeField):
    """A moment in ISO 8601, also where the host has chosen another format for its own API."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format=ISO_8601, **kwargs)


class Status(serializers.ChoiceField):
    """The state of a row, by a name of its own in documents.

    Args:
        name: of the choices.
        states: what there is.
    """

    def __init__(self, name: str, states: type[models.TextChoices], **kwargs: Any) -> None:
        self.name = name
        super().__init__(states.choices, **kwargs)


class RowSerializer(serializers.ModelSerializer[_Row]):
    """A row of shopimg, read-only."""

    serializer_field_mapping: ClassVar[Any] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: Moment,
    }


class RequestSerializer(serializers.Serializer[Any]):
    """The body of a request: a field that is misspelt is refused, not passed over."""

    def to_internal_value(self, data: Any) -> Any:
        """Read the body.

        Raises:
            ValidationError: it has a field that does not exist, or one that is not valid.
        """
        # Forms of logged-in people carry the token.
        given = set(data) - {"csrfmiddlewaretoken"} if isinstance(data, Mapping) else set()
        if unknown := sorted(given - set(self.fields)):
            known = ", ".join(self.fields)
            message = f"There is no such field. Known: {known}."
            raise serializers.ValidationError(dict.fromkeys(unknown, message))
        return super().to_internal_value(data)


class SourceReference(serializers.Serializer[SourceRow]):
    """One image of the host."""

    model = serializers.SerializerMethodField(help_text="`app_label.model`, in lower case.")
    id = serializers.CharField(source="source_id", help_text="Primary key, as text.")

    def get_model(self, row: SourceRow) -> str:
        """Return the label of the image's model."""
        return f"{row.source_type.app_label}.{row.source_type.model}"
